"""A benchmark's files: JSON with everything, CSV with a line an answer; each written whole or not at all."""

import csv
import fcntl
import io
import json
import os
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from melancia.errors import InputError
from melancia.experiments.disk import writing
from melancia.experiments.documents import SCHEMA, document, report_of
from melancia.experiments.journal import SUFFIX
from melancia.experiments.results import COLUMNS, Measured, Report
from melancia.settings import Settings

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_NAME = re.compile(r"benchmark_\d{8}_\d{6}(_\d+)?")


@dataclass(frozen=True, slots=True)
class Files:
    """Where a benchmark was written: everything, its table, what was printed, its configuration."""

    data: Path
    table: Path
    text: Path
    configuration: Path

    @classmethod
    def of(cls, folder: Path, name: str) -> Self:
        """Those of benchmark ``name`` of ``folder``, whether or not they are there."""
        base = folder / name
        return cls(*(base.with_suffix(suffix) for suffix in (".json", ".csv", ".log", ".config.json")))


def folder_of(settings: Settings) -> Path:
    """The folder of all benchmarks."""
    return settings.data_dir / "experiments"


def new_id(folder: Path, moment: datetime) -> str:
    """``benchmark_<local time>``, or with a number when one of the same second is in ``folder``."""
    stem = f"benchmark_{moment.astimezone():%Y%m%d_%H%M%S}"
    names = [stem, *(f"{stem}_{number}" for number in range(2, 100))]
    taken = {path.name for path in folder.glob(f"{stem}*")}
    return next(name for name in names if taken.isdisjoint({f"{name}.json", f"{name}{SUFFIX}"}))


def write(report: Report, printed: str, folder: Path) -> Files:
    """Write ``<id>.json``, ``.csv``, ``.log`` and ``.config.json`` into ``folder``.

    A benchmark that was resumed replaces its own. Raises InputError when the folder or the disk does not take
    them.
    """
    made = Files.of(folder, report.id)
    whole = document(report)
    configuration = {
        name: whole[name] for name in ("id", "mode", "options", "environment", "prices", "index_version")
    } | {"variants": [summary.variant.as_dict() for summary in report.summaries]}
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        _whole(made.text, printed + "\n", "utf-8")
        _whole(made.configuration, _json(configuration), "utf-8")
        # With a byte order mark, without which Excel takes UTF-8 for Windows-1252; pandas skips it.
        _whole(made.table, _csv(report.answers), "utf-8-sig")
        # The last one: whoever lists benchmarks looks for it.
        _whole(made.data, _json(whole), "utf-8")
    return made


@contextmanager
def telling(data: Path) -> Iterator[bool]:
    """Hold a benchmark's ``data`` while MLflow is told of it; False while another process does.

    The hold ends with the process at the latest. Raises OSError when the file is not there.
    """
    with data.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def draw(report: Report, folder: Path) -> tuple[Path, ...]:
    """Draw ``<id>/*.png`` into ``folder``, in place of earlier ones. Raises InputError on a full disk."""
    from melancia.experiments.pictures import draw as drawn

    own = folder / report.id
    with writing(folder):
        own.mkdir(parents=True, exist_ok=True)
        for old in own.glob("*.png"):
            old.unlink()
        return tuple(drawn(report, own))


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


def load(folder: Path, name: str) -> Report:
    """Benchmark ``name`` of ``folder`` as the report that it was written from, without its passages.

    Raises InputError when there is none, or it cannot be read.
    """
    found = read(folder, name)
    try:
        return report_of(found)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"O arquivo {name}.json é de outra versão.", "Rode o benchmark de novo.") from error


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
