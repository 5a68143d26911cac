"""The models on disk and in memory: tags, ps, show, pull, delete; and the version."""

import asyncio
import hashlib
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from tests.standins.ollama.faults import PULL, Faults
from tests.standins.ollama.library import Model, full_name
from tests.standins.ollama.state import State, state_of
from tests.standins.ollama.streaming import Reply
from tests.standins.ollama.wire import (
    ApiError,
    error_response,
    get,
    ndjson,
    not_found,
    read_object,
    timestamp,
)

VERSION = "0.34.0"
# Progress reports for the big layer of a pull.
PULL_STEPS = 4
# Ollama reports as often, whether bytes come or not.
REPORT_SECONDS = 0.06


async def root(request: Request) -> Response:
    """`GET /`."""
    return PlainTextResponse("Ollama is running")


async def version(request: Request) -> Response:
    """`GET /api/version`."""
    return JSONResponse({"version": VERSION})


async def tags(request: Request) -> Response:
    """`GET /api/tags`."""
    return JSONResponse({"models": [_entry(model) for model in state_of(request).library.installed()]})


async def ps(request: Request) -> Response:
    """`GET /api/ps`."""
    state = state_of(request)
    cpu_only = state.faults.take(["cpu_fallback"]).cpu_fallback
    models = []
    for loaded in state.library.running():
        # The cache grows with the window, so memory is more than the file.
        size = loaded.model.size + loaded.context_length * 65_536
        models.append(
            {
                "name": loaded.model.name,
                "model": loaded.model.name,
                "size": size,
                "digest": loaded.model.digest,
                "details": loaded.model.details,
                "expires_at": timestamp(loaded.expires_at),
                "size_vram": 0 if cpu_only else size,
                "context_length": loaded.context_length,
            }
        )
    return JSONResponse({"models": models})


async def show(request: Request) -> Response:
    """`POST /api/show`."""
    state = state_of(request)
    name = _name(await read_object(request))
    if not name:
        raise ApiError(400, "model is required")
    model = None if state.faults.take(["missing_model"]).missing_model else state.library.find(name)
    if model is None:
        raise not_found(name)
    return JSONResponse(model.show(state.backend.context_length))


async def delete(request: Request) -> Response:
    """`DELETE /api/delete`: 200 with an empty body."""
    state = state_of(request)
    name = _name(await read_object(request))
    if not name:
        raise ApiError(400, 'name "" is invalid')
    model = state.library.find(name)
    if model is None:
        raise not_found(name)
    state.library.remove(model)
    return Response()


async def pull(request: Request) -> Response:
    """`POST /api/pull`: any name can be pulled, unless a fault says otherwise."""
    state = state_of(request)
    body = await read_object(request)
    name = _name(body)
    if not name:
        raise ApiError(400, "invalid model name")
    progress = _pull(state, full_name(name), state.faults.take(PULL))
    if get(body, "stream", bool, True):
        return Reply(_lines(progress), "application/x-ndjson", error_response, _error_line)
    return Reply(_last(progress), "application/json", error_response, _error_line)


def _name(body: dict[str, Any]) -> str:
    # `name` is the field's old name, which is still understood.
    return get(body, "model", str, "") or get(body, "name", str, "")


def _entry(model: Model) -> dict[str, Any]:
    return {
        "name": model.name,
        "model": model.name,
        "modified_at": timestamp(model.modified_at),
        "size": model.size,
        "digest": model.digest,
        "details": model.details,
    }


async def _pull(state: State, name: str, faults: Faults) -> AsyncGenerator[dict[str, Any], None]:
    yield {"status": "pulling manifest"}
    if faults.missing_model:
        raise ApiError(500, "pull model manifest: file does not exist")
    if faults.pull_error:
        raise ApiError(500, faults.pull_error)
    size = Model(name, datetime.now(UTC)).size
    for layer, total in (("weights", size), ("config", 485)):
        digest = hashlib.sha256(f"{name} {layer}".encode()).hexdigest()
        steps = PULL_STEPS if layer == "weights" else 1
        # What an earlier pull got is still there, and reported at once.
        for step in range(state.partial.get(digest, 0), steps + 1):
            if faults.pull_disk_full and step * 2 >= steps:
                path = f"/root/.ollama/models/blobs/sha256-{digest}-partial"
                raise ApiError(500, f"write {path}: no space left on device")
            if state.pull_step_seconds and step:
                await asyncio.sleep(state.pull_step_seconds)
            done = {"completed": total * step // steps} if step else {}
            report = {"status": f"pulling {digest[:12]}", "digest": f"sha256:{digest}", "total": total} | done
            state.partial[digest] = step
            yield report
            while faults.pull_stall and step * 2 >= steps:
                await asyncio.sleep(REPORT_SECONDS)
                if faults.pull_stall == "aloud":
                    yield report
    yield {"status": "verifying sha256 digest"}
    yield {"status": "writing manifest"}
    state.library.add(name)
    state.partial.clear()
    yield {"status": "success"}


def _error_line(error: ApiError) -> bytes:
    return ndjson({"error": error.message})


async def _lines(progress: AsyncGenerator[dict[str, Any], None]) -> AsyncGenerator[bytes, None]:
    async for report in progress:
        yield ndjson(report)


async def _last(progress: AsyncGenerator[dict[str, Any], None]) -> AsyncGenerator[bytes, None]:
    reports = [report async for report in progress]
    yield ndjson(reports[-1])
