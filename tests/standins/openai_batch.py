"""A stand-in for OpenAI's Batch API: its paths, fields, states and files; scripted answers.

In a test::

    with OpenAIBatchStandin() as server:
        server.faults.expire_after = 2       # two requests are answered, then the day is over
        ...                                  # point the code under test at `server.url`
        assert server.uploads[0][0]["body"]["model"] == "gpt-4o-mini"

A batch goes on by being looked at, not by the clock: each look (or every `looks_a_state`-th) takes it one
state further, from validating over in_progress and finalizing to completed. It also answers what comes
through it as a proxy, so that the address of OpenAI itself can be used.

Known differences: files never expire and are not listed; a word is a token; the body of a request is checked
for its model and messages only; every batch fails as a whole or not at all.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from starlette.applications import Starlette
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from tests.standins.serving import ThreadServer

DEFAULT_REPLY = "Retail Media é a venda de espaços publicitários nos canais de um varejista [1]."
ENDED = ("completed", "failed", "expired", "cancelled")
_CLOCK_ERROR = 0.02  # seconds by which a client's timer may be early

Script = Callable[[Sequence[Mapping[str, Any]]], str]
"""Makes the answer from a request's messages."""


@dataclass
class Faults:
    """What goes wrong. Those of HTTP hit the next requests, whichever they are.

    http_429: so many requests are refused with 429; retry_after: the seconds of their Retry-After.
    http_500: so many requests are refused with 500.
    fail: the whole batch fails with this error code.
    expire_after: so many requests are answered, then the batch expires.
    no_lines: the expired or cancelled have no line in the error file, as with other servers than OpenAI.
    error_lines: custom id → status and error code of its line.
    looks_a_state: looks that it takes to get from one state to the next.
    keep_input: the file of questions cannot be read back.
    html: everything is answered with a page of a proxy.
    """

    http_429: int = 0
    retry_after: float | None = None
    http_500: int = 0
    fail: str | None = None
    expire_after: int | None = None
    no_lines: bool = False
    error_lines: dict[str, tuple[int, str]] = field(default_factory=dict)
    looks_a_state: int = 1
    keep_input: bool = False
    html: bool = False


@dataclass
class _Batch:
    id: str
    input_file_id: str
    requests: list[dict[str, Any]]
    status: str = "validating"
    looks: int = 0
    answered: int = 0
    output_file_id: str | None = None
    error_file_id: str | None = None
    errors: list[dict[str, Any]] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        failed = 0 if self.status in ("validating", "failed") else len(self.requests) - self.answered
        return {
            "id": self.id,
            "object": "batch",
            "endpoint": "/v1/chat/completions",
            "errors": {"object": "list", "data": self.errors} if self.errors else None,
            "input_file_id": self.input_file_id,
            "completion_window": "24h",
            "status": self.status,
            "output_file_id": self.output_file_id,
            "error_file_id": self.error_file_id,
            "created_at": int(time.time()),
            "request_counts": {
                "total": 0 if self.status in ("validating", "failed") else len(self.requests),
                "completed": self.answered,
                "failed": failed if self.status in ENDED else 0,
            },
        }


