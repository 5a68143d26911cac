"""The app: routes, the log of requests, and the switches for faults.

Known differences from a real Ollama: tokens of the scripted backend are words; `format` (JSON mode), images,
`suffix` and `template` are ignored; no model has tools or thinking; there is no queue and no eviction, and a
load takes no time; embeddings are hashed words; the real model's answers end after 256 tokens unless
`num_predict` says otherwise; `drop_connection_after_tokens: 0` still sends the response head; the messages
about malformed JSON only come near Go's.
"""

import json
from collections.abc import Iterable
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tests.standins.ollama import compat, management, native
from tests.standins.ollama.backends import Backend, Scripted
from tests.standins.ollama.faults import InvalidFault
from tests.standins.ollama.library import Library
from tests.standins.ollama.records import Outcome, RequestLog, RequestRecord
from tests.standins.ollama.state import State, state_of
from tests.standins.ollama.wire import ApiError, error_response, read_object

CONTROL = "/_standin/"


class _Logged:
    """Puts every request but those to the switches into the log, with how it ended."""

    def __init__(self, app: ASGIApp, log: RequestLog) -> None:
        self._app = app
        self._log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(CONTROL):
            await self._app(scope, receive, send)
            return
        record = RequestRecord(scope["method"], scope["path"])
        scope["standin.record"] = record
        self._log.add(record)
        body = bytearray()

        async def logged_receive() -> Message:
            message = await receive()
            if message["type"] == "http.request":
                body.extend(message.get("body", b""))
                if not message.get("more_body", False):
                    self._log.update(record, body=_parsed(bytes(body)))
            elif record.outcome is Outcome.PENDING:
                self._log.update(record, outcome=Outcome.CLIENT_LEFT)
            return message

        async def logged_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._log.update(record, status=message["status"])
            await send(message)
            if message["type"] == "http.response.body" and not message.get("more_body", False):
                self._finish(record, Outcome.COMPLETE)

        try:
            await self._app(scope, logged_receive, logged_send)
        finally:
            self._finish(record, Outcome.DROPPED)

    def _finish(self, record: RequestRecord, outcome: Outcome) -> None:
        if record.outcome is Outcome.PENDING:
            self._log.update(record, outcome=outcome)


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body) if body else None
    except ValueError:
        return body.decode(errors="replace")


async def _set_faults(request: Request) -> Response:
    """`POST /_standin/faults`: `{"http_500": true, "times": 2}`."""
    body = await read_object(request)
    try:
        state_of(request).faults.set(**body)
    except InvalidFault as error:
        return JSONResponse({"error": str(error)}, 422)
    return await _get_faults(request)


async def _get_faults(request: Request) -> Response:
    return JSONResponse(state_of(request).faults.to_dict())


async def _clear_faults(request: Request) -> Response:
    state_of(request).faults.clear()
    return await _get_faults(request)


async def _get_requests(request: Request) -> Response:
    return JSONResponse([record.to_dict() for record in state_of(request).log.snapshot()])


async def _clear_requests(request: Request) -> Response:
    state_of(request).log.clear()
    return JSONResponse([])


async def _api_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    return error_response(error)


async def _no_route(request: Request, error: Exception) -> Response:
    """Gin's plain text for an unknown path or method."""
    assert isinstance(error, HTTPException)
    words = {404: "404 page not found", 405: "405 method not allowed"}
    return PlainTextResponse(words.get(error.status_code, error.detail), error.status_code)


def create_app(
    backend: Backend | None = None,
    models: Iterable[str] = ("llama3.2:3b",),
    *,
    default_num_ctx: int = 4096,
    pull_step_seconds: float = 0.0,
) -> Starlette:
    """The stand-in as an ASGI app; its state (faults, log, library) is at `app.state.standin`."""
    state = State(
        backend=backend or Scripted(),
        library=Library(models),
        default_num_ctx=default_num_ctx,
        pull_step_seconds=pull_step_seconds,
    )
    app = Starlette(
        routes=[
            Route("/", management.root, methods=["GET"]),
            Route("/api/version", management.version, methods=["GET"]),
            Route("/api/tags", management.tags, methods=["GET"]),
            Route("/api/ps", management.ps, methods=["GET"]),
            Route("/api/show", management.show, methods=["POST"]),
            Route("/api/pull", management.pull, methods=["POST"]),
            Route("/api/delete", management.delete, methods=["DELETE"]),
            Route("/api/chat", native.chat, methods=["POST"]),
            Route("/api/generate", native.generate, methods=["POST"]),
            Route("/api/embed", native.embed, methods=["POST"]),
            Route("/api/embeddings", native.embeddings, methods=["POST"]),
            Route("/v1/chat/completions", compat.chat_completions, methods=["POST"]),
            Route("/v1/models", compat.models, methods=["GET"]),
            Route("/v1/models/{model:path}", compat.model, methods=["GET"]),
            Route("/_standin/faults", _get_faults, methods=["GET"]),
            Route("/_standin/faults", _set_faults, methods=["POST"]),
            Route("/_standin/faults", _clear_faults, methods=["DELETE"]),
            Route("/_standin/requests", _get_requests, methods=["GET"]),
            Route("/_standin/requests", _clear_requests, methods=["DELETE"]),
        ],
        exception_handlers={ApiError: _api_error, HTTPException: _no_route},
    )
    app.add_middleware(_Logged, log=state.log)
    app.state.standin = state
    return app
