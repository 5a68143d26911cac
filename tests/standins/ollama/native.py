"""`/api/chat`, `/api/generate`, `/api/embed` and `/api/embeddings`."""

import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tests.standins.ollama.backends import normalise
from tests.standins.ollama.faults import EMBEDDING
from tests.standins.ollama.library import Model
from tests.standins.ollama.prompt import Message
from tests.standins.ollama.state import Generation, Summary, admit, state_of
from tests.standins.ollama.streaming import Reply
from tests.standins.ollama.wire import (
    ApiError,
    error_response,
    get,
    ndjson,
    parse_keep_alive,
    read_object,
    timestamp,
)

Shape = Callable[[str], dict[str, Any]]
"""Puts a text into the field of the endpoint."""


def _error_line(error: ApiError) -> bytes:
    return ndjson({"error": error.message})


async def chat(request: Request) -> Response:
    """`POST /api/chat`."""
    body = await read_object(request)
    name = get(body, "model", str, "")
    if not name:
        raise ApiError(400, "model is required")
    messages = [_message(item) for item in get(body, "messages", list, [])]
    return _answer(
        request,
        name,
        body,
        messages,
        lambda text: {"message": {"role": "assistant", "content": text}},
        "chat",
    )


async def generate(request: Request) -> Response:
    """`POST /api/generate`."""
    body = await read_object(request)
    name = get(body, "model", str, "")
    prompt, system = get(body, "prompt", str, ""), get(body, "system", str, "")
    messages = [Message("system", system)] if system and prompt else []
    messages += [Message("user", prompt)] if prompt else []
    return _answer(request, name, body, messages, lambda text: {"response": text}, "generate")


def _message(item: object) -> Message:
    if not isinstance(item, dict):
        raise ApiError(400, "json: cannot unmarshal value into Go struct field .messages of type api.Message")
    return Message(get(item, "role", str, ""), get(item, "content", str, ""))


def _answer(
    request: Request,
    name: str,
    body: Mapping[str, Any],
    messages: list[Message],
    shape: Shape,
    verb: str,
) -> Response:
    streamed = get(body, "stream", bool, True)
    options = get(body, "options", dict, {})
    keep_alive = parse_keep_alive(body.get("keep_alive"))
    generation = Generation(request, name)
    model = generation.find()
    if not messages and keep_alive == 0:
        state_of(request).library.unload(model)
        return JSONResponse(_object(name, shape(""), done=True, done_reason="unload"))
    _check_capabilities(model, name, body, verb)
    if not messages:
        generation.load(model, options, keep_alive)
        return JSONResponse(_object(name, shape(""), done=True, done_reason="load"))
    events = generation.run(model, messages, body, keep_alive)
    with_context = verb == "generate" and not get(body, "raw", bool, False)
    if streamed:
        return Reply(
            _lines(name, events, shape, with_context), "application/x-ndjson", error_response, _error_line
        )
    whole = _whole(name, events, shape, with_context)
    return Reply(whole, "application/json; charset=utf-8", error_response, _error_line)


def _check_capabilities(model: Model, name: str, body: Mapping[str, Any], verb: str) -> None:
    if "completion" not in model.capabilities:
        raise ApiError(400, f'"{name}" does not support {verb}')
    if get(body, "tools", list, []):
        raise ApiError(400, f"registry.ollama.ai/library/{model.name} does not support tools")
    if body.get("think"):
        raise ApiError(400, f'"{name}" does not support thinking')


def _object(name: str, content: Mapping[str, Any], *, done: bool, **more: Any) -> dict[str, Any]:
    return {"model": name, "created_at": timestamp(), **content, "done": done, **more}


def _end(name: str, content: Mapping[str, Any], summary: Summary, with_context: bool) -> dict[str, Any]:
    # Real values are token ids; nobody can do more with them than count them and send them back.
    tokens = summary.prompt_tokens + summary.completion_tokens
    context = {"context": list(range(1, tokens + 1))} if with_context else {}
    return _object(name, content, done=True, done_reason=summary.reason, **context, **summary.metrics())


async def _lines(
    name: str, events: AsyncGenerator[str | Summary, None], shape: Shape, with_context: bool
) -> AsyncGenerator[bytes, None]:
    async with aclosing(events):
        async for event in events:
            if isinstance(event, Summary):
                yield ndjson(_end(name, shape(""), event, with_context))
            else:
                yield ndjson(_object(name, shape(event), done=False))


async def _whole(
    name: str, events: AsyncGenerator[str | Summary, None], shape: Shape, with_context: bool
) -> AsyncGenerator[bytes, None]:
    text: list[str] = []
    async with aclosing(events):
        async for event in events:
            if isinstance(event, Summary):
                yield ndjson(_end(name, shape("".join(text)), event, with_context)).rstrip()
            else:
                text.append(event)


async def embed(request: Request) -> Response:
    """`POST /api/embed`: one vector of length 1 for each input."""
    started = time.perf_counter_ns()
    body = await read_object(request)
    given = body.get("input")
    texts = [given] if isinstance(given, str) and given else given or []
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise ApiError(400, "invalid input type")
    name, num_ctx = _embedder(request, body)
    loaded = time.perf_counter_ns()
    if not texts:
        return JSONResponse({"model": name, "embeddings": []})
    backend = state_of(request).backend
    dimensions = get(body, "dimensions", int, 0)
    vectors: list[list[float]] = []
    count = 0
    for text in texts:
        tokens = await backend.tokenize(text)
        if len(tokens) > num_ctx and not get(body, "truncate", bool, True):
            raise ApiError(400, "the input length exceeds the context length")
        count += min(len(tokens), num_ctx)
        vector = normalise(backend.embed("".join(tokens[:num_ctx])))
        vectors.append(normalise(vector[:dimensions]) if 0 < dimensions < len(vector) else vector)
    metrics = {
        "total_duration": max(1, time.perf_counter_ns() - started),
        "load_duration": max(1, loaded - started),
        "prompt_eval_count": count,
    }
    return JSONResponse({"model": name, "embeddings": vectors, **metrics})


async def embeddings(request: Request) -> Response:
    """`POST /api/embeddings`, the old form: one vector, not normalised."""
    body = await read_object(request)
    prompt = get(body, "prompt", str, "")
    _embedder(request, body)
    return JSONResponse({"embedding": state_of(request).backend.embed(prompt) if prompt else []})


def _embedder(request: Request, body: Mapping[str, Any]) -> tuple[str, int]:
    state = state_of(request)
    name = get(body, "model", str, "")
    faults = state.faults.take(EMBEDDING)
    model = None if faults.missing_model else state.library.find(name)
    faults.missing_model = None
    admit(faults, name)
    if model is None:
        # These two endpoints word it differently from the others.
        raise ApiError(404, f'model "{name}" not found, try pulling it first')
    options = get(body, "options", dict, {})
    num_ctx = state.default_num_ctx
    if isinstance(wanted := options.get("num_ctx"), int):
        num_ctx = min(max(4, wanted), state.backend.context_length)
    state.library.load(model, num_ctx, parse_keep_alive(body.get("keep_alive")))
    return name, num_ctx
