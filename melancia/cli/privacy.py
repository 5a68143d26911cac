"""``privacy``: what is kept of a user, and its erasure (LGPD)."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from melancia.cli.options import author
from melancia.cli.portuguese import confirm

if TYPE_CHECKING:
    from melancia.settings import Settings
    from melancia.store import Store

app = typer.Typer(help="Dados de uma pessoa: exportação e apagamento (LGPD).", no_args_is_help=True)

User = Annotated[
    str,
    typer.Argument(metavar="PESSOA", help="Código que a página mostra à pessoa, ou nome em MELANCIA_AUTH."),
]


@app.callback()
def _group() -> None:
    """Dados de uma pessoa: exportação e apagamento (LGPD)."""


@app.command("export")
def export_(
    user: User,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Arquivo .json; sem ele, a saída padrão.")
    ] = None,
) -> None:
    """Exporta tudo o que está guardado de uma pessoa, em JSON."""
    from melancia.errors import InputError
    from melancia.mlops import privacy

    settings, store = _open()
    try:
        found = privacy.export(settings, store, privacy.user_named(settings, store, user))
    finally:
        store.close()
    text = json.dumps(found, ensure_ascii=False, indent=2) + "\n"
    if output is None:
        sys.stdout.write(text)
        return
    try:
        output.touch(0o600)
        output.chmod(0o600)  # also one that was there
        output.write_text(text, "utf-8")
    except OSError as error:
        raise InputError(f"{output} não pôde ser escrito.", "Confira a pasta e as permissões.") from error
    typer.echo(f"Tudo o que está guardado de {user} está em {output}.")


@app.command("erase")
def erase_(
    user: User,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Não pergunta antes.")] = False,
) -> None:
    """Apaga tudo o que está guardado de uma pessoa. Não tem volta."""
    from melancia.mlops import privacy
    from melancia.mlops.privacy.words import PARTS, counted

    settings, store = _open()
    try:
        known = privacy.user_named(settings, store, user)
        if not yes:
            for place, count in store.privacy.counts(known).items():
                typer.echo(f"  {counted(place, count)}")
            if not confirm(f"Apagar tudo o que está guardado de {user}? Não tem volta."):
                raise typer.Abort
        made = privacy.erase(settings, store, known, author())
    finally:
        store.close()
    typer.echo("Removidos:")
    for place, count in made.removed.items():
        typer.echo(f"  {counted(place, count)}")
    for part, why in made.waiting.items():
        typer.echo(f"Falta, e o worker termina assim que puder: {PARTS[part]}. {why}")
    typer.echo(f"Registro {made.id[:8]}, sem o nome.")


def _open() -> "tuple[Settings, Store]":
    from melancia.settings import load_settings
    from melancia.store import Store

    settings = load_settings()
    return settings, Store.open(settings.store_url)
