"""What stands before the page: pure ASGI layers, each closing one of Gradio's open doors.

Outermost first: headers on every response; only known hosts and origins; login; the user's cookie; no way
around the page's own handlers; a limit on questions.
"""

import json
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Mapping
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from melancia.settings import Settings
from melancia.ui.identity import COOKIE, COOKIE_AGE, Identity

OPEN_PATHS = ("/healthz", "/readyz")
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'self'",
        # Gradio's page starts with inline scripts and compiles its templates.
        "script-src 'self' 'unsafe-inline' 'unsafe-eval'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "media-src 'self' blob:",
        "worker-src 'self' blob:",
        "connect-src 'self'",
        "frame-src 'self'",
        "frame-ancestors 'self'",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
    )
)
_HEADERS = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "x-frame-options": "SAMEORIGIN",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
    "cross-origin-opener-policy": "same-origin",
}
# Handlers can be called by name here, files can be left, conversations written to disk for whoever has the
# link, and the API is described: nobody needs it.
_CLOSED = frozenset(
    """call api info openapi upload upload_progress mcp proxy= reload deep_link process_recording dev token
    vibe-edit undo-vibe-edit vibe-code vibe-starter-queries runs run-history profiling""".split()
)
_SENDING = ("upload", "upload_progress")
_JOIN = "/gradio_api/queue/join"
_MAX_TRACKED = 10_000


class SecurityHeaders:
    """Adds the security headers to every response that does not set its own."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, with_headers if scope["type"] == "http" else send)


class KnownOrigins:
    """Refuses a host name that is not ours (DNS rebinding) and requests that another site's page sends.

    Ours are this machine's names, any IP address, and those in MELANCIA_ALLOWED_ORIGINS. Gradio itself
    reflects any origin with credentials.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        origins = [item.strip().rstrip("/") for item in settings.allowed_origins.split(",") if item.strip()]
        self._origins = {origin.lower() for origin in origins}
        names = (urlsplit(origin).hostname or "" for origin in origins)
        self._hosts = {"localhost", settings.host.lower(), *names} - {""}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] not in ("http", "websocket") or scope["path"] in OPEN_PATHS:
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        host, origin = headers.get("host", "").lower(), headers.get("origin", "").lower()
        if not self._ours(host):
            await _refuse(
                scope, send, 421, "Este endereço não é conhecido. Inclua-o em MELANCIA_ALLOWED_ORIGINS."
            )
        elif origin and origin not in self._origins and _netloc(origin) != host:
            await _refuse(scope, send, 403, "Pedido de outra página recusado (MELANCIA_ALLOWED_ORIGINS).")
        else:
            await self._app(scope, receive, send)

    def _ours(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        if name in self._hosts:
            return True
        try:
            ip_address(name)
        except ValueError:
            return False
        return True


class Login:
    """HTTP Basic for the team, when MELANCIA_AUTH is set. Covers everything but the health checks."""

    def __init__(self, app: ASGIApp, identity: Identity) -> None:
        self._app = app
        self._identity = identity

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] in ("http", "websocket") and scope["path"] not in OPEN_PATHS:
            authorization = Headers(scope=scope).get("authorization", "")
            if self._identity.needs_login and self._identity.member(authorization) is None:
                challenge = {"www-authenticate": 'Basic realm="MelancIA", charset="UTF-8"'}
                await _refuse(scope, send, 401, "Entre com o usuário e a senha da equipe.", challenge)
                return
        await self._app(scope, receive, send)


class UserCookie:
    """Gives a new browser its signed identifier with the page."""

    def __init__(self, app: ASGIApp, identity: Identity, *, secure: bool) -> None:
        self._app = app
        self._identity = identity
        self._secure = "; Secure" if secure else ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        new = (
            scope["type"] == "http"
            and scope["method"] == "GET"
            and scope["path"] == "/"
            and not self._identity.needs_login
            and self._identity.anonymous(cookies(scope)) is None
        )

        async def with_cookie(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).append(
                    "set-cookie",
                    f"{COOKIE}={self._identity.issue()}; Max-Age={COOKIE_AGE}; Path=/; HttpOnly; "
                    f"SameSite=Lax{self._secure}",
                )
            await send(message)

        await self._app(scope, receive, with_cookie if new else send)


