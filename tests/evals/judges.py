"""A scripted chat model, and the case that it judges."""

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import Field

from melancia.evals.case import Case, Source

LABEL = "ollama:juiz"
SOURCES = (
    Source("acos", "ACOS", "Cálculo", "ACOS é o gasto em anúncios dividido pela receita atribuída."),
    Source("tacos", "TACOS", "", "TACOS divide o mesmo gasto pela receita total."),
)
CASE = Case(
    question="O que é ACOS?",
    answer="É o gasto dividido pela receita atribuída [1].",
    sources=SOURCES,
    reference="ACOS = gasto ÷ receita atribuída.",
    key_facts=("receita atribuída",),
    gold=("acos",),
    answerable=True,
)

Reply = str | BaseException | Callable[[Sequence[BaseMessage]], str]
"""What the model says, how it fails, or what makes it from what it reads."""


class ScriptedJudge(BaseChatModel):
    """Gives its replies in turn, the last one for ever; keeps what it was asked, and with which options."""

    replies: list[Any]
    asked: list[Sequence[BaseMessage]] = Field(default_factory=list)
    options: list[dict[str, Any]] = Field(default_factory=list)

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
        reply: Reply = self.replies[min(len(self.asked), len(self.replies) - 1)]
        self.asked.append(messages)
        self.options.append(kwargs)
        if isinstance(reply, BaseException):
            raise reply
        text = reply if isinstance(reply, str) else reply(messages)
        usage = {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}
        message = AIMessage(text, usage_metadata=usage)
        return ChatResult(generations=[ChatGeneration(message=message)])

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        await asyncio.sleep(0)  # let the others have their turn, as a real request does
        return self._generate(messages, stop, None, **kwargs)

    @property
    def read(self) -> list[str]:
        """The last message of each request."""
        return [str(messages[-1].content) for messages in self.asked]


class StatusError(Exception):
    """A server's refusal, as the providers' libraries raise it."""

    def __init__(self, status: int, text: str = "") -> None:
        super().__init__(text)
        self.status_code = status


def judgement(verdict: str = "right", score: float = 1.0, reason: str = "Confere.") -> str:
    """A valid reply."""
    return json.dumps({"reason": reason, "verdict": verdict, "score": score}, ensure_ascii=False)


def choice(preference: str, reason: str = "Mais completa.") -> str:
    """A valid reply to a comparison."""
    return json.dumps({"reason": reason, "preference": preference}, ensure_ascii=False)
