"""Interactions as chat messages: plain functions from records to Markdown."""

import html
import re
from collections.abc import Callable, Sequence
from typing import Any

from melancia.agent.draft import Fault, fault
from melancia.records import Attempt, Feedback, FinishReason, Interaction, OriginKind, Passage, Variant

MAX_SHOWN = 20  # exchanges of a conversation on the page; the store keeps them all
WAITING = "…"
_MAX_EXCERPT = 900
_TAG = re.compile(r"<(?=[A-Za-z/!?])")
_RELATIVE_LINK = re.compile(r"(?<!!)\[([^\]]+)\]\((?!https?://)[^)]*\)")
_WORD_JOINER = "\u2060"
_REUSED = {
    OriginKind.EXACT: "resposta reaproveitada de uma pergunta igual",
    OriginKind.SEMANTIC: "resposta reaproveitada de uma pergunta equivalente",
}
FINAL_WANTED = "Ver a resposta final"
_FINAL_DUE = "Resposta final automática: "
_FAULTS = {
    Fault.FAILED: "o modelo do rascunho não respondeu.",
    Fault.CUT: "o rascunho ficou incompleto.",
    Fault.REFUSED: "o rascunho recusou a pergunta, e há o que citar.",
    Fault.UNCITED: "o rascunho não citou fontes.",
}
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


def final_message(found: Fault | None) -> Message:
    """What stands between a draft and its final answer, which else would share one pair of thumbs."""
    return user_message(FINAL_WANTED if found is None else f"{_FINAL_DUE}{_FAULTS[found]}")


def is_final_message(text: str) -> bool:
    """Whether this is not a question, but what stands before a final answer."""
    return text == FINAL_WANTED or text.startswith(_FINAL_DUE)


def conversation(
    items: Sequence[tuple[Interaction, Feedback | None]],
    *,
    blind: bool,
    is_draft: Callable[[Interaction], bool] = lambda _: False,
) -> tuple[list[Message], list[str | None]]:
    """The last exchanges as messages, and how each answer is rated, as the chat component wants it.

    An answer that a final one followed is a draft, and so is one that ``is_draft`` says it is.
    """
    shown = items[-MAX_SHOWN:]
    by_id = {item.id: item for item, _ in items}
    drafts = {_draft_of(item) for item, _ in items}
    messages: list[Message] = []
    for item, _ in shown:
        draft = by_id.get(_draft_of(item) or "")
        messages.append(final_message(fault(draft)) if draft else user_message(item.question))
        said = answer_markdown(item, blind=blind, draft=item.id in drafts or is_draft(item))
        messages.append(assistant_message(said, item.id))
    return messages, [_thumb(rating) for _, rating in shown]


def answer_markdown(interaction: Interaction, *, blind: bool, draft: bool = False) -> str:
    """The answer, how it ended, who gave it, and its sources in a block that opens."""
    answer = interaction.answer
    parts = [inert(answer.text)] if answer.text else []
    if not answer.text and answer.finish_reason is FinishReason.ERROR:
        parts.append(f"⚠️ {inert(_failure(interaction, blind=blind))}")
    elif answer.finish_reason in _ENDINGS:
        parts.append(f"*{_ENDINGS[answer.finish_reason]}*")
    parts.append(_byline(interaction, blind=blind, draft=draft))
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


def _draft_of(interaction: Interaction) -> str | None:
    """The draft that this is the final answer to."""
    origin = interaction.origin
    return origin.interaction_id if origin and origin.kind is OriginKind.FINAL else None


def _byline(interaction: Interaction, *, blind: bool, draft: bool) -> str:
    answer = interaction.answer
    notes: list[str] = []
    what = "Rascunho" if draft else "Resposta final" if _draft_of(interaction) else ""
    if what and (blind or interaction.exposure is None):
        notes.append(what)
    if interaction.exposure is not None and not blind:
        said = f"{what} de" if what else "Respondido por"
        notes.append(f"{said} {variant_name(interaction.exposure)}")
        if interaction.fell_back:
            notes.append(f"no lugar de {variant_name(interaction.assignment.variant)}")
    elif interaction.exposure is None and answer.refused:
        notes.append("Sem evidência suficiente na base")
    if interaction.origin is not None and interaction.origin.kind.cached:
        notes.append(_REUSED[interaction.origin.kind])
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
