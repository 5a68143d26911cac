"""The launcher's HTTP door: a job's name and parameters come in, never an image, a command or a mount."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from melancia import __version__
from melancia.errors import InputError, JobNotFoundError, MelanciaError
from melancia.jobs.dispatcher import Dispatcher
from melancia.jobs.queue import cancel, check_id, enqueue
from melancia.jobs.token import read_token
from melancia.launcher.gate import Gate, failure
from melancia.records import Job
from melancia.settings import Settings
from melancia.store import Store

_BODY = "name, parameters e requested_by"
_SAID = {
    400: "O pedido não pode ser lido.",
    404: "Esse endereço não existe.",
    405: "Esse método não vale aqui.",
}


class JobRequest(BaseModel):
    """All that a request may say."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: str = Field(min_length=1, max_length=50)
    parameters: dict[str, Any] = Field(default_factory=dict)
    # No control characters: it is kept and shown.
    requested_by: str = Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")


def create_app(
    settings: Settings, store: Store, dispatcher: Dispatcher, ping_engine: Callable[[], None]
) -> ASGIApp:
    """The application; it runs ``dispatcher`` for as long as it serves.

    ``ping_engine`` raises JobError when the engine does not answer.
    Raises SettingsError when the token's file is missing, empty or too short.
    """
    read_token(settings.launcher_token_file)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        dispatcher.start()
        try:
            yield
        finally:
            await run_in_threadpool(dispatcher.stop)

    app = FastAPI(
        title="MelâncIA launcher",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
    )
    _add_failures(app)

    @app.get("/healthz")
    def healthz() -> JSONResponse:
        """The engine and the store answer, and the loop goes on."""
        return _health({"docker": ping_engine, "store": store.ping}, dispatcher)

    @app.post("/jobs", status_code=201)
    def submit(request: JobRequest) -> Job:
        """Queue a job."""
        job = enqueue(store, request.name, request.parameters, request.requested_by)
        dispatcher.wake()
        return job

    @app.get("/jobs")
    def latest(limit: Annotated[int, Query(ge=1, le=500)] = 50) -> list[Job]:
        """The latest jobs, newest first, without their logs."""
        return [replace(job, log_tail="") for job in store.jobs.list(limit)]

    @app.get("/jobs/{job_id}")
    def one(job_id: str) -> Job:
        """One job."""
        check_id(job_id)
        return store.jobs.get(job_id)

    @app.post("/jobs/{job_id}/cancel")
    def end(job_id: str) -> Job:
        """End a job, or ask for it."""
        job = cancel(store, job_id)
        dispatcher.wake()
        return job

    return Gate(app, lambda: read_token(settings.launcher_token_file))


def _health(asked: dict[str, Callable[[], None]], dispatcher: Dispatcher) -> JSONResponse:
    state = {"loop": "pronto" if dispatcher.alive else "O laço das tarefas parou."}
    for name, ping in asked.items():
        try:
            ping()
            state[name] = "pronto"
        except MelanciaError as error:
            state[name] = error.message
    down = [name for name, said in state.items() if said != "pronto"]
    if down:
        return JSONResponse({"status": "indisponível", "down": down, **state}, 503)
    return JSONResponse({"status": "ok", "service": "launcher", "version": __version__, **state})


def _add_failures(app: FastAPI) -> None:
    """Every failure as ``{"detail": …}``, in Portuguese."""

    @app.exception_handler(MelanciaError)
    def ours(_request: Request, error: MelanciaError) -> JSONResponse:
        status = 503
        if isinstance(error, InputError):
            status = 400
        elif isinstance(error, JobNotFoundError):
            status = 404
        return failure(status, error.message, error.remedy)

    @app.exception_handler(RequestValidationError)
    def malformed(_request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"][1:])
        if first["type"] == "extra_forbidden":
            return failure(422, f"O campo “{field}” não é aceito.", f"Envie só {_BODY}.")
        if first["type"] == "json_invalid":
            return failure(422, "O pedido não é JSON.", f"Envie {_BODY} em JSON.")
        return failure(422, f"O campo “{field or 'pedido'}” falta ou não vale.", f"Envie {_BODY}.")

    @app.exception_handler(HTTPException)
    def by_the_framework(_request: Request, error: HTTPException) -> JSONResponse:
        return failure(error.status_code, _SAID.get(error.status_code, "O pedido não pode ser atendido."))

    @app.exception_handler(Exception)
    def unexpected(_request: Request, _error: Exception) -> JSONResponse:
        # The framework logs it with its trace.
        return failure(500, "O launcher falhou.", "Veja os registros: docker compose logs launcher.")
