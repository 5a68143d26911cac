"""What was erased, without saying whose: kept to finish it, and to know why numbers changed."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa

from melancia.records import new_id, utc_now
from melancia.store.database import translated
from melancia.store.tables import erasures

Part = Literal["store", "mlflow", "cache", "files"]
"""What is erased where: rows, traces and runs, cached answers, and files of the data folder."""


@dataclass(frozen=True, slots=True)
class Erasure:
    """An erasure. ``user_hash`` is "" when it was the retention that ran out.

    ``removed``: place → how much; ``waiting``: part → why it is not done. ``interactions``, ``traces``
    (MLflow's), ``lost`` (interactions whose trace may exist under an unknown id) and ``reports`` say what is
    still to be erased, and are forgotten once nothing waits. ``experiments``: name → rows that its verdicts
    counted. ``running``: interactions whose answers were under way, which may be written, and told MLflow,
    until ``running_until``.
    """

    user_hash: str
    requested_by: str
    removed: Mapping[str, int] = field(default_factory=dict)
    waiting: Mapping[str, str] = field(default_factory=dict)
    interactions: Sequence[str] = ()
    traces: Sequence[str] = ()
    lost: Sequence[str] = ()
    reports: Sequence[str] = ()
    experiments: Mapping[str, int] = field(default_factory=dict)
    running: Sequence[str] = ()
    running_until: datetime | None = None
    id: str = field(default_factory=new_id)
    created_at: datetime = field(default_factory=utc_now)

    @property
    def done(self) -> bool:
        """Whether nothing waits."""
        return not self.waiting


class ErasureStore:
    """Thread-safe; each method is one transaction; failures are StoreError."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def keep(self, connection: sa.Connection, erasure: Erasure) -> None:
        """Write it down in the transaction that erases."""
        connection.execute(erasures.insert().values(_row(erasure)))

    def get(self, erasure_id: str) -> Erasure | None:
        """One of them."""
        return next(iter(self._read(erasures.c.id == erasure_id)), None)

    def waiting(self) -> Sequence[Erasure]:
        """Those that something is left of to do, oldest first."""
        return self._read(erasures.c.state == "pending")

    def of(self, user_hash: str) -> Sequence[Erasure]:
        """Those of a user, oldest first."""
        return self._read(erasures.c.user_hash == user_hash)

    def rows_since(self, experiment: str, since: datetime) -> int:
        """How many rows of an experiment were erased from ``since`` on."""
        found = self._read(erasures.c.created_at >= since)
        return sum(int(erasure.experiments.get(experiment, 0)) for erasure in found)

    def settle(self, erasure_id: str, part: Part, removed: Mapping[str, int], problem: str = "") -> None:
        """Say how a part went: what was removed, and why it still waits ("": it is done)."""
        with translated(), self._engine.begin() as connection:
            # The update takes the write lock first: two parts that end at once are both kept.
            found = connection.execute(
                erasures.update()
                .where(erasures.c.id == erasure_id)
                .values(updated_at=utc_now())
                .returning(*erasures.c)
            )
            row = found.mappings().first()
            if row is None:
                return
            before = _erasure(row)
            left = {name: why for name, why in before.waiting.items() if name != part}
            if problem:
                left[part] = problem
            counted = dict(before.removed)
            for place, count in removed.items():
                counted[place] = counted.get(place, 0) + count
            after = replace(before, removed=counted, waiting=left)
            if after.done:  # nothing is left that names what was erased
                after = replace(
                    after,
                    interactions=(),
                    traces=(),
                    lost=(),
                    reports=(),
                    running=(),
                    running_until=None,
                )
            values = {"content": _content(after), "state": "done" if after.done else "pending"}
            connection.execute(erasures.update().where(erasures.c.id == erasure_id).values(values))

    def _read(self, *where: sa.ColumnElement[bool]) -> Sequence[Erasure]:
        query = sa.select(erasures).where(*where).order_by(erasures.c.created_at, erasures.c.id)
        with translated(), self._engine.connect() as connection:
            return [_erasure(row) for row in connection.execute(query).mappings()]


_OWN_COLUMNS = ("id", "user_hash", "requested_by", "created_at")


def _content(erasure: Erasure) -> dict[str, Any]:
    values = {name: value for name, value in asdict(erasure).items() if name not in _OWN_COLUMNS}
    until = erasure.running_until
    return {**values, "running_until": until.isoformat() if until else None}


def _row(erasure: Erasure) -> dict[str, Any]:
    return {
        **{name: getattr(erasure, name) for name in _OWN_COLUMNS},
        "state": "done" if erasure.done else "pending",
        "content": _content(erasure),
        "updated_at": utc_now(),
    }


def _erasure(row: Mapping[Any, Any]) -> Erasure:
    content = dict(row["content"])
    until = content.pop("running_until")
    return Erasure(
        **{name: row[name] for name in _OWN_COLUMNS},
        **content,
        running_until=datetime.fromisoformat(until) if until else None,
    )
