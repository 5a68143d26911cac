"""The HTTP door: health, readiness, the page, and what guards them."""

import signal
import socket
from collections.abc import Callable
from typing import Any

import gradio as gr
import uvicorn
from fastapi import FastAPI
from fastapi.responses import JSONResponse
from starlette.types import ASGIApp

from melancia import __version__
from melancia.api.gate import (
    ClosedDoors,
    KnownOrigins,
    Login,
    QuestionLimit,
    SecurityHeaders,
    UserCookie,
)
from melancia.api.gauges import exposition
from melancia.api.metrics import Scraper, metrics_router
from melancia.api.reports import reports_router
from melancia.api.results import results_router
from melancia.app import Runtime
from melancia.errors import MelanciaError, SettingsError
from melancia.knowledge.documents import MAX_BYTES
from melancia.settings import Settings
from melancia.ui.identity import Identity
from melancia.ui.page import HEAD, STYLE, THEME, TRANSLATIONS, build_page
from melancia.worker import Worker

_STOPPING = 5  # seconds that running answers get when the server stops


def create_app(runtime: Runtime) -> ASGIApp:
    """The whole application over ``runtime``."""
    settings = runtime.settings
    identity = Identity(settings)
    app = FastAPI(title="MelâncIA", version=__version__, docs_url=None, redoc_url=None, openapi_url=None)

    # Before the page, which takes every other path.
    @app.get("/healthz")
    def healthz() -> dict[str, str]:
        """The process answers."""
        return {"status": "ok", "service": "melancia", "version": __version__}

    @app.get("/readyz")
    def readyz() -> JSONResponse:
        """The store answers and there is something to search."""
        return _readiness(runtime)

    app.include_router(results_router(settings))
    app.include_router(reports_router(runtime, identity))

    page = build_page(runtime, identity)
    page.queue(default_concurrency_limit=settings.concurrency, max_size=settings.queue_size)
    metrics = exposition(runtime, lambda: len(page._queue))
    app.include_router(metrics_router(metrics, identity))
    mounted = gr.mount_gradio_app(
        app,
        page,
        path="/",
        footer_links=[],
        run_history=False,
        show_error=False,
        enable_monitoring=False,
        max_file_size=MAX_BYTES,
        i18n=TRANSLATIONS,
        theme=THEME,
        css=STYLE,
        head=HEAD,
        ssr_mode=False,
        pwa=False,
        mcp_server=False,
    )
    guarded: ASGIApp = QuestionLimit(mounted, identity, settings.questions_per_minute)
    guarded = ClosedDoors(guarded, identity)
    guarded = UserCookie(guarded, identity, secure=settings.secure_cookie)
    guarded = Login(guarded, identity)
    guarded = KnownOrigins(guarded, settings)
    guarded = Scraper(guarded, metrics, settings.metrics_token_file)
    return SecurityHeaders(guarded)


def serve(settings: Settings, announce: Callable[[str], None]) -> None:
    """Serve the page until stopped. ``announce`` gets the address once it answers.

    Raises SettingsError when the address cannot be used, StoreError, KnowledgeError.
    """
    _check_free(settings)
    runtime = Runtime.open(settings, index_in_background=True)
    # Without the stack there is no worker of its own; it waits if one was started all the same.
    alone = not settings.launcher_url
    worker = (
        Worker(settings, runtime.store, cache=runtime.cache, only_experiments=not settings.mlflow_url)
        if alone
        else None
    )
    # uvicorn obeys the signal and then sends it once more, which would end the process before the clean-up.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        runtime.start_experiments()
        if not settings.launcher_url:
            runtime.start_jobs()
        if worker is not None:
            worker.start()
        shown = "127.0.0.1" if settings.host in ("0.0.0.0", "::", "") else settings.host  # noqa: S104
        config = uvicorn.Config(
            create_app(runtime),
            host=settings.host,
            port=settings.port,
            log_level=settings.log_level.lower() if settings.log_level != "INFO" else "warning",
            log_config=None,  # its lines take our form, and pass our filter
            timeout_graceful_shutdown=_STOPPING,
            server_header=False,
            proxy_headers=False,
        )
        # One worker: a Gradio session lives in one process.
        _Server(config, lambda: announce(f"http://{shown}:{settings.port}")).run()
    except KeyboardInterrupt:
        pass  # uvicorn passes on the signal that it has already obeyed
    finally:
        if worker is not None:
            worker.stop()
        runtime.close()


class _Server(uvicorn.Server):
    """Says when it listens; uvicorn's own start hook comes before that."""

    def __init__(self, config: uvicorn.Config, on_listening: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_listening = on_listening

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Bind, then say so."""
        await super().startup(sockets)
        if self.started:
            self._on_listening()


def _readiness(runtime: Runtime) -> JSONResponse:
    progress = runtime.index.progress()
    state: dict[str, Any] = {
        "documents": progress.documents,
        "chunks": progress.chunks,
        "vectors": progress.vectors,
        "index": "pronto" if progress.ready else "calculando vetores",
    }
    try:
        runtime.store.ping()
        state["store"] = "pronto"
    except MelanciaError as error:
        state["store"] = str(error)
    if progress.error:
        state["index"] = progress.error
    ready = state["store"] == "pronto" and progress.documents > 0
    return JSONResponse({"status": "ok" if ready else "indisponível", **state}, 200 if ready else 503)


def _check_free(settings: Settings) -> None:
    """Say that the port is taken before the index is opened and minutes are spent."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            raise SettingsError(
                f"Não é possível servir em {settings.host}:{settings.port} ({error.strerror}).",
                "Pare o que usa a porta ou escolha outra com --port ou MELANCIA_PORT.",
            ) from error