class OpenAIBatchStandin:
    """A running stand-in on a free port of the loopback interface; a context manager."""

    def __init__(self) -> None:
        self._app = Starlette(
            routes=[
                Route("/v1/files", self._upload, methods=["POST"]),
                Route("/v1/files/{id}/content", self._content, methods=["GET"]),
                Route("/v1/batches", self._create, methods=["POST"]),
                Route("/v1/batches/{id}", self._look, methods=["GET"]),
                Route("/v1/batches/{id}/cancel", self._cancel, methods=["POST"]),
            ]
        )
        self._server = ThreadServer(self._serve, "batch-standin")
        self.reset()

    def reset(self) -> None:
        """No faults, no files, no batches, the default answer."""
        self.faults = Faults()
        self.script: Script = lambda _messages: DEFAULT_REPLY
        self.requests: list[tuple[str, str]] = []
        self.authorizations: set[str] = set()
        self.uploads: list[list[dict[str, Any]]] = []
        self.early = 0
        self._not_before = 0.0
        self._files: dict[str, bytes] = {}
        self._batches: dict[str, _Batch] = {}

    @property
    def origin(self) -> str:
        """The address without a path, as a proxy's."""
        return f"http://127.0.0.1:{self._server.port}"

    @property
    def url(self) -> str:
        """The base address, as OPENAI_BASE_URL takes it."""
        return f"{self.origin}/v1"

    def state_of(self, batch_id: str) -> str:
        """The state of a batch, without looking at it as a client does."""
        return self._batches[batch_id].status

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.stop()

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        if scope["path"].startswith("http://"):  # a proxy is sent whole addresses
            scope["path"] = "/" + scope["path"].split("/", 3)[3]
        self.requests.append((scope["method"], scope["path"]))
        self.authorizations.add(request.headers.get("authorization", ""))
        refusal = self._refusal()
        await (refusal or self._app)(scope, receive, send)

    def _refusal(self) -> Response | None:
        faults = self.faults
        if time.monotonic() < self._not_before - _CLOCK_ERROR:
            self.early += 1
        if faults.html:
            return Response("<html>Bem-vindo ao hotel</html>", media_type="text/html")
        if faults.http_429:
            faults.http_429 -= 1
            headers = {}
            if faults.retry_after is not None:
                self._not_before = time.monotonic() + faults.retry_after
                headers = {"retry-after": str(faults.retry_after)}
            return _error(429, "Rate limit reached", "rate_limit_exceeded", headers)
        if faults.http_500:
            faults.http_500 -= 1
            return _error(500, "The server had an error", "server_error")
        return None

    async def _upload(self, request: Request) -> Response:
        form = await request.form()
        file, purpose = form.get("file"), form.get("purpose")
        if not isinstance(file, UploadFile) or purpose != "batch":
            return _error(400, "a file with the purpose 'batch' is needed", "invalid_request_error")
        content = await file.read()
        name = self._keep(content)
        self.uploads.append([json.loads(line) for line in content.split(b"\n") if line])
        about = {"id": name, "object": "file", "bytes": len(content), "created_at": int(time.time())}
        return JSONResponse({**about, "filename": file.filename, "purpose": purpose, "status": "processed"})

    async def _content(self, request: Request) -> Response:
        name = request.path_params["id"]
        if self.faults.keep_input and any(batch.input_file_id == name for batch in self._batches.values()):
            return _error(400, "Not allowed to download files of purpose: batch", "invalid_request_error")
        if name not in self._files:
            return _error(404, f"No such File object: {name}", None)
        return Response(self._files[name], media_type="application/octet-stream")

    async def _create(self, request: Request) -> Response:
        asked = await request.json()
        content = self._files.get(asked.get("input_file_id"))
        if content is None:
            return _error(400, "No such file", "invalid_request_error")
        if asked.get("endpoint") != "/v1/chat/completions" or asked.get("completion_window") != "24h":
            return _error(400, "Invalid endpoint or completion_window", "invalid_value")
        lines = [json.loads(line) for line in content.split(b"\n") if line]
        batch = _Batch(f"batch_{len(self._batches) + 1}", asked["input_file_id"], lines)
        self._batches[batch.id] = batch
        return JSONResponse(batch.as_dict())

    async def _look(self, request: Request) -> Response:
        batch = self._batches.get(request.path_params["id"])
        if batch is None:
            return _error(404, f"No batch found with id '{request.path_params['id']}'.", None)
        batch.looks += 1
        if batch.looks % self.faults.looks_a_state == 0:
            self._advance(batch)
        return JSONResponse(batch.as_dict())

    async def _cancel(self, request: Request) -> Response:
        batch = self._batches.get(request.path_params["id"])
        if batch is None:
            return _error(404, "No batch found", None)
        if batch.status in ENDED:
            return _error(409, f"Cannot cancel a batch with status '{batch.status}'.", None)
        batch.status = "cancelling"
        return JSONResponse(batch.as_dict())

    def _advance(self, batch: _Batch) -> None:
        everything = len(batch.requests)
        if batch.status == "validating":
            code = self.faults.fail or _invalid(batch.requests)
            batch.errors = [{"code": code, "message": "no", "param": None, "line": 1}] if code else []
            batch.status = "failed" if code else "in_progress"
        elif batch.status == "in_progress":
            expired = self.faults.expire_after is not None
            batch.status = "expired" if expired else "finalizing"
            if expired:
                self._end(batch, self.faults.expire_after or 0, "batch_expired")
        elif batch.status == "finalizing":
            batch.status = "completed"
            self._end(batch, everything, "")
        elif batch.status == "cancelling":
            batch.status = "cancelled"
            self._end(batch, everything // 2, "batch_cancelled")

    def _end(self, batch: _Batch, answered: int, code: str) -> None:
        """Write the files. The output's order is not the input's."""
        output, errors = [], []
        for place, asked in enumerate(batch.requests):
            line: dict[str, Any] = {"id": f"batch_req_{place}", "custom_id": asked["custom_id"]}
            status, refused = self.faults.error_lines.get(asked["custom_id"], (200, ""))
            if place >= answered:
                if not self.faults.no_lines:
                    error = {"code": code, "message": "This request could not be executed."}
                    errors.append({**line, "response": None, "error": error})
            elif refused:
                body = {"error": {"message": "no", "type": "x", "param": "temperature", "code": refused}}
                response = {"status_code": status, "request_id": "r", "body": body}
                errors.append({**line, "response": response, "error": None})
            else:
                response = {"status_code": 200, "request_id": "r", "body": self._completion(asked["body"])}
                output.append({**line, "response": response, "error": None})
        batch.answered = len(output)
        batch.output_file_id = self._keep(_jsonl(reversed(output))) if output else None
        batch.error_file_id = self._keep(_jsonl(errors)) if errors else None

    def _completion(self, body: Mapping[str, Any]) -> dict[str, Any]:
        words = self.script(body["messages"]).split(" ")
        limit = body.get("max_completion_tokens", body.get("max_tokens", len(words)))
        prompt = sum(len(message["content"].split()) for message in body["messages"])
        said = words[:limit]
        return {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "model": body["model"],
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": " ".join(said)},
                    "finish_reason": "length" if len(words) > limit else "stop",
                }
            ],
            "usage": {
                "prompt_tokens": prompt,
                "completion_tokens": len(said),
                "total_tokens": prompt + len(said),
            },
        }

    def _keep(self, content: bytes) -> str:
        name = f"file-{len(self._files) + 1}"
        self._files[name] = content
        return name


def _invalid(requests: Sequence[Mapping[str, Any]]) -> str | None:
    """The code of the first thing wrong with a batch's file."""
    if not requests:
        return "empty_file"
    ids = [line.get("custom_id") for line in requests]
    if len(set(ids)) < len(ids):
        return "duplicate_custom_id"
    for line in requests:
        if line.get("method") != "POST" or line.get("url") != "/v1/chat/completions":
            return "invalid_url"
        if not line["body"].get("messages"):
            return "missing_required_parameter"
    return "mismatched_model" if len({line["body"].get("model") for line in requests}) > 1 else None


def _jsonl(lines: Any) -> bytes:
    # Not escaped, as OpenAI writes them.
    return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines).encode()


def _error(
    status: int, message: str, code: str | None, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    body = {"message": message, "type": "invalid_request_error", "param": None, "code": code}
    return JSONResponse({"error": body}, status, headers)
