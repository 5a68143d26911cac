"""A benchmark on disk while it runs, a line an answer: what an interruption leaves, for another to resume."""

import fcntl
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Self, TextIO

from melancia.errors import InputError
from melancia.experiments.disk import REMEDY, writing
from melancia.experiments.plan import Options
from melancia.experiments.questions import Mode, Question
from melancia.experiments.results import Measured
from melancia.records import Variant

SUFFIX = ".partial.jsonl"


@dataclass(frozen=True, slots=True)
class Header:
    """What a benchmark is made of. ``index`` and ``settings`` (hashes) say whether answers may be added."""

    id: str
    mode: Mode
    started_at: datetime
    options: Options
    variants: Sequence[Variant]
    questions: Sequence[Question]
    index: str
    settings: str

    def as_dict(self) -> dict[str, Any]:
        """The fields as plain JSON values."""
        return {
            **asdict(self),
            "started_at": self.started_at.isoformat(),
            "variants": [variant.as_dict() for variant in self.variants],
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The inverse of ``as_dict``. Raises KeyError, TypeError, ValueError on something else."""
        return cls(
            id=values["id"],
            mode=values["mode"],
            started_at=datetime.fromisoformat(values["started_at"]),
            options=Options(**values["options"]),
            variants=[Variant.from_dict(item) for item in values["variants"]],
            questions=[Question.from_dict(item) for item in values["questions"]],
            index=values["index"],
            settings=values["settings"],
        )


class Journal:
    """The file of one benchmark. ``batches``: name → a batch that is at its server."""

    def __init__(self, path: Path, header: Header) -> None:
        self.path = path
        self.header = header
        self._answers: dict[tuple[str, str, int], Measured] = {}
        self.batches: dict[str, Mapping[str, Any]] = {}
        self._committed: float | None = None
        self._file: TextIO | None = None

    @classmethod
    def begin(cls, folder: Path, header: Header) -> Self:
        """A new journal in ``folder``. Raises InputError when it cannot be written."""
        journal = cls(folder / f"{header.id}{SUFFIX}", header)
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            journal._file = journal.path.open("x", encoding="utf-8")
        journal._hold()
        journal._write({"header": header.as_dict()})
        return journal

    @classmethod
    def resume(cls, path: Path) -> Self:
        """The journal at ``path``, to go on with. Raises InputError when it is not one or cannot be read.

        A last line that was cut in the middle is dropped: its answer is asked for again.
        """
        broken = InputError(f"{path.name} não pode ser retomado: está corrompido.", "Comece outro benchmark.")
        try:
            whole, _, _ = path.read_bytes().rpartition(b"\n")
            lines = [json.loads(line) for line in whole.splitlines() if line.strip()]
            journal = cls(path, Header.from_dict(lines[0]["header"]))
            for line in lines[1:]:
                journal._take(line)
        except OSError as error:
            raise InputError(f"{path} não pode ser lido.", REMEDY) from error
        except (ValueError, KeyError, TypeError, IndexError) as error:
            raise broken from error
        with writing(path.parent):
            journal._file = path.open("a", encoding="utf-8")
            journal._hold()
            os.truncate(path, len(whole) + 1)
        return journal

    @property
    def answers(self) -> list[Measured]:
        """One an answered question, the last that was kept, in the order of the first."""
        return list(self._answers.values())

    @property
    def reserved(self) -> float:
        """US$ that batches at their server may still cost."""
        return sum(float(batch["reserved"]) for batch in self.batches.values() if not batch.get("paid"))

    @property
    def spent(self) -> float:
        """US$ that were spent at most, open batches apart. A call that a kill −9 cut short counts in full."""
        if self._committed is None:
            return sum(answer.cost or 0.0 for answer in self.answers)
        return max(0.0, self._committed - self.reserved)

    def check(self) -> None:
        """Raises InputError when somebody deleted the file: a question in it was erased, and must not come
        back in what is written next.
        """
        if self._file is not None and not os.fstat(self._file.fileno()).st_nlink:
            raise InputError(
                f"{self.header.id} foi apagado enquanto rodava: uma pergunta dele foi apagada (a pedido de "
                "quem a fez, ou pelo prazo). Nada foi gravado.",
                "Comece outro benchmark.",
            )

    def keep(self, answer: Measured) -> None:
        """Add an answer, or the same one judged; safe from a kill −9. Raises InputError on a full disk."""
        self._write({"answer": answer.as_dict()})
        self._answers[key(answer)] = answer

    def keep_batch(self, name: str, batch: Mapping[str, Any]) -> None:
        """Remember a batch that is at its server. Raises InputError on a full disk."""
        self._write({"batch": {"name": name, **batch}})
        self.batches[name] = batch

    def keep_spent(self, spent: float, reserved: float) -> None:
        """Remember what was spent and what is set aside, in US$. Raises InputError on a full disk."""
        self._write({"spent": spent, "reserved": reserved})
        self._committed = spent + reserved

    def keep_budget(self, budget: float) -> None:
        """Go on with another ``budget``, in US$. Raises InputError on a full disk."""
        self.header = replace(self.header, options=replace(self.header.options, budget=budget))
        self._write({"header": self.header.as_dict()})

    def close(self, *, done: bool) -> None:
        """Close the file; remove it when there is nothing to resume."""
        if self._file is not None:
            self._file.close()
            self._file = None
        if done:
            self.path.unlink(missing_ok=True)

    def _hold(self) -> None:
        """Nobody else goes on with it while we do. The lock ends with the process at the latest."""
        if self._file is None:
            raise RuntimeError("the journal is closed")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._file.close()
            self._file = None
            raise InputError(
                f"{self.header.id} está em andamento em outro processo.", "Espere que termine, ou cancele-o."
            ) from error

    def _take(self, line: Mapping[str, Any]) -> None:
        if "answer" in line:
            answer = Measured.from_dict(line["answer"])
            self._answers[key(answer)] = answer
        elif "batch" in line:
            batch = dict(line["batch"])
            self.batches[batch.pop("name")] = batch
        elif "spent" in line:
            self._committed = line["spent"] + line["reserved"]
        elif "header" in line:
            self.header = Header.from_dict(line["header"])

    def _write(self, line: Mapping[str, Any]) -> None:
        if self._file is None:
            raise RuntimeError("the journal is closed")
        self.check()
        with writing(self.path.parent):
            self._file.write(json.dumps(line, ensure_ascii=False) + "\n")
            self._file.flush()


def key(answer: Measured) -> tuple[str, str, int]:
    """What an answer answers: variant hash, question id, repeat."""
    return answer.variant_hash, answer.question_id, answer.repeat


def resumable(folder: Path) -> list[Path]:
    """The journals in ``folder``, the newest first."""
    return sorted(folder.glob(f"benchmark_*{SUFFIX}"), reverse=True)


def find(folder: Path, name: str) -> Path:
    """The journal of benchmark ``name``, or the newest for "". Raises InputError when there is none."""
    known = resumable(folder)
    if not name and known:
        return known[0]
    for path in known:
        if path.name.removesuffix(SUFFIX) == name:
            return path
    have = ", ".join(path.name.removesuffix(SUFFIX) for path in known[:5])
    raise InputError(
        f"Não há benchmark {name} a retomar." if name else "Não há benchmark a retomar.",
        f"Há: {have}." if have else "Comece um com `melancia benchmark --mode quick`.",
    )
