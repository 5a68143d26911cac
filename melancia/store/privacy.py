"""A user's rows: to be given to them, and to be erased with all that names them; rows that are too old."""

import textwrap
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from melancia.records import FinishReason, JobState, utc_now
from melancia.store.database import translated
from melancia.store.erasures import Erasure, ErasureStore
from melancia.store.exports import ABANDONED
from melancia.store.tables import (
    actions,
    duels,
    erasures,
    exports,
    feedback,
    feedback_events,
    interactions,
    jobs,
    policies,
    reports,
    scores,
)

ERASED = "apagado"
_BATCH = 500  # identifiers of one statement
_SHORT = 48  # characters to which logs of benchmarks have cut questions
_ENDED = [state.value for state in JobState if state.final]
_PATIENCE = 1000  # milliseconds of a try to empty SQLite's journal


class PrivacyStore:
    """Thread-safe; each method is one transaction; failures are StoreError."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self.erasures = ErasureStore(engine)

    def counts(self, user_id: str) -> dict[str, int]:
        """Table → rows that are the user's; only tables that have some."""
        with translated(), self._engine.connect() as connection:
            found = {
                name: connection.execute(query.with_only_columns(sa.func.count()).order_by(None)).scalar_one()
                for name, query in _own(user_id).items()
            }
        return {name: count for name, count in found.items() if count}

    def export(self, user_id: str) -> dict[str, list[dict[str, Any]]]:
        """Table → the user's rows, oldest first, as plain JSON values; empty tables too."""
        with translated(), self._engine.connect() as connection:
            return {
                name: [_plain(row) for row in connection.execute(query).mappings()]
                for name, query in _own(user_id).items()
            }

    def erase(self, user_id: str, user_hash: str, requested_by: str) -> Erasure:
        """Erase the user's rows, and what names them elsewhere in the database; what is left to do."""
        with translated(), self._engine.begin() as connection:
            own = interactions.c.user_id == user_id
            ids = list(connection.execute(sa.select(interactions.c.id).where(own)).scalars())
            made = self._remove(connection, ids, Erasure(user_hash, requested_by))
            removed = dict(made.removed)
            removed["duels"] = connection.execute(duels.delete().where(duels.c.user_id == user_id)).rowcount
            # What they did stays, and when: not who.
            removed["names"] = sum(
                connection.execute(
                    table.update().where(table.c[column] == user_id).values({column: ERASED})
                ).rowcount
                for table, column in (
                    (jobs, "requested_by"),
                    (policies, "author"),
                    (erasures, "requested_by"),
                )
            )
            made = replace(made, removed={name: count for name, count in removed.items() if count})
            made = replace(made, waiting={**made.waiting, "store": ""} if made.removed else made.waiting)
            self.erasures.keep(connection, made)
        return made

    def expire(self, before: datetime, limit: int, requested_by: str) -> Erasure | None:
        """Erase the oldest ``limit`` interactions from before an instant; None when there are none.

        With them go the duels of that time; the drift reports stay, without what names the interactions.
        """
        with translated(), self._engine.begin() as connection:
            oldest = (
                sa.select(interactions.c.id)
                .where(interactions.c.created_at < before)
                .order_by(interactions.c.created_at, interactions.c.id)
                .limit(limit)
            )
            ids = list(connection.execute(oldest).scalars())
            outdated = (
                sa.select(duels.c.id)
                .where(duels.c.created_at < before)
                .order_by(duels.c.created_at)
                .limit(limit)
            )
            duel_ids = list(connection.execute(outdated).scalars())
            if not ids and not duel_ids:
                return None
            made = self._remove(connection, ids, Erasure("", requested_by))
            removed = dict(made.removed)
            removed["duels"] = connection.execute(duels.delete().where(duels.c.id.in_(duel_ids))).rowcount
            made = replace(made, removed={name: count for name, count in removed.items() if count})
            self.erasures.keep(connection, made)
        return made

    def expire_reports(self, before: datetime) -> tuple[list[str], int]:
        """Erase the drift reports from before an instant, with their actions; their ids, and how many logs of
        jobs on them were emptied."""
        with translated(), self._engine.begin() as connection:
            old = reports.delete().where(reports.c.created_at < before).returning(reports.c.id)
            gone = list(connection.execute(old).scalars())
            return gone, _silence(connection, lambda job: _report_of(job) in gone)

    def forget_gone(self, report_id: str) -> None:
        """Take out of a new report what names interactions that were erased while it was made."""
        with translated(), self._engine.begin() as connection:
            query = sa.select(reports.c.findings, reports.c.gaps).where(reports.c.id == report_id)
            row = connection.execute(query).first()
            if row is None:
                return
            named = {id_ for finding in row.findings for id_ in finding["examples"]}
            quoted = [(gap.get("ids", ()), gap["examples"]) for gap in row.gaps]
            named |= {id_ for ids, _ in quoted for id_ in ids}
            for some in _batches(sorted(named)):
                there = sa.select(interactions.c.id).where(interactions.c.id.in_(some))
                named -= set(connection.execute(there).scalars())
            texts = {
                text
                for ids, examples in quoted
                for id_, text in zip(ids, examples, strict=False)
                if id_ in named
            }
            _scrub(connection, frozenset(named | texts))

    def remove_again(self, ids: Sequence[str]) -> int:
        """Erase interactions that an answer under way wrote once more; how many there were."""
        count = 0
        with translated(), self._engine.begin() as connection:
            for some in _batches(ids):
                count += connection.execute(interactions.delete().where(interactions.c.id.in_(some))).rowcount
        return count

    def _remove(self, connection: sa.Connection, ids: Sequence[str], made: Erasure) -> Erasure:
        """Delete interactions with what belongs to them; ``made`` with what became of it."""
        removed: dict[str, int] = {}
        traces: list[str] = []
        lost: list[str] = []
        running: list[str] = []
        texts: set[str] = set()
        experiments: dict[str, int] = {}
        running_until: datetime | None = None

        def count(name: str, rows: int) -> None:
            if rows:
                removed[name] = removed.get(name, 0) + rows

        for some in _batches(ids):
            wanted = interactions.c.id.in_(some)
            told = sa.select(exports.c.interaction_id, exports.c.trace_id, exports.c.attempts)
            for row in connection.execute(told.where(exports.c.interaction_id.in_(some))):
                if row.trace_id:
                    traces.append(row.trace_id)
                elif row.attempts:
                    lost.append(row.interaction_id)
            for table in (feedback, feedback_events, scores):
                mine = sa.select(sa.func.count()).select_from(table).where(table.c.interaction_id.in_(some))
                count(table.name, connection.execute(mine).scalar_one())
            columns = ("id", "question", "standalone", "experiment", "finish_reason", "updated_at")
            query = sa.select(*(interactions.c[name] for name in columns)).where(wanted)
            for row in connection.execute(query):
                texts |= _written(row.question) | _written(row.standalone)
                if row.experiment:
                    experiments[row.experiment] = experiments.get(row.experiment, 0) + 1
                if row.finish_reason == FinishReason.RUNNING.value and row.updated_at > utc_now() - ABANDONED:
                    running.append(row.id)
                    running_until = utc_now() + ABANDONED
            count("interactions", connection.execute(interactions.delete().where(wanted)).rowcount)
        touched = _scrub(connection, frozenset(ids) | frozenset(texts)) if ids else {}
        for name in ("reports", "actions"):
            count(name, len(touched.get(name, ())))
        if ids:
            count("job_logs", _quiet(connection, touched.get("reports", ()), frozenset(ids) | texts))
        waiting = {"cache": "", "files": ""} if ids else {}
        waiting |= {"mlflow": ""} if traces or lost or running else {}
        waiting |= {"store": ""} if ids else {}
        return replace(
            made,
            removed=removed,
            waiting=waiting,
            interactions=list(ids),
            traces=traces,
            lost=lost,
            reports=touched.get("reports", []),
            experiments=experiments,
            running=running,
            running_until=running_until,
        )

    def overwrite(self) -> bool:
        """Leave nothing of what was erased in SQLite's journal; False while somebody reads an older state.

        PostgreSQL's VACUUM does that by itself.
        """
        if self._engine.dialect.name != "sqlite":
            return True
        with translated(), self._engine.connect() as connection:
            patience = connection.exec_driver_sql("PRAGMA busy_timeout").scalar_one()
            # While it waits for readers, nobody can write; and it can be tried again.
            connection.exec_driver_sql(f"PRAGMA busy_timeout={_PATIENCE}")
            try:
                busy = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").scalar_one()
            finally:
                connection.exec_driver_sql(f"PRAGMA busy_timeout={patience}")
        return not busy


