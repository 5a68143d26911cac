"""Where the results go, once they are in their files: to MLflow, and to the job's row."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from melancia.errors import TrackingError
from melancia.experiments.files import draw, folder_of
from melancia.records import content_hash

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
    pictures = draw(report, folder_of(settings))
    link, run_id = _track(settings, report, written, pictures)
    if run_id is not None:
        reporter.result(_small(report, link), run_id)


def _track(
    settings: "Settings", report: "Report", written: "Files", pictures: Sequence[Path]
) -> tuple[str | None, str | None]:
    """Tell MLflow, or its local folder; the run's page, if a server shows it, and its id."""
    from melancia.mlops import benchmark_runs, local_store

    models = [
        benchmark_runs.ModelResult(summary.variant, summary.metrics(), _answers(report, summary.variant.hash))
        for summary in report.summaries
    ]
    texts = [[question.id, question.text] for question in report.questions]
    try:
        tracked = local_store.tracked(settings)
        recorded = benchmark_runs.record(
            tracked,
            benchmark_runs.BenchmarkResult(
                benchmark_id=report.id,
                mode=report.mode,
                started_at=report.started_at,
                ended_at=report.ended_at,
                complete=report.complete,
                models=models,
                files=[written.data, written.table, written.text, written.configuration],
                pictures=pictures,
                params=_params(report),
                questions=benchmark_runs.QuestionSet(report.mode, content_hash(texts)),
            ),
        )
    except TrackingError as error:
        typer.echo(f"Atenção: {error.message} {error.remedy}", err=True)
        return None, None
    where = recorded.url or f"{local_store.folder(settings)} (`melancia benchmark --mode ui` mostra)"
    typer.echo(f"🔬 MLflow: {where}")
    return recorded.url or None, recorded.run_id


def _params(report: "Report") -> Mapping[str, Any]:
    options = report.options
    return {
        "questions": len(report.questions),
        "repeats": options.repeats,
        "seed": options.seed,
        "pipeline": options.pipeline,
        "batch": options.batch,
        "judge": options.judge or None,
        "budget": options.budget,
        "index_version": report.index_version,
    }


def _answers(report: "Report", variant_hash: str) -> list[Mapping[str, Any]]:
    return [answer.row() for answer in report.answers if answer.variant_hash == variant_hash]


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
