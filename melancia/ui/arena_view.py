"""What the arena shows: answers that tell nothing of who gave them, and then who did; the ranking."""

from collections.abc import Sequence

from melancia.experiments import words
from melancia.mlops import ranking_words
from melancia.mlops.rankings import Standing
from melancia.records import FinishReason, Interaction
from melancia.store.duels import Duel, Winner
from melancia.ui import benchmark_html as html
from melancia.ui import render
from melancia.ui.job_view import moment, text
from melancia.ui.names import topic_name

_VOTES = {
    Winner.LEFT: "a resposta A é melhor",
    Winner.RIGHT: "a resposta B é melhor",
    Winner.TIE: "empate",
    Winner.BOTH_BAD: "ambas ruins",
}
_COLUMNS = (
    "Variante",
    "Lugar",
    "Chance de vitória\nintervalo",
    "Duelos",
    "Venceu",
    "Perdeu",
    "Empatou",
    "Ambas ruins",
)
_CUT = "*Esta resposta chegou ao tamanho máximo e pode estar incompleta.*"


def growing(said: str) -> str:
    """An answer that is being written, as Markdown."""
    return render.inert(said) or render.WAITING


def answer(interaction: Interaction) -> str:
    """A finished answer with its sources, as Markdown: neither its author nor its time."""
    found = interaction.answer
    parts = [render.inert(found.text)]
    if found.finish_reason is FinishReason.LENGTH:
        parts.append(_CUT)
    if interaction.passages and not found.refused:
        parts.append(render.sources(interaction.passages, found.citations))
    return "\n\n".join(parts)


def asked(question: str) -> str:
    """The question (text) above its answers."""
    return f'<p class="pergunta">{text(question)}</p>' if question else ""


def status(said: str, *, alert: bool = False) -> str:
    """What is going on (text), told to screen readers too."""
    kind = "alerta" if alert else "tarefa-nota"
    return f'<p class="{kind}" role="{"alert" if alert else "status"}">{text(said)}</p>' if said else ""


def reveal(duel: Duel, left: Interaction, right: Interaction, *, blind: bool) -> str:
    """After the vote: who answered, how fast, at what cost; nothing of it in a ``blind`` installation."""
    vote = f"Seu voto: {_VOTES[duel.winner]}." if duel.winner else ""
    if blind:
        return status(f"{vote} Os modelos ficam ocultos nesta instalação (MELANCIA_BLIND).")
    names = ranking_words.names({side.variant.hash: side.variant for side in (duel.left, duel.right)})
    cards = "".join(_card(letter, names, interaction) for letter, interaction in (("A", left), ("B", right)))
    return f'<p class="tarefa-nota" role="status">{text(vote)}</p><div class="respostas">{cards}</div>'


def ranking(standing: Standing | None, topic: str, votes: int, *, blind: bool) -> str:
    """The ranking of a topic ("": of all); ``votes``: how many there are by now."""
    if blind:
        return html.note(
            "O ranking fica oculto nesta instalação (MELANCIA_BLIND); veja `melancia votes ranking`."
        )
    found = standing.of(topic) if standing is not None else None
    if standing is None or found is None or not found.votes:
        return html.note(_none_yet(votes))
    rows = [
        (
            text(row.name),
            [text(row.place), html.value(row.chance, row.interval), *map(str, (row.duels, *row.record))],
        )
        for row in ranking_words.rows(standing, found)
    ]
    about = f"Ranking, {topic_name(topic) if topic else 'todos os assuntos'}"
    votes_and_people = (
        f"{words.plural(found.votes, 'voto', 'votos')} de {words.plural(found.users, 'pessoa', 'pessoas')}"
    )
    lines = [*ranking_words.remarks(found), ranking_words.CHANCE, _age(standing, votes)]
    body = html.table(f"{about}: {votes_and_people}", _COLUMNS, rows)
    return f'<div class="benchmark">{body}{html.items(text(line) for line in lines)}</div>'


def topics(standing: Standing | None) -> list[tuple[str, str]]:
    """The choices of topics: those that have votes."""
    known: Sequence[str] = [one.topic for one in standing.rankings if one.topic] if standing else []
    return [("todos", ""), *((topic_name(topic), topic) for topic in known)]


def _card(letter: str, names: dict[str, str], interaction: Interaction) -> str:
    variant, found = interaction.assignment.variant, interaction.answer
    tokens = found.usage.completion_tokens
    facts = (
        ("Configuração", ranking_words.described(variant)),
        ("Tempo total", words.seconds(found.total_time)),
        ("Primeiro token", words.seconds(found.time_to_first_token)),
        ("Tokens da resposta", words.count(tokens)),
        ("Custo", words.money(found.cost)),
    )
    body = "".join(f"<div><dt>{text(name)}</dt><dd>{text(value)}</dd></div>" for name, value in facts)
    return f"<article><h5>Resposta {letter}: {text(names[variant.hash])}</h5><dl>{body}</dl></article>"


def _none_yet(votes: int) -> str:
    if votes:
        return f"{words.plural(votes, 'voto', 'votos')} até agora; o ranking ainda vai ser calculado."
    return "Ainda não há votos."


def _age(standing: Standing, votes: int) -> str:
    later = votes - standing.votes
    new = f"; {words.plural(later, 'voto', 'votos')} depois disso" if later > 0 else ""
    return f"Calculado em {moment(standing.as_of)}{new}."