def _own(user_id: str) -> dict[str, sa.Select[Any]]:
    mine = sa.select(interactions.c.id).where(interactions.c.user_id == user_id)
    return {
        "interactions": sa.select(interactions)
        .where(interactions.c.user_id == user_id)
        .order_by(interactions.c.created_at),
        "feedback": sa.select(feedback).where(feedback.c.user_id == user_id).order_by(feedback.c.created_at),
        "feedback_events": sa.select(feedback_events)
        .where(feedback_events.c.user_id == user_id)
        .order_by(feedback_events.c.id),
        "duels": sa.select(duels).where(duels.c.user_id == user_id).order_by(duels.c.created_at),
        "scores": sa.select(scores)
        .where(scores.c.interaction_id.in_(mine))
        .order_by(scores.c.interaction_id),
        "exports": sa.select(exports).where(exports.c.interaction_id.in_(mine)),
        "jobs": sa.select(jobs).where(jobs.c.requested_by == user_id).order_by(jobs.c.created_at),
        "policies": sa.select(policies).where(policies.c.author == user_id).order_by(policies.c.created_at),
    }


def _written(text: str) -> set[str]:
    """The forms in which reports may quote it."""
    # Here: the launcher has a store, and neither masks nor stems.
    from melancia.masking import mask
    from melancia.text import normalise

    # The last one: in reports from before the questions were normalised first.
    return {form for form in (text, mask(text), mask(normalise(text)), normalise(mask(text))) if form}


