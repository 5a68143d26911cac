"""The outbox to MLflow: what has ended or been rated and has not been told yet.

It is a query, not a second table to be written beside the first: an interaction waits when ``exports`` has no
trace of it, and a rating when it is newer than the one that was told. Nothing can be lost between the two.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from melancia.errors import InteractionNotFoundError
from melancia.records import Feedback, FinishReason, Interaction, utc_now
from melancia.store.database import translated
from melancia.store.rows import interaction_from
from melancia.store.tables import exports, feedback, interactions

ABANDONED = timedelta(minutes=15)  # an answer that has not ended by then never will: its process died
_RETRY = (timedelta(seconds=5), timedelta(hours=1))  # first wait after a failure, and the longest


@dataclass(frozen=True, slots=True)
class Pending:
    """Something to tell MLflow.

    ``trace_id`` is None when the interaction has no trace yet; ``attempts`` says how often one was asked for,
    so that a trace whose confirmation got lost is looked for before another is made. ``assessments`` maps
    "thumb" and "comment" to MLflow's assessment ids. ``rating`` is the present one, if there ever was one.
    """

    interaction: Interaction
    rating: Feedback | None
    trace_id: str | None
    assessments: Mapping[str, str]
    attempts: int


class ExportStore:
    """Thread-safe; each method is one transaction; failures are StoreError."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def pending(self, limit: int, now: datetime | None = None) -> Sequence[Pending]:
        """The oldest things to tell whose turn it is, at most ``limit``."""
        moment = now or utc_now()
        due = sa.or_(exports.c.retry_at.is_(None), exports.c.retry_at <= moment)
        query = (
            sa.select(
                interactions,
                exports.c.trace_id,
                exports.c.assessments,
                exports.c.attempts.label("e_attempts"),
                feedback.c.thumb.label("f_thumb"),
                feedback.c.comment.label("f_comment"),
                feedback.c.updated_at.label("f_updated_at"),
            )
            .select_from(_joined())
            .where(_waiting(moment), due)
            .order_by(interactions.c.created_at, interactions.c.id)
            .limit(limit)
        )
        with translated(), self._engine.connect() as connection:
            return [_pending(row) for row in connection.execute(query).mappings()]

    def backlog(self) -> int:
        """How many interactions have something to be told."""
        query = sa.select(sa.func.count()).select_from(_joined()).where(_waiting(utc_now()))
        with translated(), self._engine.connect() as connection:
            return connection.execute(query).scalar() or 0

    def last_error(self) -> str:
        """Why the oldest thing that failed has failed; "" when nothing has."""
        query = sa.select(exports.c.error).where(exports.c.error != "").order_by(exports.c.retry_at).limit(1)
        with translated(), self._engine.connect() as connection:
            return connection.execute(query).scalar() or ""

    def begun(self, interaction_id: str) -> None:
        """Remember, before MLflow is asked for a trace, that it will be.

        This and the next three raise InteractionNotFoundError when the interaction was erased meanwhile.
        """
        self._put(interaction_id, attempts=exports.c.attempts + 1)

    def traced(self, interaction_id: str, trace_id: str) -> None:
        """MLflow has the trace."""
        self._put(interaction_id, trace_id=trace_id, exported_at=utc_now(), retry_at=None, error="")

    def rated(self, interaction_id: str, rated_at: datetime, assessments: Mapping[str, str]) -> None:
        """MLflow has the rating of ``rated_at``."""
        values = {"feedback_at": rated_at, "assessments": dict(assessments), "retry_at": None, "error": ""}
        self._put(interaction_id, **values)

    def failed(self, interaction_id: str, error: str, attempts: int) -> None:
        """It did not work; it is tried again after a while that doubles each time."""
        first, longest = _RETRY
        wait = min(first * 2 ** min(attempts, 20), longest)
        self._put(interaction_id, error=error[:500], retry_at=utc_now() + wait)

    def trace_id(self, interaction_id: str) -> str | None:
        """The trace of an interaction, if MLflow has it."""
        query = sa.select(exports.c.trace_id).where(exports.c.interaction_id == interaction_id)
        with translated(), self._engine.connect() as connection:
            return connection.execute(query).scalar()

    def _put(self, interaction_id: str, **values: Any) -> None:
        fresh = {
            "interaction_id": interaction_id,
            "assessments": {},
            "attempts": 1 if "attempts" in values else 0,
            "error": "",
            **{name: value for name, value in values.items() if name != "attempts"},
        }
        dialect = postgresql if self._engine.dialect.name == "postgresql" else sqlite
        statement = dialect.insert(exports).values(fresh)
        kept = statement.on_conflict_do_update(index_elements=["interaction_id"], set_=values)
        with translated():
            try:
                with self._engine.begin() as connection:
                    connection.execute(kept)
            except sa.exc.IntegrityError as error:
                raise InteractionNotFoundError("Essa resposta foi apagada.") from error


def _joined() -> sa.FromClause:
    own = (feedback.c.interaction_id == interactions.c.id) & (feedback.c.user_id == interactions.c.user_id)
    return interactions.outerjoin(exports, exports.c.interaction_id == interactions.c.id).outerjoin(
        feedback, own
    )


def _waiting(now: datetime) -> sa.ColumnElement[bool]:
    ended = sa.or_(
        interactions.c.finish_reason != FinishReason.RUNNING.value,
        interactions.c.updated_at < now - ABANDONED,
    )
    untold = exports.c.trace_id.is_(None) & ended
    newer = sa.or_(exports.c.feedback_at.is_(None), exports.c.feedback_at < feedback.c.updated_at)
    rated = exports.c.trace_id.is_not(None) & feedback.c.updated_at.is_not(None) & newer
    return sa.or_(untold, rated)


def _pending(row: Mapping[Any, Any]) -> Pending:
    rated = row["f_updated_at"] is not None
    rating = Feedback(row["id"], row["user_id"], row["f_thumb"], row["f_comment"], row["f_updated_at"])
    return Pending(
        interaction=interaction_from(row),
        rating=rating if rated else None,
        trace_id=row["trace_id"],
        assessments=row["assessments"] or {},
        attempts=row["e_attempts"] or 0,
    )
