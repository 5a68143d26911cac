"""Chat models that send no personal data: what they are asked is masked on its way out, and only there.

Every request to a provider goes through a model of ``create_chat_model``, be it the page's, a benchmark's, a
duel's or the judge's; a batch's questions go through ``masked_requests``.
"""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import aclosing
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult

from melancia.masking import mask

if TYPE_CHECKING:
    from melancia.llms.batch_lines import BatchRequest

Model = TypeVar("Model", bound=BaseChatModel)


@cache
def masking(kind: type[Model]) -> type[Model]:
    """``kind``, whose models mask what they are asked. They answer, stream and count as before."""
    return type(kind.__name__, (_Masking, kind), {"__module__": kind.__module__, "__doc__": kind.__doc__})


def masked_requests(requests: "Sequence[BatchRequest]") -> "list[BatchRequest]":
    """The requests of a batch without personal data."""
    return [
        replace(request, messages=[{**one, "content": _content(one["content"])} for one in request.messages])
        for request in requests
    ]


class _Masking(BaseChatModel):
    """The four ways in which LangChain asks a model, each with masked messages."""

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return super()._generate(_masked(messages), stop, run_manager, **kwargs)  # type: ignore[safe-super]

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        yield from super()._stream(_masked(messages), stop, run_manager, **kwargs)

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return await super()._agenerate(_masked(messages), stop, run_manager, **kwargs)

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        # Whoever stops listening closes this stream, and with it at once the request.
        async with aclosing(super()._astream(_masked(messages), stop, run_manager, **kwargs)) as chunks:  # type: ignore[type-var]
            async for chunk in chunks:
                yield chunk


def _masked(messages: Sequence[BaseMessage]) -> list[BaseMessage]:
    return [message.model_copy(update={"content": _content(message.content)}) for message in messages]


def _content(content: Any) -> Any:
    """A message's content: a text, or a list of texts and blocks with a text."""
    if isinstance(content, str):
        return mask(content)
    if isinstance(content, list):
        return [_content(part) for part in content]
    if isinstance(content, dict) and isinstance(content.get("text"), str):
        return {**content, "text": mask(content["text"])}
    return content
