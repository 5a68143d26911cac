"""The lines of a batch's files: what is asked, what came back, and why an answer is missing.

One JSON object a line, as in https://developers.openai.com/api/docs/guides/batch. Foreign error texts are
searched for what happened and never shown.
"""

import json
import logging
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import BaseMessage, convert_to_openai_messages

from melancia.errors import InputError
from melancia.llms.errors import translate_error
from melancia.records import FinishReason, Usage, Variant
from melancia.settings import Settings

ENDPOINT = "/v1/chat/completions"
# Of one batch: https://developers.openai.com/api/docs/guides/batch
MAX_REQUESTS = 50_000
MAX_BYTES = 200_000_000
EXPIRED = "O lote expirou antes desta pergunta."
CANCELLED = "O lote foi cancelado antes desta pergunta."
_MISSING = "O lote terminou sem uma linha para esta pergunta."
_SMALLER = "Rode com menos perguntas ou repetições."
_REFUSALS = {
    "token_limit_exceeded": "com ele, a conta passa do limite de tokens que podem esperar em lotes",
    "model_not_found": "o modelo não existe, ou não atende em lote",
    "billing_hard_limit_reached": "a cota da conta acabou",
    "insufficient_quota": "a cota da conta acabou",
    "duplicate_custom_id": "há perguntas com o mesmo identificador",
}

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class BatchRequest:
    """One question: ``messages`` as OpenAI's chat takes them; ``custom_id`` unique in its batch."""

    custom_id: str
    messages: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class BatchAnswer:
    """What came back for a request. ``error`` says in Portuguese why there is no answer, "" when there is;
    ``usage`` may be known even then, and was paid.
    """

    custom_id: str
    text: str = ""
    usage: Usage = field(default_factory=Usage)
    finish_reason: FinishReason = FinishReason.ERROR
    error: str = ""


class _RefusedLineError(Exception):
    """An error inside a file, with the attributes by which ``translate_error`` knows an HTTP error."""

    def __init__(self, status: Any, error: Mapping[str, Any]) -> None:
        super().__init__(str(error.get("message", "")))
        self.status_code = status
        self.body = error
        self.code = error.get("code")
        self.param = error.get("param")


def openai_messages(messages: Sequence[BaseMessage]) -> list[dict[str, Any]]:
    """``messages`` as OpenAI's chat takes them: ``role`` and ``content``, nothing that only we read."""
    return convert_to_openai_messages(list(messages))


def write_lines(requests: Sequence[BatchRequest], parameters: Mapping[str, Any]) -> bytes:
    """The file of a batch; ``parameters`` are those of every request's body besides its messages.

    Raises InputError when there are no requests, too many for one batch, or two with the same id.
    """
    _check(requests)
    # Escaped, so that no character in a text can be taken for the end of a line, nor fail to be encoded.
    content = b"".join(
        json.dumps(
            {
                "custom_id": request.custom_id,
                "method": "POST",
                "url": ENDPOINT,
                "body": {**parameters, "messages": _as_sent(request.messages, str(parameters.get("model")))},
            }
        ).encode()
        + b"\n"
        for request in requests
    )
    if len(content) > MAX_BYTES:
        raise InputError(
            f"O lote tem {math.ceil(len(content) / 1e6)} MB, e o limite é {MAX_BYTES // 1_000_000} MB.",
            _SMALLER,
        )
    return content


def read_lines(content: bytes) -> Iterator[Mapping[str, Any]]:
    """The objects with a custom id of an output, error or input file; what is not one is logged and left."""
    # Bytes, because text would also be split at separators that JSON allows inside a string.
    for number, raw in enumerate(content.splitlines(), start=1):
        if not raw.strip():
            continue
        try:
            line = json.loads(raw)
        except ValueError:
            line = None
        if isinstance(line, dict) and isinstance(line.get("custom_id"), str):
            yield line
        else:
            logger.warning("line %d of a batch's file cannot be understood", number)


def answer_of(line: Mapping[str, Any], variant: Variant, settings: Settings) -> BatchAnswer:
    """The answer in a line of an output or error file."""
    custom_id = str(line["custom_id"])
    response, error = _object(line.get("response")), _object(line.get("error"))
    body, status = _object(response.get("body")), response.get("status_code")
    if error or not 200 <= _count(status, 0) < 300:
        reason = {"batch_expired": EXPIRED, "batch_cancelled": CANCELLED}.get(str(error.get("code")))
        if reason is None:
            refused = _RefusedLineError(status, error or _object(body.get("error")))
            reason = str(translate_error(variant.provider, variant.model, refused, settings))
        return BatchAnswer(custom_id, error=reason)
    counted = _object(body.get("usage"))
    usage = Usage(_count(counted.get("prompt_tokens")), _count(counted.get("completion_tokens")))
    choices = body.get("choices")
    choice = _object(choices[0]) if isinstance(choices, list) and choices else {}
    text = _object(choice.get("message")).get("content")
    if not isinstance(text, str) or not text:
        nothing = f"O modelo {variant.label} terminou sem dizer nada."
        return BatchAnswer(custom_id, usage=usage, error=nothing)
    cut = choice.get("finish_reason") == "length"
    return BatchAnswer(custom_id, text, usage, FinishReason.LENGTH if cut else FinishReason.STOP)


def why_missing(state: str, codes: Sequence[str | None]) -> str:
    """Why a request has no line in a batch that ended in ``state``; ``codes``: the whole batch's errors."""
    if state == "failed":
        code = next((code for code in codes if code), "")
        shown = f"erro {code}" if re.fullmatch(r"[a-z_]{1,60}", code) else "sem dizer por quê"
        return f"O lote foi recusado: {_REFUSALS.get(code, shown)}."
    return {"expired": EXPIRED, "cancelled": CANCELLED}.get(state, _MISSING)


def _as_sent(messages: list[dict[str, Any]], model: str) -> list[dict[str, Any]]:
    """The messages as LangChain would send them: reasoning models call the system the developer."""
    if not re.match(r"o\d", model):
        return messages
    return [{**one, "role": "developer"} if one["role"] == "system" else one for one in messages]


def _check(requests: Sequence[BatchRequest]) -> None:
    if not requests:
        raise InputError("O lote não tem perguntas.", "Escolha ao menos uma.")
    if len(requests) > MAX_REQUESTS:
        # A point between thousands, as in Portuguese.
        many, most = (f"{count:,}".replace(",", ".") for count in (len(requests), MAX_REQUESTS))
        raise InputError(f"O lote tem {many} perguntas, e o limite é {most}.", _SMALLER)
    if len({request.custom_id for request in requests}) < len(requests):
        raise InputError("O lote tem perguntas com o mesmo identificador.", "Dê um a cada uma.")


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _count(value: Any, default: Any = None) -> Any:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else default
