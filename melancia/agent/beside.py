"""Another arm's answer to a question that was answered already: out of sight, or after a draft.

The assistant's own path, for one question: the same history, the same passages where both arms read as many,
nothing from the cache and no fallbacks. Who fails here, fails.
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace

from melancia.agent.assistant import Assistant, Recorder, Searcher
from melancia.agent.generator import MakeModel
from melancia.agent.retriever import Retrieval
from melancia.agent.router import Route
from melancia.agent.watching import Asked
from melancia.llms.breaker import Breaker
from melancia.records import (
    Answer,
    AskEvent,
    Assignment,
    Filters,
    Finished,
    FinishReason,
    Interaction,
    Origin,
    OriginKind,
    Turn,
)
from melancia.settings import Settings

CONVERSATION = "shadow:"
"""What the conversations of answers out of sight begin with: one an answer, which the chat never takes up."""


class Beside:
    """Lets an arm answer what another one answered. Safe for many tasks of one event loop."""

    def __init__(
        self,
        *,
        settings: Settings,
        recorder: Recorder,
        retriever: Callable[[], Searcher],
        index_version: Callable[[], str],
        make_model: MakeModel,
        breaker: Breaker | None = None,
    ) -> None:
        """Without ``breaker`` no failure here keeps a provider away from users."""
        self._settings = settings
        self._recorder = recorder
        self._retriever = retriever
        self._index_version = index_version
        self._make_model = make_model
        self._breaker = breaker

    async def ask(self, asked: Asked, given: Assignment, kind: OriginKind) -> AsyncGenerator[AskEvent, None]:
        """The events of ``Assistant.ask``, with the answer of ``given``.

        A shadow is recorded when it ends, and only if nobody cancelled it; a final answer as any other.
        """
        first = asked.interaction
        same = first.assignment.variant.k == given.variant.k and first.retrieval_time is not None
        marks = _Marks(asked, given, kind, same=same)
        assistant = Assistant(
            settings=self._settings,
            recorder=_Notes(self._recorder, marks),
            retriever=(lambda: _Same(first)) if same else self._retriever,
            index_version=(lambda: first.index_version) if same else self._index_version,
            route=lambda _variant, _user: Route(given, (given.variant,)),
            make_model=self._make_model,
            breaker=self._breaker,
        )
        events = assistant.ask(
            first.question,
            user=first.user_id,
            conversation=marks.conversation,
            filters=asked.filters,
            prompted=kind is OriginKind.FINAL,
        )
        async with aclosing(events):
            async for event in events:
                yield Finished(marks.on(event.interaction)) if isinstance(event, Finished) else event


@dataclass(frozen=True, slots=True)
class _Marks:
    """What sets the answer apart from one of its own."""

    asked: Asked
    given: Assignment
    kind: OriginKind
    same: bool

    @property
    def conversation(self) -> str:
        """Its own one out of sight; a final answer stands in the draft's."""
        first = self.asked.interaction
        hidden = self.kind is OriginKind.SHADOW
        return f"{CONVERSATION}{first.id}:{self.given.arm}" if hidden else first.conversation_id

    def on(self, made: Interaction) -> Interaction:
        """Where it comes from. A shadow is given the time that the search took which it was spared."""
        first = self.asked.interaction
        marked = replace(made, origin=Origin(self.kind, first.id))
        if self.kind is not OriginKind.SHADOW or not self.same:
            return marked
        return replace(
            marked,
            retrieval_time=first.retrieval_time,
            answer=_later(made.answer, first.retrieval_time or 0.0),
        )


class _Notes:
    """The store, for this one answer."""

    def __init__(self, recorder: Recorder, marks: _Marks) -> None:
        self._recorder = recorder
        self._marks = marks
        self._live = marks.kind is not OriginKind.SHADOW

    def start(self, interaction: Interaction) -> None:
        """A shadow that never ends leaves no trace."""
        if self._live:
            self._recorder.start(self._marks.on(interaction))

    def checkpoint(self, interaction_id: str, partial_text: str) -> None:
        """Nobody reads along with a shadow."""
        if self._live:
            self._recorder.checkpoint(interaction_id, partial_text)

    def finish(self, interaction: Interaction) -> None:
        """The outcome, as a row of its own."""
        if self._live or interaction.answer.finish_reason is not FinishReason.CANCELLED:
            self._recorder.finish(self._marks.on(interaction))

    def turns(self, conversation_id: str, user_id: str, limit: int) -> list[Turn]:
        """What had been said before the question."""
        return list(self._marks.asked.turns)[-limit:]


class _Same:
    """What the first answer found."""

    def __init__(self, first: Interaction) -> None:
        self._first = first

    def search(self, query: str, k: int | None = None, filters: Filters | None = None) -> Retrieval:
        """Its passages; they were no evidence if it refused before any model was asked."""
        unsupported = self._first.answer.refused and self._first.exposure is None
        return Retrieval(self._first.passages, "hybrid", not unsupported)


def _later(answer: Answer, seconds: float) -> Answer:
    first, total = answer.time_to_first_token, answer.total_time
    return replace(
        answer,
        time_to_first_token=None if first is None else first + seconds,
        total_time=None if total is None else total + seconds,
    )
