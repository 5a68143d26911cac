"""Measures, under a progress bar, and says what was found."""

import asyncio
import sys
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from melancia.evals.labelled_answers import read_labelled
from melancia.experiments import report_text as text
from melancia.experiments.files import folder_of, write
from melancia.experiments.judging import judge_variant, rated_cases
from melancia.experiments.plan import Options, Step, Watch
from melancia.experiments.questions import Mode, Question, of_report, questions
from melancia.experiments.runner import STOPPED
from melancia.experiments.session import Parts, Session
from melancia.experiments.variants import candidates, chosen, priced
from melancia.jobs.reporting import Reporter

if TYPE_CHECKING:
    from melancia.app import Runtime
    from melancia.evals.evaluate import Evaluator
    from melancia.experiments.results import JudgeReport, Report

_INTERRUPTED = 130
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the command was told. ``resume``: the benchmark to go on with, "" for the newest.

    ``report``, ``topic``: the drift report whose questions are asked, and those of which topic.
    """

    mode: Mode
    models: Sequence[str]
    questions: Path | None
    report: str | None
    topic: str | None
    categories: Sequence[str]
    limit: int | None
    options: Options
    resume: str | None


def measure(runtime: "Runtime", wanted: Wanted) -> int:
    """Run, report, keep; the exit code: 0, 1 when nobody answered anything, 130 when it was stopped.

    Raises InputError, SettingsError, ProviderError before anything is asked.
    """
    from melancia.cli.benchmark_results import keep

    reporter = Reporter(runtime.settings, runtime.store)
    session = _session(runtime, wanted)
    try:
        numbers = _numbers(runtime, session)
        _run(session.measure, reporter, numbers)
        if not session.answers:
            typer.echo("Interrompido antes da primeira resposta; nada foi gravado.", err=True)
            return _INTERRUPTED
        report = session.report(_judged(runtime, session, reporter, numbers))
        printed = text.results(report)
        typer.echo(printed)
        reporter.progress(1.0, "Gravando os resultados…")
        written = write(report, printed, folder_of(runtime.settings))
    finally:
        session.close()
    keep(runtime.settings, report, written, reporter)
    return _code(report)


def _session(runtime: "Runtime", wanted: Wanted) -> Session:
    from melancia.cli.knowledge import say_pending

    settings = runtime.settings
    folder = folder_of(settings)
    parts = Parts(
        settings=settings,
        searcher=lambda: runtime.index.retriever,
        index_version=lambda: runtime.index.version,
        make_model=runtime.models.make,
        evaluator=_evaluator(runtime),
    )
    progress = runtime.index.progress()
    if wanted.resume is not None:
        session = Session.resume(parts, folder, wanted.resume, wanted.options.budget)
        done, header = len(session.answers), session.header
        typer.echo(f"↩️  Continuando {header.id}: {done} respostas já medidas.")
        say_pending(progress.vectors, progress.chunks)
        return session
    asked = _questions(runtime, wanted)
    typer.echo(text.opening(wanted.mode, asked, quoted=settings.job_id is None))
    cards = candidates(settings)
    if wanted.options.budget is not None and not wanted.models:
        cards = priced(cards, settings)
    variants = chosen(cards, wanted.models, settings)
    typer.echo(text.providers(cards))
    typer.echo(text.beginning(len(variants), len(asked)))
    say_pending(progress.vectors, progress.chunks)
    if wanted.options.judge:
        chosen(cards, [wanted.options.judge], settings)
        judge_variant(wanted.options.judge, settings)
    return Session.begin(
        parts, folder, mode=wanted.mode, variants=variants, questions=asked, options=wanted.options
    )


def _questions(runtime: "Runtime", wanted: Wanted) -> Sequence[Question]:
    limit, seed = wanted.limit, wanted.options.seed
    if wanted.report is not None:
        return of_report(runtime.store, wanted.report, wanted.topic, limit=limit, seed=seed)
    return questions(wanted.mode, file=wanted.questions, categories=wanted.categories, limit=limit, seed=seed)


def _evaluator(runtime: "Runtime") -> "Evaluator":
    from melancia.embeddings.local import LocalEmbeddings
    from melancia.evals.evaluate import Evaluator

    # The bundled ones whatever the index uses: a score must not depend on a server, nor cost anything.
    return Evaluator(LocalEmbeddings(), runtime.index.retriever.idf)


def _numbers(runtime: "Runtime", session: Session) -> Mapping[str, int]:
    """What a job says instead of the questions, which may be users': its row outlives what they erase."""
    if runtime.settings.job_id is None:
        return {}
    return {question.text: number for number, question in enumerate(session.header.questions, 1)}


def _judged(
    runtime: "Runtime", session: Session, reporter: Reporter, numbers: Mapping[str, int]
) -> "JudgeReport | None":
    """Let the judge judge, if there is one and nothing was interrupted."""
    if not session.header.options.judge or session.stopped == STOPPED:
        return None
    typer.echo(f"⚖️  Juiz: {session.header.options.judge}")
    labelled, rated = read_labelled(), rated_cases(runtime.store)
    return _run(lambda watch: session.judge(labelled, rated, watch), reporter, numbers)


def _run(
    work: Callable[[Watch], Coroutine[Any, Any, T]], reporter: Reporter, numbers: Mapping[str, int]
) -> T | None:
    """Do ``work`` under a progress bar; None when Ctrl-C ended it. ``numbers``: see ``report_text.where``."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    # In a log there is nothing to redraw: a line an answer says more.
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:
        bar = bars.add_task("Iniciando", total=None)

        def show(message: str, step: Step) -> None:
            bars.update(bar, description=message, completed=step.done, total=step.total)

        try:
            return asyncio.run(work(_watch(reporter, show, numbers, lines=not console.is_terminal)))
        except KeyboardInterrupt:
            return None


def _watch(
    reporter: Reporter, show: Callable[[str, Step], None], numbers: Mapping[str, int], *, lines: bool
) -> Callable[[Step], bool]:
    def watch(step: Step) -> bool:
        message = text.where(step, numbers)
        show(message, step)
        if lines and step.answer is not None:
            sys.stderr.write(f"{message}: {text.answer_line(step.answer)}\n")
            sys.stderr.flush()
        return reporter.progress(step.done / max(1, step.total), message)

    return watch


def _code(report: "Report") -> int:
    if not report.complete:
        typer.echo(
            f"Parou antes do fim ({report.stopped}); o que foi medido está nos arquivos. "
            f"Para continuar: melancia benchmark --resume {report.id}",
            err=True,
        )
        if report.stopped == STOPPED:
            return _INTERRUPTED
    if not any(answer.success for answer in report.answers):
        typer.echo("Erro: nenhum modelo respondeu. Veja os motivos acima e `melancia doctor`.", err=True)
        return 1
    return 0
