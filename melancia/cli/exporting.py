"""Options and ending that every export shares."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import typer

from melancia.errors import InputError

Output = Annotated[
    Path | None, typer.Option("--output", "-o", help="Arquivo .csv ou .jsonl; sem ele, a saída padrão.")
]
Format = Annotated[str | None, typer.Option("--format", help="csv ou jsonl.")]


def format_of(output: Path | None, fmt: str | None) -> Literal["csv", "jsonl"]:
    """The format that was asked for, else that of the file's name, else csv. Raises InputError."""
    suffix = output.suffix.removeprefix(".").lower() if output else ""
    chosen = fmt or suffix or "csv"
    if chosen not in ("csv", "jsonl"):
        raise InputError(f"O formato “{chosen}” não existe.", "Use csv ou jsonl.")
    return cast(Literal["csv", "jsonl"], chosen)


def send(
    rows: Iterable[Mapping[str, Any]],
    output: Path | None,
    fmt: Literal["csv", "jsonl"],
    columns: Sequence[str],
    noun: tuple[str, str],
) -> None:
    """Write ``rows`` to the file, and say how many (``noun``: one, several), or to the standard output.

    Raises InputError when the file cannot be written.
    """
    from melancia.store.export import lines, write

    if output is None:
        for line in lines(rows, fmt, columns):
            sys.stdout.write(line)
        return
    count = write(rows, output, fmt, columns)
    typer.echo(f"{count} {noun[count != 1]} em {output}.")