class ClosedDoors:
    """Answers 404 on the parts of Gradio's API that the page does not use; only admins may leave files."""

    def __init__(self, app: ASGIApp, identity: Identity) -> None:
        self._app = app
        self._identity = identity

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] in ("http", "websocket") and _closed(scope["path"]) and not self._may_send(scope):
            await _refuse(scope, send, 404, "Não há nada aqui.")
            return
        await self._app(scope, receive, send)

    def _may_send(self, scope: Scope) -> bool:
        door = scope["path"].rstrip("/").removeprefix("/gradio_api/")
        user = self._identity.user(cookies(scope), Headers(scope=scope).get("authorization", ""))
        return door in _SENDING and self._identity.is_admin(user)


class QuestionLimit:
    """At most so many questions a user (and, five times as many, an address) in a moving minute."""

    def __init__(
        self,
        app: ASGIApp,
        identity: Identity,
        per_minute: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app = app
        self._identity = identity
        self._per_minute = per_minute
        self._clock = clock
        self._asked: OrderedDict[str, deque[float]] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http" or scope["method"] != "POST" or scope["path"].rstrip("/") != _JOIN:
            await self._app(scope, receive, send)
            return
        user = self._identity.user(cookies(scope), Headers(scope=scope).get("authorization", ""))
        if user is None:
            await _refuse(scope, send, 403, "A sessão não foi reconhecida. Recarregue a página.")
            return
        address = (scope.get("client") or ("?",))[0]
        wait = max(
            self._wait(f"u:{user}", self._per_minute), self._wait(f"a:{address}", 5 * self._per_minute)
        )
        if wait > 0:
            seconds = int(wait) + 1
            text = f"Muitas perguntas em pouco tempo. Aguarde {seconds} s e tente de novo."
            await _refuse(scope, send, 429, text, {"retry-after": str(seconds)})
            return
        await self._app(scope, receive, _when_full(scope, send))

    def _wait(self, key: str, limit: int) -> float:
        """Seconds until the next question is welcome; 0 counts this one."""
        now = self._clock()
        asked = self._asked.setdefault(key, deque())
        self._asked.move_to_end(key)
        while len(self._asked) > _MAX_TRACKED:
            self._asked.popitem(last=False)
        while asked and asked[0] <= now - 60:
            asked.popleft()
        if len(asked) >= limit:
            return asked[0] + 60 - now
        asked.append(now)
        return 0.0


def cookies(scope: Scope) -> Mapping[str, str]:
    """The request's cookies, also beside those of other programs of this host, which may have any form."""
    return cookie_parser(Headers(scope=scope).get("cookie", ""))


def _netloc(origin: str) -> str:
    """Host and port of an origin; "" for one that is none."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""


def _closed(path: str) -> bool:
    if path.startswith("/monitoring") or path.rstrip("/") in ("/openapi.json", "/docs", "/redoc"):
        return True
    prefix = "/gradio_api/"
    if not path.startswith(prefix):
        return False
    first = path.removeprefix(prefix).lstrip("/").partition("/")[0]
    return any(first == name or (name.endswith("=") and first.startswith(name)) for name in _CLOSED) or (
        first.startswith("openapi")
    )


def _when_full(scope: Scope, send: Send) -> Send:
    """Says in Portuguese that the queue is full, which Gradio says in English with a 503."""
    full = False

    async def translated(message: Message) -> None:
        nonlocal full
        if message["type"] == "http.response.start" and message["status"] == 503:
            full = True
            text = "Há muitas perguntas na fila agora. Tente de novo em alguns segundos."
            await _refuse(scope, send, 503, text, {"retry-after": "5"})
        elif not full:
            await send(message)

    return translated


async def _refuse(
    scope: Scope, send: Send, status: int, text: str, headers: Mapping[str, str] | None = None
) -> None:
    """``{"detail": text}``, which Gradio's page shows word for word."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})
        return
    body = json.dumps({"detail": text}, ensure_ascii=False).encode()
    given: Iterable[tuple[str, str]] = {
        "content-type": "application/json; charset=utf-8",
        "content-length": str(len(body)),
        **(headers or {}),
    }.items()
    raw = [(name.encode(), value.encode()) for name, value in given]
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": body})
