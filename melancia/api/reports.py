"""A drift report's documents for the browser: Evidently's page, and the list of gaps.

They hold what people asked, masked: only the team, or whoever administers, may read them. Evidently's page is
full of scripts that are not ours, so it runs in a sandbox of its own, with no network and no cookies, also
when somebody opens it outside the page.
"""

import re

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import FileResponse, Response

from melancia.app import Runtime
from melancia.errors import InputError
from melancia.records import DriftReport
from melancia.ui.health_actions import gaps_csv
from melancia.ui.health_data import ROUTE, viewer
from melancia.ui.identity import Identity

_ID = re.compile(r"[0-9A-Za-z_-]{1,64}")
# A report that is kept a second time replaces its document.
_KEPT = {"cache-control": "private, no-cache", "x-content-type-options": "nosniff"}
_SANDBOX = {
    "content-security-policy": "; ".join(
        (
            "sandbox allow-scripts allow-popups",
            "default-src 'none'",
            "script-src 'unsafe-inline'",
            "style-src 'unsafe-inline'",
            "img-src data: blob:",
            "font-src data:",
            "frame-ancestors 'self'",
            "base-uri 'none'",
            "form-action 'none'",
        )
    ),
    # Of no origin, it could not be opened in a tab that keeps to an origin.
    "cross-origin-opener-policy": "unsafe-none",
}


def reports_router(runtime: Runtime, identity: Identity) -> APIRouter:
    """``GET /saude/relatorios/<id>.html`` and ``.csv``."""
    router = APIRouter(prefix=f"/{ROUTE}")
    folder = runtime.settings.drift_dir

    @router.get("/{name}.html")
    def document(name: str, request: Request) -> FileResponse:
        """Evidently's page."""
        report = _report(runtime, identity, name, request)
        # The name is the report's own; still nothing outside the folder, nor a link to it, is served.
        path = (folder / report.file).resolve()
        if not report.file or not path.is_file() or path.parent != folder.resolve():
            raise _nothing()
        return FileResponse(path, media_type="text/html; charset=utf-8", headers=_KEPT | _SANDBOX)

    @router.get("/{name}.csv")
    def gaps(name: str, request: Request) -> Response:
        """The questions that the base could not answer, to keep."""
        report = _report(runtime, identity, name, request)
        kept = f'attachment; filename="perguntas-sem-resposta-{report.created_at:%Y%m%d}.csv"'
        # With the mark by which spreadsheets know that it is UTF-8.
        content = gaps_csv(report).encode("utf-8-sig")
        return Response(
            content, media_type="text/csv; charset=utf-8", headers=_KEPT | {"content-disposition": kept}
        )

    return router


def _report(runtime: Runtime, identity: Identity, name: str, request: Request) -> DriftReport:
    """The report of that name. Raises HTTPException: 403 to whom it is not shown, 404 without one."""
    user = identity.user(request.cookies, request.headers.get("authorization", ""))
    if not viewer(identity, user, runtime.settings).reader:
        raise HTTPException(403, "Só a equipe e quem administra veem este relatório (MELANCIA_ADMINS).")
    if _ID.fullmatch(name) is None:
        raise _nothing()
    try:
        return runtime.store.reports.get(name)
    except InputError as error:
        raise _nothing() from error


def _nothing() -> HTTPException:
    return HTTPException(404, "Esse relatório não existe.")
