"""A collector of OpenTelemetry traces: HTTP and protobuf as the real ones, kept in memory."""

import queue
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span


class Collector:
    """Runs while it is entered. ``status``: what it answers; ``hold``: set, it answers; clear, it waits."""

    def __init__(self) -> None:
        self.status = 200
        self.hold = threading.Event()
        self.hold.set()
        self.bodies: queue.Queue[bytes] = queue.Queue()
        self.paths: list[str] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                collector.paths.append(self.path)
                body = self.rfile.read(int(self.headers["content-length"]))
                collector.hold.wait(60)
                if collector.status == 200:
                    collector.bodies.put(body)
                self.send_response(collector.status)
                self.end_headers()
                self.wfile.write(ExportTraceServiceResponse().SerializeToString())

            def log_message(self, *_: Any) -> None:
                """Nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.hold.set()
        self._server.shutdown()
        self._server.server_close()

    def spans(self, wanted: int) -> tuple[list[Span], ResourceSpans, bytes]:
        """So many spans as soon as they are there, with the resource and all that was sent."""
        found: list[Span] = []
        raw = b""
        while len(found) < wanted:
            body = self.bodies.get(timeout=60)
            raw += body
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                last = resource
                found += [span for scope in resource.scope_spans for span in scope.spans]
        return found, last, raw


def attributes(span: Any) -> dict[str, Any]:
    """A span's, event's or resource's attributes as plain values."""
    return {item.key: getattr(item.value, item.value.WhichOneof("value")) for item in span.attributes}
