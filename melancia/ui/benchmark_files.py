"""Saved benchmarks as the page needs them: their list, one as a report, and what was interrupted."""

import json
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path

from melancia.errors import InputError
from melancia.experiments import files, words
from melancia.experiments.journal import SUFFIX, Header, resumable
from melancia.experiments.results import Report
from melancia.ui.job_view import MODES, moment

_LISTED = 50
_KEPT = 4  # reports in memory: a large one has some megabytes

Stamp = tuple[int, int, int]
"""When the document was written (nanoseconds), its size, when its pictures were: another one is new."""


@dataclass(frozen=True, slots=True)
class Interrupted:
    """A benchmark that can be resumed: ``done`` of ``total`` answers are there."""

    id: str
    mode: str
    started_at: datetime
    done: int
    total: int
    index: str


def listed(folder: Path) -> list[tuple[str, str]]:
    """(what to call it, id) of the latest benchmarks in ``folder``, the newest first."""
    names = files.saved(folder)[:_LISTED]
    return [(_title(folder, name), name) for name in names]


def stamp(folder: Path, name: str) -> Stamp | None:
    """Of the document of benchmark ``name``; None when there is none."""
    try:
        found = (folder / f"{name}.json").stat()
    except (OSError, ValueError):
        return None
    pictures = folder / name
    return found.st_mtime_ns, found.st_size, pictures.stat().st_mtime_ns if pictures.is_dir() else 0


def load(folder: Path, name: str) -> Report:
    """Benchmark ``name`` as the report it was written from, without its passages.

    Raises InputError when there is none, or it cannot be read.
    """
    return _load(folder, name, stamp(folder, name))


def interrupted(folder: Path) -> Interrupted | None:
    """The newest benchmark in ``folder`` that did not end; None when there is none that can be read."""
    for path in resumable(folder):
        try:
            # Not Journal.resume, which opens the file to write.
            lines = [json.loads(line) for line in path.read_bytes().splitlines() if line.endswith(b"}")]
            header = Header.from_dict(lines[0]["header"])
            answers = [line["answer"] for line in lines if "answer" in line]
            done = {(one["variant_hash"], one["question_id"], one["repeat"]) for one in answers}
        except (OSError, ValueError, KeyError, TypeError, IndexError):
            continue
        total = len(header.variants) * len(header.questions) * header.options.repeats
        name = path.name.removesuffix(SUFFIX)
        return Interrupted(name, header.mode, header.started_at, len(done), total, header.index)
    return None


def _title(folder: Path, name: str) -> str:
    return _titled(folder, name, stamp(folder, name))


@lru_cache(maxsize=4 * _LISTED)
def _titled(folder: Path, name: str, _written: Stamp | None) -> str:
    """The document's line in the list; its id when the document cannot be read."""
    try:
        found = files.read(folder, name)
        models, questions = len(found["models"]), len(found["questions"])
        parts = [
            moment(datetime.fromisoformat(found["started_at"])),
            MODES.get(found["mode"], str(found["mode"])),
            f"{words.plural(models, 'modelo', 'modelos')}, "
            f"{words.plural(questions, 'pergunta', 'perguntas')}",
            *([] if found["complete"] else ["interrompido"]),
        ]
    except (InputError, KeyError, TypeError, ValueError):
        return f"{name} (ilegível)"
    return " · ".join(parts)


@lru_cache(maxsize=_KEPT)
def _load(folder: Path, name: str, _written: Stamp | None) -> Report:
    return files.load(folder, name)
