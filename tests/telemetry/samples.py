"""Finished answers to count and to trace."""

from dataclasses import replace
from typing import Any

from melancia.records import (
    Answer,
    Assignment,
    Attempt,
    FinishReason,
    Interaction,
    Origin,
    OriginKind,
    Usage,
    Variant,
)
from tests.store.samples import EXTRACTIVE, LOCAL, answered, question

PAID = Variant("openai", "gpt-4o-mini")
WHO = "ana.souza@example.com"
ASKED = "Meu CPF é 529.982.247-25: como ganho a buy box?"
SAID = "Ana, a buy box depende de preço [1]."


def direct(variant: Variant = PAID, **answer: Any) -> Interaction:
    """An answer by whom it was assigned to."""
    made = replace(question(WHO, "c1", ASKED), assignment=Assignment(variant), exposure=variant)
    values = Answer(SAID, (1,), 0, False, Usage(100, 20), 0.4, 1.5, 0.002, FinishReason.STOP)
    return replace(made, retrieval_time=0.03, answer=replace(values, **answer))


def reserved() -> Interaction:
    """An answer by the fallback, after one provider timed out."""
    return replace(answered(question(WHO, "c1", ASKED)), retrieval_time=0.02)


def failed() -> Interaction:
    """Nobody answered."""
    made = question(WHO, "c1", ASKED)
    attempt = Attempt(LOCAL, "ProviderUnavailableError", f"ninguém em {WHO}", 0.1)
    return replace(made, attempts=(attempt,), answer=Answer(finish_reason=FinishReason.ERROR))


def again(kind: OriginKind = OriginKind.EXACT) -> Interaction:
    """An answer from the cache, or beside another one."""
    return replace(direct(), origin=Origin(kind, "f" * 32))


__all__ = ["ASKED", "EXTRACTIVE", "LOCAL", "PAID", "SAID", "WHO", "again", "direct", "failed", "reserved"]
