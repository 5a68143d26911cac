"""Somebody who takes alerts: a real HTTP server, as healthy as a test wants it."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

PATH = "/servicos/T000/chave-secreta"


class Receiver:
    """``mode``: "ok", "500", "hang" (never answers), "closed" (hangs up), "redirect"."""

    def __init__(self) -> None:
        self.mode = "ok"
        self.taken: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self._ended = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if outer.mode == "hang":
                    outer._ended.wait(60)
                if outer.mode in ("hang", "closed"):
                    self.close_connection = True
                    return
                outer.keys.append(self.headers["Idempotency-Key"])
                outer.taken.append(json.loads(body))
                self.send_response({"ok": 204, "500": 500, "redirect": 302}[outer.mode])
                if outer.mode == "redirect":
                    self.send_header("Location", outer.url)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Nobody reads it."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True

    @property
    def url(self) -> str:
        """The secret address."""
        return f"http://127.0.0.1:{self._server.server_port}{PATH}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._server.shutdown()
        self._server.server_close()
