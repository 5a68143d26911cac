"""What was due on the schedule, and what became of it: the table that makes each due time happen once."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from melancia.records import utc_now
from melancia.store.database import translated
from melancia.store.tables import schedule_runs


class RunState(StrEnum):
    """What became of a due time."""

    RUNNING = "running"  # somebody took it, and may have died since
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"  # nobody was there when it was due, and a later one stands for it
    SEEN = "seen"  # no due time at all: from here on this schedule counts


@dataclass(frozen=True, slots=True)
class ScheduledRun:
    """A due time of the schedule ``name``, whose expression was ``cron``. ``outcome`` in Portuguese."""

    name: str
    due_at: datetime
    cron: str
    state: RunState
    attempts: int
    started_at: datetime
    ended_at: datetime | None
    outcome: str

    @property
    def job_id(self) -> str:
        """The identifier of the job that this run queues: the same however often it is tried."""
        return uuid5(NAMESPACE_URL, f"melancia:{self.name}:{self.due_at.isoformat()}").hex


class ScheduleStore:
    """Thread-safe; each method is one transaction; failures are StoreError."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def newest(self, name: str) -> ScheduledRun | None:
        """The newest row of a schedule, of whatever state."""
        return self._first(schedule_runs.c.name == name)

    def last_begun(self, name: str) -> ScheduledRun | None:
        """The newest run that somebody began."""
        began = schedule_runs.c.state.in_(
            [state.value for state in (RunState.RUNNING, RunState.DONE, RunState.FAILED)]
        )
        return self._first(schedule_runs.c.name == name, began)

    def runs(self, name: str, limit: int = 100) -> Sequence[ScheduledRun]:
        """The newest rows of a schedule, newest first."""
        query = sa.select(schedule_runs).where(schedule_runs.c.name == name)
        with translated(), self._engine.connect() as connection:
            rows = connection.execute(query.order_by(schedule_runs.c.due_at.desc()).limit(limit)).mappings()
            return [_run(row) for row in rows]

    def claim(self, name: str, due_at: datetime, cron: str) -> ScheduledRun | None:
        """Take a due time to do it: the run for exactly one of those who try, None for the others."""
        run = ScheduledRun(name, due_at, cron, RunState.RUNNING, 1, utc_now(), None, "")
        return run if self._write([run]) else None

    def note(
        self, name: str, due_times: Sequence[datetime], cron: str, state: RunState, outcome: str
    ) -> None:
        """Write down due times that are not to be done; those that have a row keep it."""
        now = utc_now()
        self._write([ScheduledRun(name, due, cron, state, 0, now, now, outcome) for due in due_times])

    def retake(self, name: str, before: datetime) -> ScheduledRun | None:
        """Take over a run that was begun before that instant and never ended; None when there is none.

        Of those who try, exactly one gets it, and whoever began it can finish it no more.
        """
        table = schedule_runs
        dead = (
            (table.c.name == name) & (table.c.state == RunState.RUNNING.value) & (table.c.started_at < before)
        )
        with translated(), self._engine.begin() as connection:
            oldest = sa.select(table.c.due_at).where(dead).order_by(table.c.due_at).limit(1)
            row = (
                connection.execute(
                    table.update()
                    .where(dead, table.c.due_at == oldest.scalar_subquery())
                    .values(started_at=utc_now(), attempts=table.c.attempts + 1)
                    .returning(*table.c)
                )
                .mappings()
                .first()
            )
        return _run(row) if row else None

    def finish(self, run: ScheduledRun, state: RunState, outcome: str) -> bool:
        """Say how a run ended. False when somebody took it over meanwhile: theirs is the word."""
        table = schedule_runs
        mine = (
            (table.c.name == run.name)
            & (table.c.due_at == run.due_at)
            & (table.c.state == RunState.RUNNING.value)
            & (table.c.started_at == run.started_at)
        )
        values = {"state": state.value, "ended_at": utc_now(), "outcome": outcome}
        with translated(), self._engine.begin() as connection:
            return connection.execute(table.update().where(mine).values(values)).rowcount == 1

    def forget(self, before: datetime) -> int:
        """Remove ended rows that were due before that instant, but the newest of each; how many."""
        table = schedule_runs
        same = table.alias("same")
        newest = sa.select(sa.func.max(same.c.due_at)).where(same.c.name == table.c.name).scalar_subquery()
        old = (table.c.due_at < before) & table.c.ended_at.is_not(None) & (table.c.due_at < newest)
        with translated(), self._engine.begin() as connection:
            return connection.execute(table.delete().where(old)).rowcount

    def _first(self, *where: sa.ColumnElement[bool]) -> ScheduledRun | None:
        query = sa.select(schedule_runs).where(*where).order_by(schedule_runs.c.due_at.desc()).limit(1)
        with translated(), self._engine.connect() as connection:
            row = connection.execute(query).mappings().first()
        return _run(row) if row else None

    def _write(self, runs: Sequence[ScheduledRun]) -> int:
        """Those of the rows that are not there yet; how many."""
        dialect = postgresql if self._engine.dialect.name == "postgresql" else sqlite
        rows = [{**asdict(run), "state": run.state.value} for run in runs]
        if not rows:
            return 0
        statement = dialect.insert(schedule_runs).values(rows).on_conflict_do_nothing()
        with translated(), self._engine.begin() as connection:
            # Not the row count: of an insert PostgreSQL's driver is not asked for it.
            return len(connection.execute(statement.returning(schedule_runs.c.name)).all())


def _run(row: Mapping[Any, Any]) -> ScheduledRun:
    return ScheduledRun(**{**row, "state": RunState(row["state"])})
