"""Both sides of a duel, answering as one stream. Nobody speaks in another's place: who fails, fails."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from melancia.agent.assistant import Assistant
from melancia.agent.router import Route
from melancia.app import Runtime
from melancia.records import AskEvent, Assignment, Finished, FinishReason, Interaction, Variant
from melancia.store.duels import Duel, Name
from melancia.ui.arena_draw import at_once

SIDES: tuple[Name, Name] = ("left", "right")
FAILED = (
    "Um dos dois modelos não respondeu até o fim, e o duelo foi anulado. Envie a pergunta de novo para outro "
    "sorteio."
)
_SILENCE = 1.0  # seconds without a word after which that is said
_WHOLE = (FinishReason.STOP, FinishReason.LENGTH)


class VoidError(Exception):
    """A side did not answer whole. ``said`` is for the page, the message for the record."""

    def __init__(self, message: str, said: str = FAILED) -> None:
        super().__init__(message)
        self.said = said


@dataclass(frozen=True, slots=True)
class Said:
    """What one side said."""

    side: Name
    event: AskEvent


@dataclass(frozen=True, slots=True)
class _Ended:
    """A lane is through: it said all, or failed."""

    lane: int


def lone_assistant(runtime: Runtime) -> Assistant:
    """The assistant without fallbacks and outside experiments: an answer is the drawn variant's or none's."""

    def only(variant: Variant | None, _user: str) -> Route:
        if variant is None:
            raise ValueError("a duel says who answers")
        return Route(Assignment(variant), (variant,))

    return Assistant(
        settings=runtime.settings,
        recorder=runtime.store,
        retriever=lambda: runtime.index.retriever,
        index_version=lambda: runtime.index.version,
        route=only,
        make_model=runtime.models.make,
        breaker=runtime.breaker,
        watcher=runtime.shadows,
    )


async def both_sides(runtime: Runtime, assistant: Assistant, duel: Duel) -> AsyncGenerator[Said | None, None]:
    """What both sides say, as it comes: at once, or left and then right where they share one own server.

    None comes while nobody says anything: Gradio notices that somebody has left only between two updates.

    Raises VoidError when a side does not answer whole, MelanciaError when it cannot be asked. Its end,
    however it comes, cancels whoever still speaks.
    """
    queue: asyncio.Queue[Said | _Ended] = asyncio.Queue()
    together = at_once(duel.left.variant, duel.right.variant, runtime.settings)
    lanes: Sequence[Sequence[Name]] = [[side] for side in SIDES] if together else [SIDES]

    async def speak(lane: int) -> None:
        try:
            for side in lanes[lane]:
                async with aclosing(_asking(assistant, duel, side)) as events:
                    async for event in events:
                        if isinstance(event, Finished):
                            # Here, or the other side would begin in vain.
                            _check_whole(side, event.interaction)
                        queue.put_nowait(Said(side, event))
        finally:
            queue.put_nowait(_Ended(lane))

    tasks = [asyncio.create_task(speak(lane)) for lane in range(len(lanes))]
    try:
        speaking = len(tasks)
        while speaking:
            try:
                async with asyncio.timeout(_SILENCE):
                    item = await queue.get()
            except TimeoutError:
                yield None
                continue
            if isinstance(item, Said):
                yield item
            else:
                speaking -= 1
                await tasks[item.lane]
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _check_whole(side: Name, interaction: Interaction) -> None:
    """Raise VoidError unless the drawn variant answered to the end."""
    found = interaction.answer
    if found.finish_reason not in _WHOLE:
        raise VoidError(f"{side}: {found.finish_reason.value}")
    if interaction.exposure is None:
        # Refused for want of evidence before any model was asked: both sides would say the same.
        raise VoidError(f"{side}: no evidence", f"{found.text} Não há o que comparar.")


def _asking(assistant: Assistant, duel: Duel, side: Name) -> AsyncGenerator[AskEvent, None]:
    variant = duel.left.variant if side == "left" else duel.right.variant
    return assistant.ask(
        duel.question, user=duel.user_id, conversation=duel.conversation(side), variant=variant
    )
