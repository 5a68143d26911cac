"""What goes over the wire: bodies read and refused in Go's words, durations, time stamps, errors."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

T = TypeVar("T")

_GO_TYPES: dict[type, str] = {
    str: "string",
    bool: "bool",
    dict: "object",
    list: "array",
    int: "number",
    float: "number",
}
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


class ApiError(Exception):
    """An answer of `{"error": message}` with a status."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = dict(headers or {})


class Drop(Exception):
    """Close the connection without finishing the answer."""


def not_found(name: str) -> ApiError:
    """The words of most endpoints."""
    return ApiError(404, f"model '{name}' not found")


def error_response(error: ApiError) -> Response:
    """The native error body."""
    return JSONResponse({"error": error.message}, error.status, error.headers)


def openai_error_response(error: ApiError) -> Response:
    """The error body of `/v1`."""
    kind = {400: "invalid_request_error", 404: "not_found_error"}.get(error.status, "api_error")
    body = {"message": error.message, "type": kind, "param": None, "code": None}
    return JSONResponse({"error": body}, error.status, error.headers)


async def read_object(request: Request) -> dict[str, Any]:
    """The JSON object of the body, or 400 in the words of Go's decoder."""
    raw = await request.body()
    if not raw.strip():
        raise ApiError(400, "missing request body")
    try:
        body = json.loads(raw)
    except UnicodeDecodeError:
        raise ApiError(400, "invalid character 'ï' looking for beginning of value") from None
    except json.JSONDecodeError as error:
        if error.pos >= len(error.doc.rstrip()) or error.msg.startswith("Unterminated"):
            raise ApiError(400, "unexpected EOF") from None
        seen = error.doc[error.pos]
        raise ApiError(400, f"invalid character '{seen}' looking for beginning of value") from None
    if not isinstance(body, dict):
        raise ApiError(400, f"json: cannot unmarshal {_GO_TYPES.get(type(body), 'null')} into Go value")
    return body


def get(body: Mapping[str, Any], key: str, kind: type[T], default: T) -> T:
    """A field of the body, or its default when absent or null; 400 when it has another type."""
    value = body.get(key)
    if value is None:
        return default
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        found = _GO_TYPES.get(type(value), "null")
        raise ApiError(
            400, f"json: cannot unmarshal {found} into Go struct field .{key} of type {_GO_TYPES[kind]}"
        )
    return value


def option_int(options: Mapping[str, Any], key: str, default: int) -> int:
    """A whole number among the options; 500 as in Ollama when it is something else."""
    value = options.get(key)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ApiError(500, f'option "{key}" must be of type integer')
    return int(value)


def parse_keep_alive(value: object) -> float | None:
    """Seconds from a number or from Go's notation ("5m", "1h30m"); below 0 is for ever, None is not given."""
    if value is None:
        return None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    text = str(value)
    sign, rest = (-1.0, text[1:]) if text.startswith("-") else (1.0, text.removeprefix("+"))
    if rest == "0":
        return 0.0
    parts = re.findall(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)", rest)
    if not rest or "".join(number + unit for number, unit in parts) != rest:
        missing = re.fullmatch(r"[\d.]+", rest) is not None
        raise ApiError(400, f'time: {"missing unit in" if missing else "invalid"} duration "{text}"')
    return sign * sum(float(number) * _UNITS[unit] for number, unit in parts)


def timestamp(moment: datetime | None = None) -> str:
    """RFC 3339 in UTC, as Go writes it."""
    return (moment or datetime.now(UTC)).astimezone(UTC).isoformat().replace("+00:00", "Z")


def ndjson(value: Mapping[str, Any]) -> bytes:
    """One line of a stream."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def sse(value: Mapping[str, Any]) -> bytes:
    """One server-sent event."""
    return b"data: " + json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\n\n"
