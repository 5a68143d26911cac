"""``GET /metrics``: for Prometheus by its token, for an admin by who they are, for nobody else."""

import hmac
import logging
from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from melancia.api.gate import cookies
from melancia.errors import SettingsError
from melancia.ui.identity import Identity

PATH = "/metrics"
MIN_CHARS = 32
_REFUSED = "Só quem administra, ou o Prometheus com o seu segredo (MELANCIA_METRICS_TOKEN_FILE), lê isto."
_REMEDY = (
    f"Grave em MELANCIA_METRICS_TOKEN_FILE um segredo de ao menos {MIN_CHARS} caracteres, "
    "por exemplo com: openssl rand -hex 32."
)

logger = logging.getLogger(__name__)


def metrics_router(metrics: CollectorRegistry, identity: Identity) -> APIRouter:
    """``GET /metrics`` for whoever came through the gates and is an admin."""
    router = APIRouter()

    @router.get(PATH)
    def read(request: Request) -> Response:
        """The metrics as text."""
        user = identity.user(cookies(request.scope), request.headers.get("authorization", ""))
        return _exposed(metrics, request.headers) if identity.is_admin(user) else _refusal()

    return router


class Scraper:
    """Prometheus's own way in: whoever shows the token gets the metrics, whatever name it calls us by.

    The token opens nothing else; who shows none goes on to the gates.
    """

    def __init__(self, app: ASGIApp, metrics: CollectorRegistry, token_file: Path | None) -> None:
        """Raises SettingsError when a file is given that holds no token."""
        self._app = app
        self._metrics = metrics
        self._file = token_file
        if token_file is not None:
            _read(token_file)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] == "http" and scope["method"] == "GET" and scope["path"] == PATH:
            headers = Headers(scope=scope)
            scheme, _, given = headers.get("authorization", "").partition(" ")
            if scheme.lower() == "bearer":
                # In a thread: the sources may take a moment.
                answer = await run_in_threadpool(self._answer, given.strip(), headers)
                await answer(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _answer(self, given: str, headers: Headers) -> Response:
        try:
            # Read each time: a changed secret counts at once.
            expected = _read(self._file) if self._file is not None else ""
        except SettingsError as error:
            logger.error("nobody may read the metrics by token: %s", error)
            expected = ""
        same = hmac.compare_digest(given.encode("utf-8", "surrogateescape"), expected.encode())
        return _exposed(self._metrics, headers) if same and expected else _refusal()


def _exposed(metrics: CollectorRegistry, headers: Headers) -> Response:
    encode, kind = choose_encoder(headers.get("accept", ""))
    return Response(encode(metrics), headers={"content-type": kind, "cache-control": "no-store"})


def _refusal() -> Response:
    return JSONResponse({"detail": _REFUSED}, 403)


def _read(file: Path) -> str:
    """The token, as the file holds it now. Raises SettingsError."""
    try:
        token = file.read_text("ascii").strip()
    except OSError as error:
        raise SettingsError(
            f"O segredo de /metrics não pode ser lido em {file} ({error.strerror}).", _REMEDY
        ) from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"O segredo de /metrics em {file} não é texto ASCII.", _REMEDY) from error
    if len(token) < MIN_CHARS:
        raise SettingsError(f"O segredo de /metrics em {file} é curto demais.", _REMEDY)
    return token
