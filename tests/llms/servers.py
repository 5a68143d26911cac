"""Settings for tests, and a server that answers every request with what a test says."""

import json
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from melancia.settings import Settings

NOBODY = "http://127.0.0.1:9"  # the discard port: nothing listens there
SECRET = "sk-muito-secreta-123456"


def settings_of(**values: Any) -> Settings:
    """Settings from these values only; Ollama is off unless given."""
    return Settings(_env_file=None, **{"ollama_base_url": NOBODY, **values})


class Answering:
    """A server whose next answers are ``status``, ``headers`` and ``body``; it keeps the requests' bodies."""

    def __init__(self) -> None:
        self.requests: list[tuple[Mapping[str, str], Any]] = []
        self._reply: tuple[int, Mapping[str, str], bytes] = (500, {}, b"")
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _answer(self) -> None:
                raw = self.rfile.read(int(self.headers.get("content-length", 0)))
                outer.requests.append(
                    ({k.lower(): v for k, v in self.headers.items()}, json.loads(raw) if raw else None)
                )
                status, headers, body = outer._reply
                self.send_response(status)
                for name, value in {"content-type": "application/json", **headers}.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = _answer  # noqa: N815

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        """The base address, as OPENAI_BASE_URL takes it."""
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    def reply(self, status: int, body: Any, headers: Mapping[str, str] | None = None) -> None:
        """Say what is answered from now on; ``body`` is sent as JSON, text as it is."""
        content = body if isinstance(body, str) else json.dumps(body)
        self._reply = (status, headers or {}, content.encode())

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
