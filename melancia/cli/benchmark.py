"""``benchmark``: compare models on the same questions; a command, and a job of the page."""

import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from melancia.cli.logs import log_as_job
from melancia.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence


Modes = Literal["quick", "full", "ui"]
LAST = "ultimo"


def benchmark(
    context: typer.Context,
    *,
    mode: Annotated[
        Modes | None,
        typer.Option(
            help="quick, o padrão: as três perguntas do guia; full: todas as do conjunto de teste; "
            "ui: abre o MLflow."
        ),
    ] = None,
    models: Annotated[
        str, typer.Option(help="Só estes, com vírgulas, como ollama:phi3:mini; o extrativo entra sempre.")
    ] = "",
    questions: Annotated[
        Path | None, typer.Option(help="Perguntas próprias: .jsonl, ou um texto com uma por linha.")
    ] = None,
    report: Annotated[
        str | None, typer.Option(help="As perguntas de um relatório de saúde: o identificador dele.")
    ] = None,
    topic: Annotated[
        str | None, typer.Option(help="Só as perguntas deste assunto do relatório (--report).")
    ] = None,
    categories: Annotated[str, typer.Option(help="Só perguntas destas categorias, com vírgulas.")] = "",
    limit: Annotated[int | None, typer.Option(min=1, help="No máximo tantas perguntas, por sorteio.")] = None,
    repeats: Annotated[int, typer.Option(min=1, max=100, help="Vezes que cada pergunta é feita.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Semente do sorteio, dos modelos e dos intervalos.")] = 0,
    concurrency: Annotated[
        int, typer.Option(min=1, max=64, help="Perguntas ao mesmo tempo em cada provedor da nuvem.")
    ] = 4,
    budget: Annotated[float | None, typer.Option(min=0, help="Em US$; para antes de passar dele.")] = None,
    pipeline: Annotated[
        bool, typer.Option("--pipeline", help="O caminho inteiro dos usuários, busca e recusa incluídas.")
    ] = False,
    batch: Annotated[
        bool,
        typer.Option("--batch", help="Modelos da OpenAI em lote: metade do preço, em até um dia."),
    ] = False,
    judge: Annotated[str, typer.Option(help="Modelo que julga as respostas, como openai:gpt-4o-mini.")] = "",
    resume: Annotated[
        str | None, typer.Option(help=f"Continua um benchmark interrompido: o seu nome, ou {LAST}.")
    ] = None,
) -> None:
    """Compara modelos com as mesmas perguntas: qualidade, relevância, latência, tokens, custo e falhas."""
    from melancia.app import Runtime
    from melancia.cli.benchmark_run import Wanted, measure
    from melancia.experiments.plan import Options
    from melancia.settings import load_settings

    settings = load_settings()
    log_as_job(settings)
    _check(_given(context), mode)
    _listen_to_the_end()
    if mode == "ui":
        from melancia.cli.benchmark_ui import show

        show(settings)
        return
    options = Options(
        repeats=repeats,
        seed=seed,
        concurrency=concurrency,
        budget=budget,
        pipeline=pipeline,
        batch=batch,
        judge=judge,
    )
    wanted = Wanted(
        mode=mode or "quick",
        models=_listed(models),
        questions=questions,
        report=report,
        topic=topic,
        categories=_listed(categories),
        limit=limit,
        options=options,
        resume=None if resume is None else resume.removesuffix(".partial.jsonl").replace(LAST, ""),
    )
    runtime = Runtime.open(settings)
    try:
        code = measure(runtime, wanted)
    finally:
        runtime.close()
    if code:
        raise typer.Exit(code)


def _given(context: typer.Context) -> set[str]:
    """The names of the options that were typed, with whatever value."""
    sources = {name: context.get_parameter_source(name) for name in context.params}
    return {name for name, source in sources.items() if source and source.name == "COMMANDLINE"}


def _check(given: set[str], mode: Modes | None) -> None:
    """Raises InputError for choices that contradict each other, or that were made already."""
    if mode == "ui" and (others := given - {"mode"}):
        raise InputError("--mode ui só mostra o MLflow.", f"Tire {_options(others)}.")
    if "resume" in given and (others := given - {"resume", "budget"}):
        raise InputError(
            "--resume continua com o modo, os modelos, as perguntas e as opções de antes.",
            f"Tire {_options(others)}; só --budget pode mudar.",
        )
    if "topic" in given and "report" not in given:
        raise InputError("--topic é o assunto de um relatório.", "Diga de qual, com --report.")
    if "report" in given and given & {"questions", "categories"}:
        raise InputError(
            "As perguntas são as do relatório.", "Tire --questions e --categories, ou tire --report."
        )


def _options(names: set[str]) -> str:
    return ", ".join(f"--{name}" for name in sorted(names))


def _listed(text: str) -> "Sequence[str]":
    return [part.strip() for part in text.split(",") if part.strip()]


def _listen_to_the_end() -> None:
    """SIGTERM (a cancelled job, ``docker stop``) ends the run as Ctrl-C does: what was measured is kept."""
    # A child of a background process may have been told to ignore Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
