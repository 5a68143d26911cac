"""Ollama's OpenAI-compatible door: `/v1/chat/completions` and `/v1/models`."""

import secrets
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tests.standins.ollama.prompt import Message
from tests.standins.ollama.state import Generation, Summary, state_of
from tests.standins.ollama.streaming import Reply
from tests.standins.ollama.wire import (
    ApiError,
    get,
    ndjson,
    not_found,
    openai_error_response,
    read_object,
    sse,
)

# OpenAI's names that Ollama understands. `max_completion_tokens` is not among them, and `num_ctx` has none.
_OPTIONS = {
    "max_tokens": "num_predict",
    "temperature": "temperature",
    "top_p": "top_p",
    "seed": "seed",
    "stop": "stop",
    "presence_penalty": "presence_penalty",
    "frequency_penalty": "frequency_penalty",
}


async def chat_completions(request: Request) -> Response:
    """`POST /v1/chat/completions`."""
    try:
        return await _complete(request)
    except ApiError as error:
        return openai_error_response(error)


async def models(request: Request) -> Response:
    """`GET /v1/models`."""
    data = [
        {
            "id": model.name,
            "object": "model",
            "created": int(model.modified_at.timestamp()),
            "owned_by": "library",
        }
        for model in state_of(request).library.installed()
    ]
    return JSONResponse({"object": "list", "data": data})


async def _complete(request: Request) -> Response:
    body = await read_object(request)
    given = get(body, "messages", list, [])
    if not given:
        raise ApiError(400, "[] is too short - 'messages'")
    messages = [message for item in given for message in _messages(item)]
    name = get(body, "model", str, "")
    if not name:
        raise ApiError(400, "model is required")
    generation = Generation(request, name)
    model = generation.find()
    if "completion" not in model.capabilities:
        raise ApiError(400, f'"{name}" does not support chat')
    options = {ours: body[theirs] for theirs, ours in _OPTIONS.items() if body.get(theirs) is not None}
    events = generation.run(model, messages, {"options": {"temperature": 1.0, "top_p": 1.0} | options})
    base = {
        "id": f"chatcmpl-{secrets.randbelow(999)}",
        "object": "chat.completion.chunk",
        "created": int(time.time()),
        "model": name,
        "system_fingerprint": "fp_ollama",
    }
    if get(body, "stream", bool, False):
        usage = get(get(body, "stream_options", dict, {}), "include_usage", bool, False)

        def error_chunk(error: ApiError) -> bytes:
            # Ollama reads its own error line as an empty chunk: the client sees an answer that just ends.
            return _chunk({**base, "model": ""}, "", None)

        return Reply(_events(base, events, usage), "text/event-stream", openai_error_response, error_chunk)

    def cannot_happen(error: ApiError) -> bytes:
        raise error

    whole = _whole({**base, "object": "chat.completion"}, events)
    return Reply(whole, "application/json", openai_error_response, cannot_happen)


def _messages(item: object) -> list[Message]:
    """A message; content in parts becomes a message for each text, and pictures are left out."""
    if not isinstance(item, dict):
        raise ApiError(400, "invalid message format")
    role, content = get(item, "role", str, ""), item.get("content")
    if isinstance(content, str):
        return [Message(role, content)]
    if not isinstance(content, list):
        raise ApiError(
            400, f"invalid message content type: {'<nil>' if content is None else type(content).__name__}"
        )
    parts: list[Message] = []
    for part in content:
        if not isinstance(part, dict) or part.get("type") not in ("text", "image_url"):
            raise ApiError(400, "invalid message format")
        if part["type"] == "text":
            parts.append(Message(role, get(part, "text", str, "")))
    return parts


def _chunk(base: Mapping[str, Any], text: str, reason: str | None) -> bytes:
    choice = {"index": 0, "delta": {"role": "assistant", "content": text}, "finish_reason": reason}
    return sse({**base, "choices": [choice]})


def _usage(summary: Summary) -> dict[str, int]:
    return {
        "prompt_tokens": summary.prompt_tokens,
        "completion_tokens": summary.completion_tokens,
        "total_tokens": summary.prompt_tokens + summary.completion_tokens,
    }


async def _events(
    base: Mapping[str, Any], events: AsyncGenerator[str | Summary, None], with_usage: bool
) -> AsyncGenerator[bytes, None]:
    async with aclosing(events):
        async for event in events:
            if isinstance(event, Summary):
                yield _chunk(base, "", event.reason)
                if with_usage:
                    yield sse({**base, "choices": [], "usage": _usage(event)})
                yield b"data: [DONE]\n\n"
            else:
                yield _chunk(base, event, None)


async def _whole(
    base: Mapping[str, Any], events: AsyncGenerator[str | Summary, None]
) -> AsyncGenerator[bytes, None]:
    text: list[str] = []
    async with aclosing(events):
        async for event in events:
            if isinstance(event, Summary):
                message = {"role": "assistant", "content": "".join(text)}
                choice = {"index": 0, "message": message, "finish_reason": event.reason}
                yield ndjson({**base, "choices": [choice], "usage": _usage(event)})
            else:
                text.append(event)


async def model(request: Request) -> Response:
    """`GET /v1/models/{model}`."""
    name = request.path_params["model"]
    found = state_of(request).library.find(name)
    if found is None:
        return openai_error_response(not_found(name))
    created = int(found.modified_at.timestamp())
    return JSONResponse({"id": name, "object": "model", "created": created, "owned_by": "library"})
