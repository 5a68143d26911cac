"""Where the results go, once they are in their files: to MLflow, and to the job's row."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from melancia.errors import TrackingError
from melancia.experiments.files import draw, folder_of, telling

if TYPE_CHECKING:
    from melancia.experiments.files import Files
    from melancia.experiments.results import Report
    from melancia.jobs.reporting import Reporter
    from melancia.settings import Settings


def keep(settings: "Settings", report: "Report", written: "Files", reporter: "Reporter") -> None:
    """Say where the files are; tell the job's row and MLflow. That MLflow is away fails nothing."""
    for file in (written.data, written.table):
        typer.echo(f"💾 {file}")
    # First of all: a job that is cancelled has only seconds left.
    reporter.result(_small(report, None))
    with telling(written.data):  # a worker must not tell of it, too
        pictures = draw(report, folder_of(settings))
        link, run_id = _track(settings, report, written, pictures)
    if run_id is not None:
        reporter.result(_small(report, link), run_id)


def _track(
    settings: "Settings", report: "Report", written: "Files", pictures: Sequence[Path]
) -> tuple[str | None, str | None]:
    """Tell MLflow, or its local folder; the run's page, if a server shows it, and its id."""
    from melancia.benchmark_tracking import track
    from melancia.mlops import local_store

    try:
        recorded = track(local_store.tracked(settings), report, written, pictures)
    except TrackingError as error:
        later = " Os resultados estão guardados: o worker os registra quando o MLflow voltar."
        said = f"{error.message} {error.remedy}{later if settings.mlflow_url else ''}"
        typer.echo(f"Atenção: {said}", err=True)
        return None, None
    where = recorded.url or f"{local_store.folder(settings)} (`melancia benchmark --mode ui` mostra)"
    typer.echo(f"🔬 MLflow: {where}")
    return recorded.url or None, recorded.run_id


def _small(report: "Report", link: str | None) -> dict[str, Any]:
    """What the page shows of a job that ended."""
    shown = ("quality_avg", "relevance_avg", "latency_avg", "success_rate", "cost_total")
    return {
        "benchmark": report.id,
        "mode": report.mode,
        "questions": len(report.questions),
        "models": [
            {"model": summary.variant.label, **{name: summary.figures.get(name) for name in shown}}
            for summary in report.summaries
        ],
        "link": link,
    }
