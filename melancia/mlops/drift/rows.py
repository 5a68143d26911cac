"""A stored interaction as a row of a frame. NaN is what was not measured, or has no meaning for it.

A cancelled answer, or one that is still being written, is a question without an answer: neither a failure nor
a success. A cached one was given before: what somebody reads is counted, but neither its time, its tokens and
cost, nor the search and the citations behind it.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from melancia.masking import mask
from melancia.mlops.drift.frame import COLUMNS
from melancia.mlops.drift.languages import languages
from melancia.records import FinishReason, OriginKind, content_hash
from melancia.text import normalise

NAN = float("nan")
_OPEN = (FinishReason.RUNNING.value, FinishReason.CANCELLED.value)
_WHOLE = (FinishReason.STOP.value, FinishReason.LENGTH.value)
_CACHED = tuple(kind.value for kind in OriginKind if kind.cached)

Row = Mapping[Any, Any]


class Rows:
    """The columns of a frame, growing. ``scorable``: whether groundedness has a meaning for each row.

    ``groundedness`` holds what is stored. ``retrieved``: document id → answers that retrieved it.
    """

    def __init__(self) -> None:
        self.columns: dict[str, list[Any]] = {name: [] for name in COLUMNS}
        self.scorable: list[bool] = []
        self.retrieved: Counter[str] = Counter()

    def add(self, batch: Sequence[Row]) -> None:
        """The next rows, as ``store.drift_rows`` gives them."""
        # In this order: a number that line breaks take apart is one only without them.
        questions = [mask(normalise(row["question"])) for row in batch]
        asked, answered = languages(questions), languages([_said(row) for row in batch])
        for row, question, *spoken in zip(batch, questions, asked, answered, strict=True):
            values = {**_question(row, question, spoken[0]), **_answer(row, spoken[1]), **_service(row)}
            for name, value in {**values, **_search(row), **_rating(row)}.items():
                self.columns[name].append(value)
            self.scorable.append(bool(_said(row)) and not row["refused"] and not _cached(row))
            if not _cached(row):
                self.retrieved.update({passage["document_id"] for passage in row["passages"]})


def _question(row: Row, question: str, language: str) -> dict[str, Any]:
    return {
        "id": row["id"],
        "created_at": row["created_at"],
        # Tells users apart; who they are is nobody's business here.
        "user": content_hash(row["user_id"]),
        "arm": row["arm"] or "",
        "question": question,
        "question_length": len(question),
        "question_language": language,
        "topic": -1,
    }


def _answer(row: Row, language: str) -> dict[str, Any]:
    text = _said(row)
    due = bool(text) and not row["refused"] and not _cached(row)
    return {
        "answer_length": len(text) if text else NAN,
        "answer_language": language,
        "groundedness": NAN if row["groundedness"] is None else row["groundedness"],
        "citation_valid": float(bool(row["citations"]) and not row["invented_citations"]) if due else NAN,
        "refused": row["refused"],
    }


def _search(row: Row) -> dict[str, Any]:
    """How the search went. A passage's score ranks it among those that were found for the same question: that
    of the best falls when words and meaning point to different passages, but says nothing of evidence.
    """
    passages = [] if _cached(row) else row["passages"]
    return {
        "top_score": max((passage["score"] for passage in passages), default=NAN),
        # Only a refusal that no model spoke comes from the search.
        "unanswered": row["refused"] and row["exposed_hash"] is None and not _cached(row),
        "out_of_scope": NAN,  # known of embedded questions only, see ``windows``
    }


def _service(row: Row) -> dict[str, Any]:
    exposed = row["exposed"]
    cached, ended = _cached(row), row["finish_reason"] not in _OPEN
    timed = not cached and bool(_said(row))
    tokens = (row["prompt_tokens"], row["completion_tokens"])
    return {
        "model": f"{exposed['provider']}:{exposed['model']}" if exposed else "",
        "latency": _known(row["total_time"]) if timed else NAN,
        "time_to_first_token": NAN if cached else _known(row["time_to_first_token"]),
        "tokens": NAN if cached or None in tokens else sum(tokens),
        "cost": NAN if cached else _known(row["cost"]),
        "failed": ended and (row["finish_reason"] not in _WHOLE or not row["text"].strip()),
        "fell_back": row["exposed_hash"] is not None and row["exposed_hash"] != row["assigned_hash"],
        "cached": cached,
    }


def _rating(row: Row) -> dict[str, Any]:
    return {"rated": bool(row["thumb"] or row["comment"]), "thumb": row["thumb"] or NAN}


def _said(row: Row) -> str:
    """What a model answered; "" for what is not over, failed, or was refused before any model was asked."""
    spoken = row["exposed_hash"] is not None or _cached(row)
    return row["text"].strip() if spoken and row["finish_reason"] in _WHOLE else ""


def _cached(row: Row) -> bool:
    return row["origin_kind"] in _CACHED


def _known(value: float | None) -> float:
    return NAN if value is None else value
