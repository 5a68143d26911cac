"""The command line. Heavy packages are imported by the command that needs them."""

import sys
from typing import Annotated

import typer

from melancia import __version__
from melancia.cli import (
    actions,
    answers,
    benchmark,
    drift,
    experiment,
    feedback,
    health,
    knowledge,
    portuguese,
    privacy,
    server,
    votes,
    worker,
)
from melancia.errors import MelanciaError

# What pyproject.toml lists under "jobs", as it is imported.
_OF_THE_JOBS = ("scipy", "statsmodels", "matplotlib", "py3langid", "evidently", "sklearn")

app = typer.Typer(
    name="melancia",
    help="MelâncIA: assistente de Retail Media em português, com fontes.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # half of the time of --help, for boxes around it
)
app.command("serve")(server.serve)
app.command("worker")(worker.worker)
app.command("ask")(answers.ask)
app.command("ingest")(knowledge.ingest)
app.command("search")(knowledge.search)
app.command("models")(health.models)
app.command("doctor")(health.doctor)
app.command("benchmark")(benchmark.benchmark)
app.command("drift")(drift.drift)
app.add_typer(feedback.app, name="feedback")
app.add_typer(experiment.app, name="experiment")
app.add_typer(votes.app, name="votes")
app.add_typer(actions.app, name="actions")
app.add_typer(privacy.app, name="privacy")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"melancia {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Versão.")
    ] = False,
) -> None:
    """MelâncIA: assistente de Retail Media em português, com fontes."""


def main() -> None:
    """Run the command line; expected failures become a message in Portuguese and exit code 1, or 2 for the
    arguments.
    """
    try:
        code = portuguese.run(app)
    except MelanciaError as error:
        typer.echo(f"Erro: {error.message}", err=True)
        if error.remedy:
            typer.echo(error.remedy, err=True)
        sys.exit(1)
    except ModuleNotFoundError as error:
        # The page's image does without what only reports need.
        if (package := (error.name or "").partition(".")[0]) not in _OF_THE_JOBS:
            raise
        typer.echo(f"Erro: Este comando precisa do pacote {package}, que não está instalado aqui.", err=True)
        typer.echo(
            "Na pilha, rode-o no worker: `docker compose exec worker melancia …`. "
            "Fora dela, `make setup` instala tudo.",
            err=True,
        )
        sys.exit(1)
    sys.exit(code)
