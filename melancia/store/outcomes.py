"""What became of an experiment's questions, as a verdict reads it; scores; the ledger of verdicts."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from melancia.records import FinishReason, Interaction, Origin, OriginKind, Outcome, utc_now
from melancia.store.database import translated
from melancia.store.rows import interaction_from
from melancia.store.tables import feedback_events, interactions, scores, verdicts

_BATCH = 500
_WHOLE = (FinishReason.STOP.value, FinishReason.LENGTH.value)
# Still being written, or cut short by the user: not the model's doing.
_NOT_COUNTED = (FinishReason.RUNNING.value, FinishReason.CANCELLED.value)
# Stopped before a word was said: left out, the arm whose waits people give up would look the better for it.
_GIVEN_UP = sa.and_(
    interactions.c.finish_reason == FinishReason.CANCELLED.value,
    interactions.c.exposed_hash.is_(None),
    interactions.c.text == "",
)
# Given before, to somebody else perhaps: nothing that the arm did now.
_CACHED = tuple(kind.value for kind in OriginKind if kind.cached)


class OutcomeStore:
    """Thread-safe; each method is one transaction; failures are StoreError."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def of(
        self, experiment: str, as_of: datetime | None = None, *, given_up: bool = True
    ) -> Iterator[Outcome]:
        """The outcomes of an experiment, oldest first, streamed, as they were known at ``as_of`` (now).

        ``given_up``: a question that its user stopped before a word was said is one without an answer.

        The same instant gives the same outcomes later on: answers that ended, thumbs and scores that were
        given up to then. A thumb is the newest of its user; one taken back is none.
        """
        instant = as_of or utc_now()
        thumbs = _thumbs(instant)
        query = (
            sa.select(interactions, thumbs.c.thumb.label("f_thumb"))
            .outerjoin(
                thumbs,
                sa.and_(
                    thumbs.c.interaction_id == interactions.c.id,
                    thumbs.c.user_id == interactions.c.user_id,
                ),
            )
            .where(
                interactions.c.experiment == experiment,
                _counted(given_up=given_up),
                interactions.c.origin_kind.not_in(_CACHED),
                interactions.c.updated_at <= instant,
            )
            .order_by(interactions.c.created_at, interactions.c.id)
            .execution_options(yield_per=_BATCH)
        )
        with translated(), self._engine.connect() as connection:
            for rows in connection.execute(query).mappings().partitions(_BATCH):
                known = _scores(connection, [row["id"] for row in rows], instant)
                for row in rows:
                    yield _outcome(row, known.get(row["id"], {}))

    def change(self, experiment: str) -> tuple[Any, ...]:
        """Something that differs once there is another outcome, or another score of one."""
        query = sa.select(sa.func.count(), sa.func.max(interactions.c.updated_at)).where(
            interactions.c.experiment == experiment,
            _counted(given_up=True),
            interactions.c.origin_kind.not_in(_CACHED),
        )
        scored = sa.select(sa.func.count()).select_from(
            scores.join(interactions, interactions.c.id == scores.c.interaction_id)
        )
        with translated(), self._engine.connect() as connection:
            counted = scored.where(interactions.c.experiment == experiment)
            return (*connection.execute(query).one(), connection.execute(counted).scalar_one())

    def spent(self, experiment: str, arm: str, since: datetime) -> float:
        """What an arm's answers cost from ``since`` on, in US$; those of unknown cost count as nothing."""
        query = sa.select(sa.func.sum(interactions.c.cost)).where(
            interactions.c.experiment == experiment,
            interactions.c.arm == arm,
            interactions.c.created_at >= since,
            interactions.c.origin_kind.not_in(_CACHED),
        )
        with translated(), self._engine.connect() as connection:
            return float(connection.execute(query).scalar() or 0.0)

    def unscored(self, limit: int) -> list[Interaction]:
        """Answers of experiments that no metric has looked at yet, oldest first."""
        query = (
            sa.select(interactions)
            .outerjoin(scores, scores.c.interaction_id == interactions.c.id)
            .where(
                interactions.c.experiment.is_not(None),
                interactions.c.finish_reason.in_(_WHOLE),
                interactions.c.origin_kind.not_in(_CACHED),
                scores.c.interaction_id.is_(None),
            )
            .order_by(interactions.c.created_at, interactions.c.id)
            .limit(limit)
        )
        with translated(), self._engine.connect() as connection:
            return [interaction_from(row) for row in connection.execute(query).mappings()]

    def score(self, interaction_id: str, values: Mapping[str, float], failures: Mapping[str, str]) -> None:
        """Keep the scores of an answer, and why others could not be had. Those that are there stay."""
        now = utc_now()
        rows = [{"metric": name, "value": value, "failure": ""} for name, value in values.items()] + [
            {"metric": name, "value": None, "failure": reason} for name, reason in failures.items()
        ]
        if not rows:
            rows = [{"metric": "none", "value": None, "failure": "Nenhuma métrica se aplica."}]
        complete = [{**row, "interaction_id": interaction_id, "created_at": now} for row in rows]
        dialect = postgresql if self._engine.dialect.name == "postgresql" else sqlite
        with translated(), self._engine.begin() as connection:
            for row in complete:
                # A verdict may have counted what is there: it must find it again.
                connection.execute(dialect.insert(scores).values(row).on_conflict_do_nothing())

    def keep_verdict(
        self, experiment: str, policy_version: int, until: datetime, digest: str, content: Mapping[str, Any]
    ) -> int:
        """Add a line to the ledger; its number. The same verdict as the last one adds none."""
        last = sa.select(verdicts.c.id, verdicts.c.hash).where(verdicts.c.experiment == experiment)
        with translated(), self._engine.begin() as connection:
            found = connection.execute(last.order_by(verdicts.c.id.desc()).limit(1)).first()
            if found is not None and found.hash == digest:
                return int(found.id)
            row = {
                "experiment": experiment,
                "policy_version": policy_version,
                "until": until,
                "hash": digest,
                "content": dict(content),
                "created_at": utc_now(),
            }
            made = connection.execute(verdicts.insert().values(row).returning(verdicts.c.id))
            return int(made.scalar_one())

    def ledger(self, experiment: str, limit: int = 100) -> Sequence[Mapping[str, Any]]:
        """The verdicts on an experiment, the newest first: the table's columns."""
        query = sa.select(verdicts).where(verdicts.c.experiment == experiment)
        with translated(), self._engine.connect() as connection:
            rows = connection.execute(query.order_by(verdicts.c.id.desc()).limit(limit)).mappings()
            return [dict(row) for row in rows]


