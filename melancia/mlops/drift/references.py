"""What a window may be compared with besides an earlier one: the benchmark's questions, or a file.

Only what such a source holds is known; the rest is NaN or "". Figures of service and search are left to
windows of the store (``Window.kind`` tells).
"""

import csv
import io
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from langchain_core.embeddings import Embeddings

from melancia.errors import InputError
from melancia.masking import mask
from melancia.mlops.drift.frame import COLUMNS, Window, typed
from melancia.mlops.drift.languages import languages
from melancia.mlops.drift.sampling import embedded
from melancia.records import FinishReason, OriginKind, content_hash
from melancia.settings import PROJECT_DIR
from melancia.text import normalise

QUESTIONS = PROJECT_DIR / "data" / "questions" / "test.jsonl"
ACCEPTED = (
    "Aceitos: o CSV ou JSONL de `melancia feedback export`, o JSON ou CSV de um benchmark em "
    "data/experiments, ou um JSONL de perguntas."
)
NAN = float("nan")
_EMPTY: Mapping[str, Any] = {"str": "", "float64": NAN, "bool": False, "int64": -1}
_WHOLE = (FinishReason.STOP.value, FinishReason.LENGTH.value)
_CACHED = tuple(kind.value for kind in OriginKind if kind.cached)
_YES = ("true", "1", "1.0")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")

Item = Mapping[str, Any]


def read_benchmark(
    *, embeddings: Embeddings, sample: int = 2000, go_on: Callable[[], None] = lambda: None
) -> Window:
    """The questions of the benchmark's test split. Raises InputError, EmbeddingError."""
    return _window("benchmark", QUESTIONS, embeddings, sample, go_on)


def read_file(
    path: Path, *, embeddings: Embeddings, sample: int = 2000, go_on: Callable[[], None] = lambda: None
) -> Window:
    """Exported ratings, a saved benchmark, or questions. Raises InputError, EmbeddingError."""
    return _window("file", path, embeddings, sample, go_on)


def _window(kind: str, path: Path, embeddings: Embeddings, sample: int, go_on: Callable[[], None]) -> Window:
    items = _items(path)
    if not items:
        raise InputError(f"O arquivo {path.name} não tem perguntas.", ACCEPTED)
    moment = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    rows = [_row(item, number, moment) for number, item in enumerate(items, 1)]
    columns = {name: [row[name] for row in rows] for name in COLUMNS}
    columns["question_language"] = languages(columns["question"])
    columns["answer_language"] = languages([_text(item, "answer") for item in items])
    sampled, vectors = embedded(columns["question"], columns["id"], embeddings, sample, go_on)
    few = len(sampled) < len(rows)
    note = f"Assuntos e significado: {len(sampled)} de {len(rows)} perguntas, por sorteio."
    return Window(
        kind=kind,
        since=min(columns["created_at"]),
        until=max(columns["created_at"]),
        frame=typed(columns),
        sampled=sampled,
        vectors=vectors,
        total=len(rows),
        retrieved={},
        notes=(note,) if few else (),
    )


def _items(path: Path) -> list[Item]:
    """The records of a file of a known shape. Raises InputError."""
    try:
        text = path.read_text("utf-8-sig")
        match path.suffix.lower():
            case ".jsonl":
                found = [json.loads(line) for line in text.splitlines() if line.strip()]
            case ".json":
                whole = json.loads(text)
                found = whole["answers"] if isinstance(whole, dict) else whole
            case ".csv":
                found = [_uncelled(row) for row in csv.DictReader(io.StringIO(text, newline=""))]
            case _:
                raise InputError(f"O arquivo {path.name} não é CSV, JSON nem JSONL.", ACCEPTED)
    except OSError as error:
        raise InputError(f"O arquivo {path} não pôde ser lido.", "Confira o caminho.") from error
    except (ValueError, KeyError, csv.Error) as error:
        raise InputError(f"O arquivo {path.name} não tem uma forma conhecida.", ACCEPTED) from error
    if not isinstance(found, list) or not all(isinstance(item, dict) and _asks(item) for item in found):
        raise InputError(f"O arquivo {path.name} não tem uma forma conhecida.", ACCEPTED)
    # Measured under conditions that are not those asked for: it enters no figure of its benchmark either.
    return [item for item in found if not item.get("quarantine")]


