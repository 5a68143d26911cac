"""``votes``: the arena's votes, exported and ranked."""

import json
from typing import TYPE_CHECKING, Annotated

import typer

from melancia.cli.exporting import Format, Output, format_of, send
from melancia.cli.options import AsJson

if TYPE_CHECKING:
    from melancia.mlops.decide.arena import Ranking
    from melancia.mlops.rankings import Standing
    from melancia.store import Store

app = typer.Typer(help="Votos da arena: exportação e ranking.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Votos da arena: exportação e ranking."""


@app.command("export")
def export(output: Output = None, fmt: Format = None) -> None:
    """Exporta os votos com pergunta, variantes exatas, respostas e medidas."""
    from melancia.store.duels import EXPORTED

    chosen = format_of(output, fmt)
    store = _open()
    try:
        send(store.votes.export(), output, chosen, EXPORTED, ("voto", "votos"))
    finally:
        store.close()


@app.command("ranking")
def ranking(
    topic: Annotated[str, typer.Option(help="Só as perguntas deste tópico; vazio: todas.")] = "",
    as_json: AsJson = False,
) -> None:
    """Mostra quem vence na arena, com intervalos e o efeito do tamanho da resposta descontado."""
    from melancia.errors import InputError
    from melancia.mlops import rankings

    store = _open()
    try:
        standing = rankings.refresh(store)
    finally:
        store.close()
    found = standing.of(topic)
    if found is None:
        known = ", ".join(one.topic for one in standing.rankings if one.topic)
        raise InputError(
            f"Não há votos no tópico {topic}.", f"Há votos em: {known}." if known else "Vote na aba Arena."
        )
    if as_json:
        typer.echo(json.dumps(_plain(standing, found), ensure_ascii=False, indent=2))
        return
    _say(standing, found)


def _open() -> "Store":
    from melancia.settings import load_settings
    from melancia.store import Store

    return Store.open(load_settings().store_url)


def _plain(standing: "Standing", found: "Ranking") -> dict[str, object]:
    from melancia.mlops.decide.results import plain
    from melancia.mlops.rankings import settled

    return {
        "as_of": standing.as_of.isoformat(),
        **plain(found),
        "enough_votes": settled(found),
        "variants": {place.variant: standing.variants[place.variant].as_dict() for place in found.places},
    }


def _say(standing: "Standing", found: "Ranking") -> None:
    from melancia.mlops import ranking_words

    people = f"{found.users} {'pessoa' if found.users == 1 else 'pessoas'}"
    typer.echo(f"{found.votes} {'voto' if found.votes == 1 else 'votos'} de {people}")
    if not found.votes:
        return
    typer.echo(f"{'lugar':<20}{'chance de vitória':<20}{'vence/perde/empata/ruins':<26}variante")
    for row in ranking_words.rows(standing, found):
        record = "/".join(str(count) for count in row.record)
        typer.echo(f"{row.place:<20}{f'{row.chance} {row.interval}':<20}{record:<26}{row.name}")
    for line in (*ranking_words.remarks(found), ranking_words.CHANCE):
        typer.echo(line)
