"""Ratings and votes as CSV or JSON Lines; a file is written whole or not at all."""

import csv
import io
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from melancia.errors import InputError

Format = Literal["csv", "jsonl"]
COLUMNS = (
    "interaction_id created_at rated_at user_id conversation_id question answer thumb comment provider model "
    "assigned_provider assigned_model prompt_version fell_back refused finish_reason origin asked documents "
    "latency_seconds time_to_first_token prompt_tokens completion_tokens cost"
).split()
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def lines(rows: Iterable[Mapping[str, Any]], fmt: Format, columns: Sequence[str] = COLUMNS) -> Iterator[str]:
    """The export's text, a record at a time, line ends included. ``columns``: those of the CSV."""
    if fmt == "jsonl":
        for row in rows:
            yield json.dumps(row, ensure_ascii=False) + "\n"
        return
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow(columns)
    yield _taken(buffer)
    for row in rows:
        writer.writerow([_cell(row.get(name)) for name in columns])
        yield _taken(buffer)


def write(
    rows: Iterable[Mapping[str, Any]], path: Path, fmt: Format, columns: Sequence[str] = COLUMNS
) -> int:
    """Write the export to ``path``, atomically; returns the number of records. Raises InputError.

    CSV begins with a byte order mark, without which Excel takes UTF-8 for Windows-1252.
    """
    count = -1 if fmt == "csv" else 0
    encoding = "utf-8-sig" if fmt == "csv" else "utf-8"
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        raise _unwritable(path) from error
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding=encoding, newline="") as file:
            for line in lines(rows, fmt, columns):
                file.write(line)
                count += 1
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise _unwritable(path) from error
    finally:
        temporary.unlink(missing_ok=True)
    return count


def _cell(value: Any) -> Any:
    if isinstance(value, list):
        return ";".join(str(item) for item in value)
    if isinstance(value, Mapping):
        return json.dumps(value, ensure_ascii=False, sort_keys=True)
    # A spreadsheet would run a text that begins like a formula.
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return value


def _taken(buffer: io.StringIO) -> str:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text


def _unwritable(path: Path) -> InputError:
    return InputError(
        f"Não foi possível escrever {path}.", "Confira se a pasta existe, as permissões e o espaço em disco."
    )
