"""Options that several commands share."""

import getpass
from typing import Annotated

import typer

Marketplace = Annotated[str | None, typer.Option(help="Só documentos deste marketplace (e os gerais).")]
Topic = Annotated[str | None, typer.Option(help="Só documentos deste tópico.")]
AsJson = Annotated[bool, typer.Option("--json", help="Escreve JSON na saída padrão.")]


def author() -> str:
    """Whoever gives the command, as this machine calls them."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # no name for this number, as in a container
        return "terminal"
