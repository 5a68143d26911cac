"""A benchmark's files for the browser: downloads, and the pictures of its page.

Whoever may open the page may read them (``gate.Login`` stands before both): they hold nothing of users.
"""

import re
from pathlib import Path

from fastapi import APIRouter, HTTPException
from fastapi.responses import FileResponse

from melancia.experiments.files import folder_of
from melancia.settings import Settings
from melancia.ui.benchmark_view import ROUTE

_FILE = re.compile(r"benchmark_[0-9]{8}_[0-9]{6}(_[0-9]{1,2})?\.(?P<kind>json|csv|log)")
_FOLDER = re.compile(r"benchmark_[0-9]{8}_[0-9]{6}(_[0-9]{1,2})?")
_PICTURE = re.compile(r"[a-z0-9_]{1,40}\.png")
_TYPES = {"json": "application/json", "csv": "text/csv; charset=utf-8", "log": "text/plain; charset=utf-8"}
# A benchmark that is resumed writes its files anew; what a team's login protects is not for shared caches.
_HEADERS = {"cache-control": "private, no-cache", "x-content-type-options": "nosniff"}


def results_router(settings: Settings) -> APIRouter:
    """``GET /resultados/<id>.json|.csv|.log`` and ``/resultados/<id>/<picture>.png``."""
    folder = folder_of(settings)
    router = APIRouter(prefix=f"/{ROUTE}")

    @router.get("/{name}")
    def download(name: str) -> FileResponse:
        """A file to keep."""
        found = _FILE.fullmatch(name)
        if found is None:
            raise _nothing()
        return FileResponse(
            _inside(folder, folder / name),
            media_type=_TYPES[found["kind"]],
            filename=name,
            headers=_HEADERS,
        )

    @router.get("/{benchmark}/{name}")
    def picture(benchmark: str, name: str) -> FileResponse:
        """A picture to look at."""
        if not (_FOLDER.fullmatch(benchmark) and _PICTURE.fullmatch(name)):
            raise _nothing()
        return FileResponse(
            _inside(folder, folder / benchmark / name), media_type="image/png", headers=_HEADERS
        )

    return router


def _inside(folder: Path, path: Path) -> Path:
    """``path``, when it is a file of ``folder`` and no link to elsewhere. Raises HTTPException (404)."""
    real = path.resolve()
    if not real.is_file() or not real.is_relative_to(folder.resolve()):
        raise _nothing()
    return real


def _nothing() -> HTTPException:
    return HTTPException(404, "Esse resultado não existe.")
