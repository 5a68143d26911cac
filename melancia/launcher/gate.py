"""What a request passes before anything of it is read: the token, and a bound on its size."""

import hmac
from collections.abc import Callable

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from melancia.errors import MelanciaError

MAX_BODY_BYTES = 16 * 1024
_OPEN = ("GET", "/healthz")


class Gate:
    """Asks for the token, except of the health check; refuses long bodies.

    ``token`` is asked at each request, so that a changed secret counts at once; it raises SettingsError.
    """

    def __init__(self, app: ASGIApp, token: Callable[[], str]) -> None:
        self._app = app
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what may pass."""
        if scope["type"] == "lifespan" or (scope.get("method"), scope["path"]) == _OPEN:
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        refusal = self._refusal(Headers(scope=scope))
        if refusal is not None:
            await refusal(scope, receive, send)
            return
        body = await _body(receive)
        if body is None:
            too_long = f"O pedido passa de {MAX_BODY_BYTES // 1024} KB."
            await failure(413, too_long, "Envie só o nome e os parâmetros da tarefa.")(scope, receive, send)
            return
        await self._app(scope, _replayed(body, receive), send)

    def _refusal(self, headers: Headers) -> JSONResponse | None:
        try:
            expected = self._token()
        except MelanciaError as error:
            # Without a secret to compare with, nobody gets in.
            return failure(503, error.message, error.remedy)
        scheme, _, given = headers.get("authorization", "").partition(" ")
        same = hmac.compare_digest(given.encode("utf-8", "surrogateescape"), expected.encode())
        if scheme.lower() == "bearer" and same:
            return None
        refused = failure(401, "O segredo do launcher falta ou não confere.", "Envie Authorization: Bearer …")
        refused.headers["WWW-Authenticate"] = "Bearer"
        return refused


def failure(status: int, detail: str, remedy: str = "") -> JSONResponse:
    """How every refusal looks."""
    return JSONResponse({"detail": detail, "remedy": remedy}, status)


async def _body(receive: Receive) -> bytes | None:
    """The whole body; None as soon as it is too long, whatever its headers announced."""
    body = b""
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return body
        piece: bytes = message.get("body", b"")
        body += piece
        if len(body) > MAX_BODY_BYTES:
            return None
        if not message.get("more_body", False):
            return body


def _replayed(body: bytes, receive: Receive) -> Receive:
    pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return pending.pop() if pending else await receive()

    return replay
