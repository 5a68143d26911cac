"""The same passages for every model: each question is searched once, whoever answers it."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from melancia.agent.assistant import Searcher
from melancia.agent.memory import standalone
from melancia.agent.retriever import Retrieval
from melancia.experiments.questions import Question
from melancia.records import Filters, Passage


@dataclass(frozen=True, slots=True)
class Found:
    """What the search gave for a question, and how long it took, in seconds."""

    retrieval: Retrieval
    seconds: float


class SharedSearch:
    """Searches each question once. What it finds counts as evidence enough: whether to answer is the model's
    to judge, and the same for all. For tasks of one event loop.
    """

    def __init__(self, searcher: Callable[[], Searcher]) -> None:
        self._searcher = searcher
        self._found: dict[tuple[str, int], asyncio.Task[Found]] = {}

    async def of(self, question: Question, k: int) -> Found:
        """What is found for ``question``. Raises what the search raises."""
        key = (question.id, k)
        if key not in self._found:
            self._found[key] = asyncio.create_task(asyncio.to_thread(self._search, question, k))
        # A model that is no longer wanted must not take the search from the others.
        return await asyncio.shield(self._found[key])

    def passages(self) -> Mapping[str, tuple[Passage, ...]]:
        """Question id → the passages, of the largest k that was asked for."""
        by_size = sorted(self._found.items(), key=lambda item: item[0][1])
        return {
            question: task.result().retrieval.passages
            for (question, _), task in by_size
            if task.done() and not task.cancelled() and task.exception() is None
        }

    def _search(self, question: Question, k: int) -> Found:
        begun = time.monotonic()
        text = standalone(question.text, list(question.history))
        found = self._searcher().search(text, k)
        shared = Retrieval(passages=found.passages, mode=found.mode, supported=True)
        return Found(shared, time.monotonic() - begun)


class Given:
    """A searcher that gives what was found already, whatever it is asked."""

    def __init__(self, found: Retrieval) -> None:
        self._found = found

    def search(self, query: str, k: int | None = None, filters: Filters | None = None) -> Retrieval:
        """What was found already."""
        return self._found
