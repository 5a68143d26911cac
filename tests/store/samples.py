"""Interactions to store."""

from dataclasses import replace

from melancia.records import (
    Answer,
    Assignment,
    Attempt,
    FinishReason,
    Interaction,
    Passage,
    Usage,
    Variant,
)

LOCAL = Variant("ollama", "llama3.1:8b")
EXTRACTIVE = Variant("extractive", "extractive", context_window=None)


def question(user: str = "ana", conversation: str = "c1", text: str = "O que é ACOS?") -> Interaction:
    """A question that was just asked."""
    return Interaction(
        user_id=user, conversation_id=conversation, question=text, assignment=Assignment(LOCAL)
    )


def answered(asked: Interaction, text: str = "É gasto sobre receita [1].") -> Interaction:
    """It, answered by a fallback, with every field filled."""
    passage = Passage(
        1, 0.9, "acos", "acos#1", "ACOS", "Fórmula", "texto", "trecho", "metricas", ("geral",), "a.md"
    )
    return replace(
        asked,
        standalone=asked.question,
        passages=(passage,),
        exposure=EXTRACTIVE,
        attempts=(Attempt(LOCAL, "ProviderTimeoutError", "demorou", 1.5),),
        answer=Answer(text, (1,), 2, False, Usage(10, 5), 0.2, 0.9, 0.001, FinishReason.STOP),
        settings_hash="s",
        index_version="i",
    )