def _counted(*, given_up: bool) -> sa.ColumnElement[bool]:
    ended = interactions.c.finish_reason.not_in(_NOT_COUNTED)
    return sa.or_(ended, _GIVEN_UP) if given_up else ended


def _thumbs(instant: datetime) -> sa.Subquery:
    """The newest thumb of each user on each interaction, of those given up to ``instant``."""
    newest = (
        sa.select(sa.func.max(feedback_events.c.id).label("id"))
        .where(feedback_events.c.created_at <= instant, feedback_events.c.thumb.is_not(None))
        .group_by(feedback_events.c.interaction_id, feedback_events.c.user_id)
        .subquery()
    )
    return sa.select(feedback_events).join(newest, newest.c.id == feedback_events.c.id).subquery()


def _scores(connection: sa.Connection, ids: Sequence[str], instant: datetime) -> dict[str, dict[str, float]]:
    query = sa.select(scores).where(
        scores.c.interaction_id.in_(ids), scores.c.value.is_not(None), scores.c.created_at <= instant
    )
    found: dict[str, dict[str, float]] = {}
    for row in connection.execute(query):
        found.setdefault(row.interaction_id, {})[row.metric] = row.value
    return found


def _outcome(row: Mapping[Any, Any], known: Mapping[str, float]) -> Outcome:
    fell_back = row["exposed_hash"] is not None and row["exposed_hash"] != row["assigned_hash"]
    # A refusal for want of evidence asks no model: it is an answer of the arm all the same.
    cut_short = row["finish_reason"] == FinishReason.CANCELLED.value
    whole = row["finish_reason"] in _WHOLE and (row["exposed_hash"] is not None or row["refused"])
    return Outcome(
        interaction_id=row["id"],
        user_id=row["user_id"],
        arm=row["arm"] or "",
        created_at=row["created_at"],
        failed=fell_back or not whole,
        fell_back=fell_back,
        refused=row["refused"],
        thumb=row["f_thumb"] or None,
        asked=row["asked"],
        # How long the user waited, not how long the arm would have taken.
        latency=None if cut_short else row["total_time"],
        cost=row["cost"],
        scores=known,
        propensity=row["propensity"],
        origin=Origin(OriginKind(row["origin_kind"]), row["origin_id"]) if row["origin_kind"] else None,
    )
