"""A chat model that says what it is told to, after so long; it counts how many speak at once."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult


class Crowd:
    """Who speaks at once; share one among models that must not.

    ``together``: so many wait for each other before they say anything, however slowly they come.
    """

    def __init__(self, together: int = 1) -> None:
        self._together = together
        self._met = asyncio.Event()
        self._lock = threading.Lock()
        self._now = 0
        self.most = 0
        self.order: list[str] = []

    def enter(self, name: str) -> None:
        """One more."""
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
            self.order.append(name)
            if self._now >= self._together:
                self._met.set()

    def leave(self) -> None:
        """One less."""
        with self._lock:
            self._now -= 1

    async def gather(self) -> None:
        """Wait for the others, a minute at most; the very first, a warm-up, has none."""
        if len(self.order) > 1:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._met.wait(), 60)


class Scripted(BaseChatModel):
    """Answers ``say(question)`` after ``seconds``, with ``tokens`` (prompt, completion) as its usage.

    ``say`` may raise. Half of the time goes by before the first token.
    """

    name: str | None = "scripted"
    say: Callable[[str], str] = lambda _question: "O ACOS é o gasto dividido pela receita [1]."
    seconds: float = 0.0
    tokens: tuple[int, int] | None = (100, 20)
    crowd: Any = None

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        message = AIMessage(self.say(messages[-1].text), usage_metadata=self._usage())
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _usage(self) -> UsageMetadata | None:
        if self.tokens is None:
            return None
        prompt, completion = self.tokens
        return UsageMetadata(input_tokens=prompt, output_tokens=completion, total_tokens=prompt + completion)

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        crowd: Crowd = self.crowd or Crowd()
        crowd.enter(self.name or "")
        try:
            await crowd.gather()
            await asyncio.sleep(self.seconds / 2)
            words = self.say(messages[-1].text).split(" ")
            for place, word in enumerate(words):
                text = word if place == len(words) - 1 else f"{word} "
                yield ChatGenerationChunk(message=AIMessageChunk(content=text))
                if place == 0:
                    await asyncio.sleep(self.seconds / 2)
            last = AIMessageChunk(
                content="", usage_metadata=self._usage(), response_metadata={"finish_reason": "stop"}
            )
            yield ChatGenerationChunk(message=last)
        finally:
            crowd.leave()
