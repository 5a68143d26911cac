"""A benchmark's files: JSON with everything, CSV with a line an answer; each written whole or not at all."""

import csv
import io
import json
import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from melancia.errors import InputError
from melancia.experiments.journal import SUFFIX
from melancia.experiments.results import COLUMNS, Measured, Report
from melancia.settings import Settings

SCHEMA = 1
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_NAME = re.compile(r"benchmark_\d{8}_\d{6}(_\d+)?")


@dataclass(frozen=True, slots=True)
class Files:
    """Where a benchmark was written: everything, its table, what was printed, its configuration, pictures."""

    data: Path
    table: Path
    text: Path
    configuration: Path
    pictures: tuple[Path, ...] = ()


def folder_of(settings: Settings) -> Path:
    """The folder of all benchmarks."""
    return settings.data_dir / "experiments"


def new_id(folder: Path, moment: datetime) -> str:
    """``benchmark_<local time>``, or with a number when one of the same second is in ``folder``."""
    stem = f"benchmark_{moment.astimezone():%Y%m%d_%H%M%S}"
    names = [stem, *(f"{stem}_{number}" for number in range(2, 100))]
    taken = {path.name for path in folder.glob(f"{stem}*")}
    return next(name for name in names if taken.isdisjoint({f"{name}.json", f"{name}{SUFFIX}"}))


def write(report: Report, printed: str, folder: Path, *, pictures: bool = True) -> Files:
    """Write ``<id>.json``, ``.csv``, ``.log``, ``.config.json`` and ``<id>/*.png`` into ``folder``.

    A benchmark that was resumed replaces its own. Raises InputError when the folder or the disk does not take
    them.
    """
    base = folder / report.id
    whole = document(report)
    configuration = {
        name: whole[name] for name in ("id", "mode", "options", "environment", "prices", "index_version")
    } | {"variants": [summary.variant.as_dict() for summary in report.summaries]}
    data, table = base.with_suffix(".json"), base.with_suffix(".csv")
    text, config = base.with_suffix(".log"), base.with_suffix(".config.json")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _whole(text, printed + "\n", "utf-8")
        _whole(config, _json(configuration), "utf-8")
        # With a byte order mark, without which Excel takes UTF-8 for Windows-1252; pandas skips it.
        _whole(table, _csv(report.answers), "utf-8-sig")
        drawn = _draw(report, base) if pictures else ()
        # The last one: whoever lists benchmarks looks for it.
        _whole(data, _json(whole), "utf-8")
    except OSError as error:
        raise InputError(
            f"Os resultados não puderam ser escritos em {folder}.",
            "Confira as permissões e o espaço em disco.",
        ) from error
    return Files(data, table, text, config, drawn)


def document(report: Report) -> dict[str, Any]:
    """All of a report as plain JSON values, as docs/benchmark.schema.json says; instants in ISO 8601, UTC."""
    return {
        "schema": SCHEMA,
        "id": report.id,
        "mode": report.mode,
        "started_at": report.started_at.isoformat(),
        "ended_at": report.ended_at.isoformat(),
        "complete": report.complete,
        "stopped": report.stopped,
        "options": asdict(report.options),
        "index_version": report.index_version,
        "environment": dict(report.environment),
        "prices": [dict(price) for price in report.prices],
        "questions": [
            {
                **asdict(question),
                "passages": [
                    {
                        "rank": passage.rank,
                        "document_id": passage.document_id,
                        "chunk_id": passage.chunk_id,
                        "score": passage.score,
                    }
                    for passage in report.passages.get(question.id, ())
                ],
            }
            for question in report.questions
        ],
        "models": [summary.as_dict() for summary in report.summaries],
        "comparisons": [asdict(comparison) for comparison in report.comparisons],
        "ranking": {name: [list(place) for place in places] for name, places in report.ranking.items()},
        "judge": asdict(report.judge) if report.judge else None,
        "answers": [answer.as_dict() for answer in report.answers],
    }


def saved(folder: Path) -> list[str]:
    """The ids of the benchmarks in ``folder``, the newest first."""
    names = [path.stem for path in folder.glob("benchmark_*.json")]
    return sorted((name for name in names if _NAME.fullmatch(name)), reverse=True)


def read(folder: Path, name: str) -> Mapping[str, Any]:
    """The document of benchmark ``name``. Raises InputError when there is none, or it cannot be read."""
    if not _NAME.fullmatch(name):
        raise InputError("Esse benchmark não existe.", "Escolha um da lista.")
    path = folder / f"{name}.json"
    try:
        found = json.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"O benchmark {name} não existe.", "Escolha um da lista.") from error
    except (OSError, ValueError) as error:
        raise InputError(f"O arquivo {path.name} não pode ser lido.", "Rode o benchmark de novo.") from error
    if not isinstance(found, dict) or found.get("schema") != SCHEMA:
        raise InputError(f"O arquivo {path.name} é de outra versão.", "Rode o benchmark de novo.")
    return found


def _draw(report: Report, folder: Path) -> tuple[Path, ...]:
    from melancia.experiments.pictures import draw

    folder.mkdir(exist_ok=True)
    for old in folder.glob("*.png"):
        old.unlink()
    return tuple(draw(report, folder))


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2) + "\n"


def _csv(answers: Sequence[Measured]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for answer in answers:
        row = answer.row()
        writer.writerow([_cell(row[column]) for column in COLUMNS])
    return buffer.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, list):
        value = ";".join(str(item) for item in value)
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
