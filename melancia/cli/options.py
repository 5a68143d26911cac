"""Options that several commands share."""

from typing import Annotated

import typer

Marketplace = Annotated[str | None, typer.Option(help="Só documentos deste marketplace (e os gerais).")]
Topic = Annotated[str | None, typer.Option(help="Só documentos deste tópico.")]
AsJson = Annotated[bool, typer.Option("--json", help="Escreve JSON na saída padrão.")]
