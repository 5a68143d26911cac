"""A benchmark's files: JSON with everything, CSV with a line an answer; each written whole or not at all."""

import csv
import io
import json
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Any

from melancia import __version__
from melancia.errors import InputError
from melancia.experiments.questions import Mode, Question
from melancia.experiments.results import Measured, Summary
from melancia.settings import Settings

COLUMNS = tuple(field.name for field in fields(Measured))
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class Report:
    """A benchmark that ended; ``complete`` unless it was stopped before the last answer."""

    mode: Mode
    started_at: datetime
    ended_at: datetime
    complete: bool
    index_version: str
    questions: Sequence[Question]
    summaries: Sequence[Summary]
    answers: Sequence[Measured]


def write(report: Report, settings: Settings) -> tuple[Path, Path]:
    """Write ``benchmark_<local time>.json`` and ``.csv`` into ``data_dir/experiments``; returns their paths.

    Raises InputError when the folder or the disk does not take them.
    """
    folder = settings.data_dir / "experiments"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        base = _free(folder, report.started_at)
        data, table = base.with_suffix(".json"), base.with_suffix(".csv")
        _whole(data, json.dumps(document(report, settings), ensure_ascii=False, indent=2) + "\n", "utf-8")
        # With a byte order mark, without which Excel takes UTF-8 for Windows-1252; pandas skips it.
        _whole(table, _csv(report.answers), "utf-8-sig")
    except OSError as error:
        raise InputError(
            f"Os resultados não puderam ser escritos em {folder}.",
            "Confira as permissões e o espaço em disco.",
        ) from error
    return data, table


def document(report: Report, settings: Settings) -> dict[str, Any]:
    """All of a report as plain JSON values; instants in ISO 8601, UTC."""
    return {
        "melancia": __version__,
        "mode": report.mode,
        "started_at": report.started_at.isoformat(),
        "ended_at": report.ended_at.isoformat(),
        "complete": report.complete,
        "settings_hash": settings.hash,
        "index_version": report.index_version,
        "questions": [{"id": question.id, "question": question.text} for question in report.questions],
        "models": [summary.as_dict() for summary in report.summaries],
        "answers": [answer.as_dict() for answer in report.answers],
    }


def _free(folder: Path, moment: datetime) -> Path:
    """A path without suffix that no earlier benchmark of the same second has taken."""
    stem = f"benchmark_{moment.astimezone():%Y%m%d_%H%M%S}"
    names = [stem, *(f"{stem}_{number}" for number in range(2, 100))]
    return next(folder / name for name in names if not (folder / f"{name}.json").exists())


def _csv(answers: Sequence[Measured]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for answer in answers:
        writer.writerow([_cell(value) for value in answer.as_dict().values()])
    return buffer.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, list):
        return ";".join(value)
    # A spreadsheet would run a text that begins like a formula.
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return value


def _whole(path: Path, text: str, encoding: str) -> None:
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding=encoding, newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o644)  # mkstemp's 0600 would hide it from the analyst of another account
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
