"""The honest "não encontrei isso na base", with what the base does hold nearby."""

from collections.abc import Sequence

from melancia.llms.extractive import NOT_FOUND
from melancia.records import Passage
from melancia.text import fold

_SUGGESTIONS = 3


def refusal(passages: Sequence[Passage]) -> str:
    """The refusal's text (Markdown). ``passages``: the nearest that were found, maybe none."""
    titles = list(dict.fromkeys(passage.title for passage in passages))[:_SUGGESTIONS]
    if not titles:
        return f"{NOT_FOUND} Tente perguntar sobre anúncios, métricas ou logística de marketplaces."
    nearby = "\n".join(f"- {title}" for title in titles)
    return f"{NOT_FOUND} O mais próximo que ela tem, se ajudar, são estes temas:\n\n{nearby}"


def is_refusal(text: str) -> bool:
    """Whether a model's answer is the refusal that the prompt asks for."""
    return fold(text).lstrip(" *_\"'“").startswith(fold(NOT_FOUND).rstrip("."))
