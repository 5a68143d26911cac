"""``actions``: what drift reports and guardrails led to, and the rules that say so."""

import json
from typing import TYPE_CHECKING, Annotated

import typer

from melancia.cli.options import AsJson

if TYPE_CHECKING:
    from melancia.records import Action
    from melancia.store import Store

app = typer.Typer(help="Ações dos relatórios de saúde e das proteções.", no_args_is_help=True)

_KINDS = {
    "alert": "aviso",
    "benchmark": "benchmark",
    "hold": "promoção suspensa",
    "pause": "pausa de braço",
    "gaps": "lacunas da base",
}
_STATES = {"planned": "a fazer", "done": "feita", "failed": "falhou", "dismissed": "vista"}


@app.callback()
def _group() -> None:
    """Ações dos relatórios de saúde e das proteções."""


@app.command("list")
def list_(
    *,
    only_open: Annotated[bool, typer.Option("--open", help="Só as que ninguém deu por vistas.")] = False,
    as_json: AsJson = False,
) -> None:
    """Lista as últimas ações, a mais nova primeiro, com o relatório que causou cada uma."""
    from melancia.records import ActionState

    store = _open()
    states = [state for state in ActionState if state is not ActionState.DISMISSED] if only_open else []
    try:
        found = store.reports.actions(states=states)
    finally:
        store.close()
    if as_json:
        typer.echo(json.dumps([_plain(action) for action in found], ensure_ascii=False, indent=2))
        return
    if not found:
        typer.echo("Nenhuma ação.")
    for action in found:
        _say(action)


@app.command()
def dismiss(action_id: Annotated[str, typer.Argument(metavar="ID", help="O identificador.")]) -> None:
    """Dá uma ação por vista; a promoção que ela suspendia fica liberada."""
    store = _open()
    try:
        store.reports.dismiss(action_id)
    finally:
        store.close()
    typer.echo("Ação dada por vista.")


@app.command()
def rules() -> None:
    """Confere e mostra a tabela de regras em vigor."""
    from melancia.mlops.actions.rules import load
    from melancia.settings import load_settings

    path = load_settings().rules_file
    for rule in load(path):
        hours = round(rule.cooldown.total_seconds() / 3600)
        typer.echo(
            f"{rule.name}: {', '.join(rule.figures)} → {_KINDS[rule.kind]}, no máximo a cada {hours} h"
        )
    typer.echo(f"Tabela: {path}")


def _open() -> "Store":
    from melancia.settings import load_settings
    from melancia.store import Store

    return Store.open(load_settings().store_url)


def _plain(action: "Action") -> dict[str, object]:
    return {
        "id": action.id,
        "kind": action.kind,
        "state": action.state.value,
        "rule": action.rule,
        "report": action.report_id,
        "message": action.message,
        "detail": dict(action.detail),
        "attempts": action.attempts,
        "error": action.error,
        "created_at": action.created_at.isoformat(),
        "updated_at": action.updated_at.isoformat(),
    }


def _say(action: "Action") -> None:
    when = action.created_at.astimezone().strftime("%d/%m/%Y %H:%M")
    cause = f"relatório {action.report_id}" if action.report_id else "proteção do experimento"
    typer.echo(f"{action.id}  {when}  {_KINDS.get(action.kind, action.kind)}: {_STATES[action.state]}")
    typer.echo(f"  {action.message}")
    result = action.error or action.detail.get("result") or action.detail.get("file")
    typer.echo(f"  regra {action.rule}, {cause}{f'; {result}' if result else ''}")
