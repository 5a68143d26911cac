"""``benchmark``: measure every usable model on the same questions; a command, and a job of the page."""

import asyncio
import signal
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from melancia.errors import TrackingError

if TYPE_CHECKING:
    from pathlib import Path

    from melancia.app import Runtime
    from melancia.experiments.benchmark import Benchmark, Step
    from melancia.experiments.files import Report
    from melancia.experiments.questions import Question
    from melancia.jobs.reporting import Reporter
    from melancia.records import Variant
    from melancia.settings import Settings

_INTERRUPTED = 130


def benchmark(
    mode: Annotated[
        Literal["quick", "full"],
        typer.Option(help="quick: as três perguntas do guia; full: as do conjunto test com resposta."),
    ] = "quick",
    limit: Annotated[int | None, typer.Option(min=1, help="No máximo tantas perguntas.")] = None,
) -> None:
    """Mede cada modelo disponível com as mesmas perguntas: latência, tokens, custo e falhas."""
    from melancia.app import Runtime
    from melancia.experiments.questions import questions
    from melancia.settings import load_settings

    settings = load_settings()
    asked = questions(mode, limit)
    _listen_to_the_end()
    runtime = Runtime.open(settings)
    try:
        code = _measure(runtime, mode, asked)
    finally:
        runtime.close()
    if code:
        raise typer.Exit(code)


def _listen_to_the_end() -> None:
    """SIGTERM (a cancelled job, ``docker stop``) ends the run as Ctrl-C does: what was measured is kept."""
    # A child of a background process may have been told to ignore Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))


def _measure(runtime: "Runtime", mode: Literal["quick", "full"], asked: "Sequence[Question]") -> int:
    """Run, report, keep; the exit code: 0, 1 when nobody answered anything, 130 when it was stopped."""
    from melancia.cli import benchmark_report as text
    from melancia.cli.knowledge import say_pending
    from melancia.experiments.benchmark import Benchmark, candidates, variant_of
    from melancia.experiments.files import Report, write
    from melancia.experiments.results import summarise
    from melancia.jobs.reporting import Reporter
    from melancia.records import utc_now

    settings = runtime.settings
    reporter = Reporter(settings, runtime.store)
    started = utc_now()
    typer.echo(text.opening(mode, asked))
    cards = candidates(settings)
    typer.echo(text.providers(cards))
    variants = [variant_of(card, settings) for card in cards if card.availability.usable]
    typer.echo(text.beginning(len(variants), len(asked)))
    progress = runtime.index.progress()
    say_pending(progress.vectors, progress.chunks)
    bench = Benchmark(
        settings=settings,
        retriever=lambda: runtime.index.retriever,
        index_version=lambda: runtime.index.version,
        make_model=runtime.models.make,
    )
    complete = _run(bench, variants, asked, reporter)
    if not bench.answers:
        typer.echo("Interrompido antes da primeira resposta; nada foi gravado.", err=True)
        return _INTERRUPTED
    summaries = [summarise(variant, bench.answers) for variant in variants]
    report = Report(
        mode=mode,
        started_at=started,
        ended_at=utc_now(),
        complete=complete,
        index_version=runtime.index.version,
        questions=asked,
        summaries=[summary for summary in summaries if summary.questions],
        answers=bench.answers,
    )
    typer.echo(text.results(report))
    reporter.progress(1.0, "Gravando os resultados…")
    files = write(report, settings)
    for file in files:
        typer.echo(f"💾 {file}")
    # Before MLflow, which may be slow to be away: a job that is cancelled has only seconds left.
    reporter.result(_small(report, files, None))
    link, run_id = _track(settings, report, files)
    if link is not None:
        reporter.result(_small(report, files, link), run_id)
    if not complete:
        typer.echo("Interrompido; o que foi medido está nos arquivos.", err=True)
        return _INTERRUPTED
    if not any(answer.success for answer in bench.answers):
        typer.echo("Erro: nenhum modelo respondeu. Veja os motivos acima e `melancia doctor`.", err=True)
        return 1
    return 0


def _run(
    bench: "Benchmark", variants: "Sequence[Variant]", asked: "Sequence[Question]", reporter: "Reporter"
) -> bool:
    """Measure under a progress bar; False when it was stopped, from the page or with Ctrl-C."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    # In a log there is nothing to redraw: a line an answer says more.
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:
        bar = bars.add_task("Iniciando", total=len(variants) * len(asked))

        def show(message: str, done: int) -> None:
            bars.update(bar, description=message, completed=done)

        watch = _watch(reporter, show, lines=not console.is_terminal)
        try:
            return asyncio.run(bench.run(variants, asked, watch))
        except KeyboardInterrupt:
            return False


def _watch(
    reporter: "Reporter", show: Callable[[str, int], None], *, lines: bool
) -> "Callable[[Step], bool]":
    from melancia.cli.benchmark_report import answer_line, where

    def watch(step: "Step") -> bool:
        message = where(step)
        show(message, step.done)
        if lines and step.answer is not None:
            sys.stderr.write(f"{message}: {answer_line(step.answer)}\n")
            sys.stderr.flush()
        return reporter.progress(step.done / step.total, message)

    return watch


def _track(settings: "Settings", report: "Report", files: "Sequence[Path]") -> tuple[str | None, str | None]:
    """Tell MLflow, if there is one; the run's page and id. That it is away fails nothing: files are there."""
    if not settings.mlflow_url:
        typer.echo("🔬 MLflow não configurado (MLFLOW_TRACKING_URI); os resultados ficam nos arquivos.")
        return None, None
    from melancia.mlops import benchmark_runs, naming

    models = [
        benchmark_runs.ModelResult(
            summary.variant,
            {name: value for name, value in summary.metrics().items() if name in naming.METRICS},
        )
        for summary in report.summaries
    ]
    try:
        recorded = benchmark_runs.record(
            settings,
            benchmark_runs.BenchmarkResult(
                mode=report.mode,
                started_at=report.started_at,
                ended_at=report.ended_at,
                complete=report.complete,
                models=models,
                files=files,
                params={"questions": len(report.questions), "index_version": report.index_version},
            ),
        )
    except TrackingError as error:
        typer.echo(f"Atenção: {error.message} {error.remedy}", err=True)
        return None, None
    typer.echo(f"🔬 MLflow: {recorded.url}")
    return recorded.url, recorded.run_id


def _small(report: "Report", files: "Sequence[Path]", link: str | None) -> dict[str, Any]:
    """What the page shows of a job that ended."""
    return {
        "mode": report.mode,
        "questions": len(report.questions),
        "models": [
            {
                "model": summary.variant.label,
                "latency_avg": summary.latency_avg,
                "success_rate": summary.success_rate,
                "cost_total": summary.cost_total,
            }
            for summary in report.summaries
        ],
        "files": [file.name for file in files],
        "link": link,
    }
