"""``feedback export``."""

import sys
from pathlib import Path
from typing import Annotated, Literal, cast

import typer

from melancia.errors import InputError

app = typer.Typer(help="Avaliações dos usuários.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Avaliações dos usuários."""


@app.command("export")
def export(
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Arquivo .csv ou .jsonl; sem ele, a saída padrão.")
    ] = None,
    fmt: Annotated[str | None, typer.Option("--format", help="csv ou jsonl.")] = None,
) -> None:
    """Exporta as avaliações com pergunta, resposta, modelo e documentos."""
    from melancia.settings import load_settings
    from melancia.store import Store
    from melancia.store.export import lines, write

    chosen = export_format(output, fmt)
    store = Store.open(load_settings().store_url)
    try:
        if output is None:
            for line in lines(store.export_feedback(), chosen):
                sys.stdout.write(line)
        else:
            count = write(store.export_feedback(), output, chosen)
            typer.echo(f"{count} avaliações em {output}.")
    finally:
        store.close()


def export_format(output: Path | None, fmt: str | None) -> Literal["csv", "jsonl"]:
    """The format that was asked for, else that of the file's name, else csv. Raises InputError."""
    suffix = output.suffix.removeprefix(".").lower() if output else ""
    chosen = fmt or suffix or "csv"
    if chosen not in ("csv", "jsonl"):
        raise InputError(f"O formato “{chosen}” não existe.", "Use csv ou jsonl.")
    return cast(Literal["csv", "jsonl"], chosen)
