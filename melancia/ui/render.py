"""Interactions as chat messages: plain functions from records to Markdown."""

import html
import re
from collections.abc import Sequence
from typing import Any

from melancia.records import Attempt, Feedback, FinishReason, Interaction, Passage, Variant

MAX_SHOWN = 20  # exchanges of a conversation on the page; the store keeps them all
WAITING = "…"
_MAX_EXCERPT = 900
_TAG = re.compile(r"<(?=[A-Za-z/!?])")
_RELATIVE_LINK = re.compile(r"(?<!!)\[([^\]]+)\]\((?!https?://)[^)]*\)")
_WORD_JOINER = "\u2060"
_ENDINGS = {
    FinishReason.CANCELLED: "Você interrompeu esta resposta.",
    FinishReason.TIMEOUT: "A resposta passou do tempo e foi interrompida; o que chegou foi mantido.",
    FinishReason.ERROR: "O modelo falhou no meio da resposta; o que chegou foi mantido.",
    FinishReason.LENGTH: "A resposta chegou ao tamanho máximo e pode estar incompleta.",
    FinishReason.RUNNING: "Esta resposta não terminou de ser escrita.",
}

Message = dict[str, Any]


def inert(text: str) -> str:
    """Markdown in which no HTML element and no image can begin; it looks the same, in code too."""
    without_tags = _TAG.sub(f"<{_WORD_JOINER}", text)
    return without_tags.replace("![", f"!{_WORD_JOINER}[")


def readable(text: str) -> str:
    """A document's Markdown, inert, without the links that lead to files of the knowledge folder."""
    return inert(_RELATIVE_LINK.sub(r"\1", text))


def user_message(text: str) -> Message:
    """What the user asked."""
    return {"role": "user", "content": inert(text)}


def assistant_message(text: str, interaction_id: str | None = None) -> Message:
    """What is answered. Only an answer with an identifier can be rated."""
    message: Message = {"role": "assistant", "content": text}
    return message if interaction_id is None else {**message, "metadata": {"id": interaction_id}}


def exchange(interaction: Interaction, *, blind: bool) -> list[Message]:
    """Question and answer of an interaction as recorded."""
    return [
        user_message(interaction.question),
        assistant_message(answer_markdown(interaction, blind=blind), interaction.id),
    ]


def conversation(
    items: Sequence[tuple[Interaction, Feedback | None]], *, blind: bool
) -> tuple[list[Message], list[str | None]]:
    """The last exchanges as messages, and how each answer is rated, as the chat component wants it."""
    shown = items[-MAX_SHOWN:]
    messages = [message for item, _ in shown for message in exchange(item, blind=blind)]
    return messages, [_thumb(rating) for _, rating in shown]


def answer_markdown(interaction: Interaction, *, blind: bool) -> str:
    """The answer, how it ended, who gave it, and its sources in a block that opens."""
    answer = interaction.answer
    parts = [inert(answer.text)] if answer.text else []
    if not answer.text and answer.finish_reason is FinishReason.ERROR:
        parts.append(f"⚠️ {inert(_failure(interaction, blind=blind))}")
    elif answer.finish_reason in _ENDINGS:
        parts.append(f"*{_ENDINGS[answer.finish_reason]}*")
    parts.append(_byline(interaction, blind=blind))
    if interaction.passages and not answer.refused and answer.text:
        parts.append(sources(interaction.passages, answer.citations))
    return "\n\n".join(part for part in parts if part)


def sources(passages: Sequence[Passage], cited: Sequence[int]) -> str:
    """The cited passages (all of them when none is cited), closed until someone opens it."""
    shown = [passage for passage in passages if passage.rank in cited] or list(passages)
    head = "Fontes" if cited else "Trechos consultados"
    body = "\n\n".join(_source(passage) for passage in shown)
    return f'<details class="fontes"><summary>{head} ({len(shown)})</summary>\n\n{body}\n\n</details>'


def variant_name(variant: Variant) -> str:
    """How a variant is called on the page."""
    return "extrativo (sem modelo de linguagem)" if variant.provider == "extractive" else variant.label


def fell_back(attempt: Attempt, following: Variant, *, blind: bool) -> str:
    """What is shown while the next variant takes over."""
    if blind:
        return "*O primeiro modelo não respondeu; outro assumiu.*"
    return f"*{inert(attempt.message)} Assumiu: {variant_name(following)}.*"


def _byline(interaction: Interaction, *, blind: bool) -> str:
    answer = interaction.answer
    notes: list[str] = []
    if interaction.exposure is not None and not blind:
        notes.append(f"Respondido por {variant_name(interaction.exposure)}")
        if interaction.fell_back:
            notes.append(f"no lugar de {variant_name(interaction.assignment.variant)}")
    elif interaction.exposure is None and answer.refused:
        notes.append("Sem evidência suficiente na base")
    if answer.total_time is not None:
        quick = answer.total_time < 0.1
        notes.append("menos de 0,1 s" if quick else f"{answer.total_time:.1f} s".replace(".", ","))
    text = html.escape(" · ".join(notes))
    return f'<span class="autoria">{text}</span>' if notes else ""


def _failure(interaction: Interaction, *, blind: bool) -> str:
    if blind or not interaction.attempts:
        return "Nenhum modelo conseguiu responder. Tente de novo em instantes."
    return interaction.attempts[-1].message


def _source(passage: Passage) -> str:
    place = f"{passage.title} › {passage.section}" if passage.section else passage.title
    excerpt = readable(passage.text)
    if len(excerpt) > _MAX_EXCERPT:
        excerpt = excerpt[:_MAX_EXCERPT].rsplit(" ", 1)[0] + " …"
    link = ""
    if passage.source.startswith(("https://", "http://")):
        link = f"\n\n[Referência do artigo]({passage.source.replace(')', '%29').replace(' ', '%20')})"
    return f"**[{passage.rank}] {inert(place)}**\n\n{excerpt}{link}"


def _thumb(rating: Feedback | None) -> str | None:
    if rating is None or not rating.thumb:
        return None
    return "Like" if rating.thumb > 0 else "Dislike"
