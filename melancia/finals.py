"""Hybrid mode at work: a draft at once, and the better model's final answer on request or by rule."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from melancia.agent.beside import Beside
from melancia.agent.draft import Fault, fault
from melancia.agent.memory import MAX_TURNS
from melancia.agent.watching import Asked
from melancia.errors import InputError
from melancia.records import AskEvent, Assignment, Filters, FinishReason, Interaction, OriginKind
from melancia.store import Store


class Finals:
    """Final answers to drafts. Thread-safe but for ``ask``, which belongs to one event loop."""

    def __init__(self, store: Store, arm: Callable[[Assignment], Assignment | None], beside: Beside) -> None:
        """``arm``: whose final answer may follow what an assignment answered; None when nobody's."""
        self._store = store
        self._arm = arm
        self._beside = beside

    def is_draft(self, interaction: Interaction) -> bool:
        """Whether a final answer may follow this one now. Never fails for the store."""
        return self._given(interaction) is not None

    def due(self, interaction: Interaction) -> Fault | None:
        """Why the final answer follows without being asked for; None when it does not."""
        return fault(interaction) if self._given(interaction) else None

    async def ask(self, draft: Interaction, filters: Filters) -> AsyncGenerator[AskEvent, None]:
        """The events of ``Assistant.ask`` with the final answer to ``draft``, which is its origin.

        Raises InputError when none may follow, and as ``Assistant.ask`` does.
        """
        given = await asyncio.to_thread(self._given, draft)
        if given is None:
            raise InputError("Esta resposta não tem mais uma versão final.", "Pergunte de novo.")
        turns = await asyncio.to_thread(
            self._store.turns, draft.conversation_id, draft.user_id, MAX_TURNS, draft.created_at
        )
        asked = Asked(draft, tuple(turns), filters)
        async with aclosing(self._beside.ask(asked, given, OriginKind.FINAL)) as events:
            async for event in events:
                yield event

    def _given(self, draft: Interaction) -> Assignment | None:
        # Without evidence for one arm there is none for the other; a final answer has none of its own.
        unsupported = draft.answer.refused and draft.exposure is None
        final = draft.origin is not None and draft.origin.kind is OriginKind.FINAL
        if unsupported or final or draft.answer.finish_reason is FinishReason.RUNNING:
            return None
        return self._arm(draft.assignment)