def _scrub(connection: sa.Connection, gone: frozenset[str]) -> dict[str, list[str]]:
    """Take what names erased interactions out of reports and actions; table → ids of the changed rows."""
    changed: dict[str, list[str]] = {}
    for table, columns in ((reports, ("findings", "gaps")), (actions, ("detail",))):
        rows = connection.execute(sa.select(table.c.id, *(table.c[name] for name in columns)))
        for row in rows.mappings().all():
            values = {name: _without(row[name], gone) for name in columns}
            if "gaps" in values:
                # What a question that was alone leaves says nothing.
                values["gaps"] = [gap for gap in values["gaps"] if gap.get("label") or gap.get("examples")]
            if values != {name: row[name] for name in columns}:
                connection.execute(table.update().where(table.c.id == row["id"]).values(values))
                changed.setdefault(table.name, []).append(row["id"])
    return changed


def _quiet(connection: sa.Connection, touched: Collection[str], gone: Collection[str]) -> int:
    """Empty the logs of jobs on the reports that named erased interactions, and of resumed benchmarks, where
    they quote one of ``gone``; how many. Of the benchmarks of such a report, all: a log may begin within a
    question."""
    quotes = {form for text in gone for form in (text, textwrap.shorten(text, _SHORT, placeholder="…"))}

    def quoted(job: Mapping[Any, Any]) -> bool:
        mine = _report_of(job) in touched
        if job["name"] == "benchmark" and mine:
            return True
        if not mine and not job["parameters"].get("resume"):
            return False
        words = sa.select(jobs.c.log_tail, jobs.c.message, jobs.c.error).where(jobs.c.id == job["id"])
        said = "\n".join(connection.execute(words).one())
        return any(form in said for form in quotes)

    return _silence(connection, quoted)


def _silence(connection: sa.Connection, wanted: Callable[[Mapping[Any, Any]], bool]) -> int:
    """Empty the log and the last words of the ended jobs on reports that are ``wanted``; how many."""
    told = sa.or_(*(jobs.c[name] != "" for name in ("log_tail", "message")))
    known = sa.select(*(jobs.c[name] for name in ("id", "name", "parameters", "result"))).where(
        jobs.c.name.in_(("benchmark", "drift")), jobs.c.state.in_(_ENDED), told
    )
    found = [job["id"] for job in connection.execute(known).mappings().all() if wanted(job)]
    error = sa.case((jobs.c.error == "", ""), else_=ERASED)  # it may be the log's last line
    for some in _batches(found):
        emptied = jobs.update().where(jobs.c.id.in_(some))
        connection.execute(emptied.values(log_tail="", message="", error=error))
    return len(found)


def _report_of(job: Mapping[Any, Any]) -> str | None:
    """The report that a job asked the questions of, or made."""
    found = (job["parameters"] or {}).get("report") or (job["result"] or {}).get("report")
    return str(found) if found else None


def _without(value: Any, gone: frozenset[str]) -> Any:
    """``value`` without the items of its lists that are one of ``gone``, or name one as ``id``."""
    if isinstance(value, Mapping):
        return {name: _without(item, gone) for name, item in value.items()}
    if isinstance(value, list):
        return [_without(item, gone) for item in value if not _names(item, gone)]
    return value


def _names(item: Any, gone: frozenset[str]) -> bool:
    if isinstance(item, Mapping):
        return item.get("id") in gone or item.get("interaction_id") in gone
    return isinstance(item, str) and item in gone


def _plain(row: Mapping[Any, Any]) -> dict[str, Any]:
    return {
        name: value.isoformat() if isinstance(value, datetime) else value for name, value in dict(row).items()
    }


def _batches(ids: Sequence[str]) -> list[Sequence[str]]:
    return [ids[start : start + _BATCH] for start in range(0, len(ids), _BATCH)]
