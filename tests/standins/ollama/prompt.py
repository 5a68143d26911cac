"""Tokens of the scripted model, and the silent cutting of a prompt to the context window."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

# What a chat template adds around each message, in tokens.
TEMPLATE_TOKENS = 4


@dataclass(frozen=True)
class Message:
    """One turn of a chat."""

    role: str
    content: str


def split_words(text: str) -> list[str]:
    """The scripted model's tokens: words with the space before them; joined, they give the text back."""
    return re.findall(r"\s*\S+|\s+$", text)


def count_prompt_tokens(messages: Sequence[Message]) -> int:
    """What the scripted model counts for these messages when nothing is cut."""
    return sum(TEMPLATE_TOKENS + len(split_words(message.content)) for message in messages)


def fit(
    messages: Sequence[Message], tokens: Sequence[Sequence[str]], num_ctx: int, overhead: int, base: int = 0
) -> tuple[list[Message], int]:
    """What is left of a prompt in a window of `num_ctx` tokens, and the tokens it takes.

    As Ollama does it: first the oldest messages go, never the system messages nor the last one; if that is
    not enough, the tokens at the front go, whatever they say, the system prompt before all. The chat template
    adds `overhead` tokens to each message and `base` to the whole.
    """
    sizes = [overhead + len(pieces) for pieces in tokens]
    last = len(messages) - 1
    kept = list(range(len(messages)))
    for start in range(len(messages)):
        kept = [i for i in range(len(messages)) if i >= start or messages[i].role == "system"]
        if base + sum(sizes[i] for i in kept) <= num_ctx or start == last:
            break

    total = base + sum(sizes[i] for i in kept)
    if total <= num_ctx:
        return [messages[i] for i in kept], total

    excess = total - num_ctx
    left: list[Message] = []
    for i in kept:
        cut = min(excess, len(tokens[i]))
        excess -= cut
        if cut == 0:
            left.append(messages[i])
        elif cut < len(tokens[i]):
            left.append(Message(messages[i].role, "".join(tokens[i][cut:])))
    return left, num_ctx
