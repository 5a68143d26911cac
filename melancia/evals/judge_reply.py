"""What a judge replied: its one JSON object, found in whatever stands around it, and checked.

Nothing is repaired: a value out of range, a verdict that its score contradicts or two different judgements
in one reply are no judgement. The messages are Portuguese, for the model that tries again and for the report.
"""

import json
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import AfterValidator, Field, TypeAdapter, ValidationError, model_validator
from pydantic.dataclasses import dataclass

from melancia.text import normalise

RIGHT_FROM = 0.75
WRONG_UP_TO = 0.25
_MAX_REPLY = 20_000  # characters; more is no judgement, and would take long to search
_MAX_REASON = 600
_EXPECTED = {
    "reason": "um texto não vazio",
    "verdict": '"right", "partial" ou "wrong"',
    "score": "um número de 0 a 1",
    "preference": '"first", "second" ou "tie"',
}

T = TypeVar("T")


class UnusableReplyError(ValueError):
    """The reply holds no judgement; the message says why, in Portuguese."""


def _reason(text: str) -> str:
    said = normalise(text)
    if not said:
        raise ValueError("vazio")
    return said if len(said) <= _MAX_REASON else f"{said[: _MAX_REASON - 1]}…"


Reason = Annotated[str, AfterValidator(_reason)]
"""Why, in the judge's words: not empty, one line, at most 600 characters."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the judge thinks of one answer. ``score`` in [0, 1]: from ``RIGHT_FROM`` on "right", up to
    ``WRONG_UP_TO`` "wrong", between them "partial". Raises pydantic's ValidationError otherwise.
    """

    # Reason first: a model that writes it before its verdict has something to conclude from.
    reason: Reason
    verdict: Literal["right", "partial", "wrong"]
    score: Annotated[float, Field(ge=0, le=1, strict=True)]

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        if self.verdict != verdict_of(self.score):
            raise ValueError(f"o veredito “{self.verdict}” não combina com a nota {self.score:g}")
        return self


@dataclass(frozen=True, slots=True)
class Choice:
    """Which of two answers, in the order shown, the judge prefers."""

    reason: Reason
    preference: Literal["first", "second", "tie"]


def verdict_of(score: float) -> Literal["right", "partial", "wrong"]:
    """The verdict that goes with ``score``."""
    if score >= RIGHT_FROM:
        return "right"
    return "wrong" if score <= WRONG_UP_TO else "partial"


def schema(shape: type[Any]) -> dict[str, Any]:
    """JSON Schema of ``shape``, closed, as the providers' structured output wants it."""
    made = TypeAdapter(shape).json_schema()
    made.pop("description", None)  # our docstring is not for the model
    return {**made, "additionalProperties": False}


def read(text: str, shape: type[T]) -> T:
    """The one ``shape`` in ``text``; chatter, code fences and thoughts around it are skipped.

    Raises UnusableReplyError when there is none, or more than one and they differ: a judge that quotes the
    judgement which an answer asks for, and then gives its own, must not be read by luck.
    """
    said = _without_thoughts(text)
    if len(said) > _MAX_REPLY:
        raise UnusableReplyError("a resposta é longa demais")
    adapter = TypeAdapter(shape)
    found: list[T] = []
    problem = "não há um objeto JSON completo"
    for item in _objects(said):
        try:
            value = adapter.validate_python(item)
        except ValidationError as error:
            problem = _told(error)
        else:
            found += [value] if value not in found else []
    if len(found) > 1:
        raise UnusableReplyError("há mais de um julgamento")
    if not found:
        raise UnusableReplyError(problem)
    return found[0]


def _without_thoughts(text: str) -> str:
    """What comes after ``<think>…</think>``, whose opening mark some servers swallow."""
    return text.rpartition("</think>")[2].partition("<think>")[0]


def _objects(text: str) -> Iterator[dict[str, Any]]:
    """The JSON objects in ``text`` that are not inside another one."""
    decoder = json.JSONDecoder()
    place = text.find("{")
    while place >= 0:
        try:
            value, end = decoder.raw_decode(text, place)
        except (ValueError, RecursionError):
            end = place + 1
        else:
            yield value
        place = text.find("{", end)


def _told(error: ValidationError) -> str:
    """The first problem, without what was given: it may be anything."""
    first = error.errors(include_url=False, include_input=False)[0]
    if not first["loc"]:
        return str(first.get("ctx", {}).get("error", "o objeto não é um julgamento"))
    name = str(first["loc"][0])
    if first["type"] in ("missing", "missing_argument"):
        return f"falta o campo “{name}”"
    return f"o campo “{name}” deve ser {_EXPECTED.get(name, 'outro')}"