def _uncelled(row: dict[str, Any]) -> dict[str, Any]:
    """A CSV's row without the marks that keep spreadsheets from running texts."""
    return {
        name: value[1:] if isinstance(value, str) and value[:1] == "'" and value[1:2] in _FORMULA else value
        for name, value in row.items()
    }


def _asks(item: Item) -> bool:
    return isinstance(item.get("question"), str) and bool(item["question"].strip())


def _row(item: Item, number: int, moment: datetime) -> dict[str, Any]:
    """A record as a row. The exports of ratings and of benchmarks call the same things by other names."""
    answer, reason = _text(item, "answer"), _text(item, "finish_reason")
    question = mask(normalise(_text(item, "question")))
    # Answers to one question of a benchmark are no more independent than those to one user.
    whose = _text(item, "user_id") or _text(item, "question_id")
    timed = _true(item, "comparable_latency") if "comparable_latency" in item else True
    known = {
        "id": _text(item, "interaction_id") or _text(item, "id") or f"linha-{number}",
        "created_at": _instant(_text(item, "created_at")) or moment,
        "user": content_hash(whose) if whose else "",
        "model": _model(item),
        "question": question,
        "question_length": len(question),
        "answer_length": len(answer) if answer and reason in _WHOLE else NAN,
        "groundedness": _score(item),
        "refused": _true(item, "refused"),
        "latency": _number(item, "latency_seconds") if timed else NAN,
        "time_to_first_token": _first(item, "time_to_first_token", "time_to_first_token_seconds"),
        "tokens": _tokens(item),
        "cost": _number(item, "cost"),
        "failed": reason in (FinishReason.ERROR.value, FinishReason.TIMEOUT.value),
        "fell_back": _true(item, "fell_back"),
        "cached": _text(item, "origin") in _CACHED,
        "rated": "thumb" in item,
        "thumb": _number(item, "thumb") or NAN,
    }
    if known["cached"]:
        known |= dict.fromkeys(("latency", "time_to_first_token", "tokens", "cost"), NAN)
    return {**blank(), **known}


def blank() -> dict[str, Any]:
    """A row of which nothing is known; its instant is None."""
    return {name: _EMPTY.get(dtype) for name, dtype in COLUMNS.items()}


def _model(item: Item) -> str:
    name = _text(item, "model") or _text(item, "model_name")
    return f"{_text(item, 'provider')}:{name}" if name else ""


def _tokens(item: Item) -> float:
    """Both kinds together, as the store's windows count them."""
    return _number(item, "prompt_tokens") + _number(item, "completion_tokens")


def _score(item: Item) -> float:
    scores = item.get("scores")
    if isinstance(scores, dict):
        return _number(scores, "groundedness")
    return _number(item, "groundedness_score")


def _first(item: Item, *names: str) -> float:
    return next((value for name in names if (value := _number(item, name)) == value), NAN)


def _text(item: Item, name: str) -> str:
    value = item.get(name)
    return "" if value is None else str(value)


def _true(item: Item, name: str) -> bool:
    return _text(item, name).lower() in _YES


def _number(item: Item, name: str) -> float:
    """NaN for what is missing. Raises InputError for what is no number."""
    value = item.get(name)
    if value is None or value == "":
        return NAN
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise InputError(f"“{name}” não é um número em uma das linhas.", ACCEPTED) from error


def _instant(text: str) -> datetime | None:
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise InputError(f"“{text}” não é uma data.", ACCEPTED) from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)
