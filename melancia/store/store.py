"""Interactions, written when they happen, with their ratings; the way to the other tables."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Self

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from melancia.errors import InputError, InteractionNotFoundError, NotOwnerError
from melancia.records import Feedback, Interaction, OriginKind, Turn
from melancia.store.database import open_engine, translated
from melancia.store.drift_rows import DriftRows
from melancia.store.duels import CONVERSATION
from melancia.store.exports import ExportStore
from melancia.store.gauges import GaugeStore
from melancia.store.jobs import JobStore
from melancia.store.models import ModelStore
from melancia.store.outcomes import OutcomeStore
from melancia.store.policies import PolicyStore
from melancia.store.privacy import PrivacyStore
from melancia.store.recording import Recorder
from melancia.store.reports import ReportStore
from melancia.store.rows import export_row, feedback_from, interaction_from
from melancia.store.schedule import ScheduleStore
from melancia.store.tables import feedback, feedback_events, interactions
from melancia.store.topics import TopicStore
from melancia.store.votes import VoteStore

MAX_COMMENT_CHARS = 2000
_BATCH = 500
# What nobody was shown is in no conversation and cannot be rated.
_SHOWN = interactions.c.origin_kind != OriginKind.SHADOW.value


class Store:
    """The database. Thread-safe; each method is one transaction; failures are StoreError."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._recorder = Recorder(engine)
        self.jobs = JobStore(engine)
        self.models = ModelStore(engine)
        self.exports = ExportStore(engine)
        self.policies = PolicyStore(engine)
        self.outcomes = OutcomeStore(engine)
        self.votes = VoteStore(engine)
        self.privacy = PrivacyStore(engine)
        self.reports = ReportStore(engine)
        self.gauges = GaugeStore(engine)
        self.topics = TopicStore(engine)
        self.drift_rows = DriftRows(engine)
        self.schedule = ScheduleStore(engine)

    @classmethod
    def open(cls, url: str) -> Self:
        """Open (and create or migrate) the database at a SQLAlchemy address. Raises StoreError."""
        return cls(open_engine(url))

    def start(self, interaction: Interaction) -> None:
        """Record a question that is about to be answered; a second time changes nothing."""
        self._recorder.start(interaction)

    def checkpoint(self, interaction_id: str, partial_text: str) -> None:
        """Record what has been said so far, unless the answer has already ended."""
        self._recorder.checkpoint(interaction_id, partial_text)

    def finish(self, interaction: Interaction) -> None:
        """Record the outcome. Idempotent; also records the question if ``start`` never did."""
        self._recorder.finish(interaction)

    def get(self, interaction_id: str) -> Interaction:
        """One interaction. Raises InteractionNotFoundError."""
        with translated(), self._engine.connect() as connection:
            row = (
                connection.execute(sa.select(interactions).where(interactions.c.id == interaction_id))
                .mappings()
                .first()
            )
        if row is None:
            raise InteractionNotFoundError("Essa resposta não existe.", "Recarregue a página.")
        return interaction_from(row)

    def turns(
        self, conversation_id: str, user_id: str, limit: int, before: datetime | None = None
    ) -> list[Turn]:
        """The last ``limit`` exchanges that got some answer, oldest first; only this user's.

        A draft that was followed by a final answer is one exchange, with that answer. ``before``: those that
        were asked earlier than then.
        """
        return self._recorder.turns(conversation_id, user_id, limit, before)

    def conversation(self, conversation_id: str, user_id: str) -> list[tuple[Interaction, Feedback | None]]:
        """A user's conversation with their ratings, oldest first."""
        query = (
            sa.select(interactions, *(column.label(f"f_{column.name}") for column in feedback.c))
            .outerjoin(
                feedback,
                (feedback.c.interaction_id == interactions.c.id)
                & (feedback.c.user_id == interactions.c.user_id),
            )
            .where(_own(conversation_id, user_id))
            .order_by(interactions.c.created_at)
        )
        with translated(), self._engine.connect() as connection:
            rows = connection.execute(query).mappings().all()
        return [(interaction_from(row), _joined(row)) for row in rows]

    def disliked(self, interaction_id: str) -> bool:
        """Whether somebody's thumb is down on this answer, or on one that was served from it."""
        query = (
            sa.select(feedback.c.thumb)
            .join(interactions, interactions.c.id == feedback.c.interaction_id)
            .where(
                sa.or_(interactions.c.id == interaction_id, interactions.c.origin_id == interaction_id),
                feedback.c.thumb == -1,
            )
            .limit(1)
        )
        with translated(), self._engine.connect() as connection:
            return connection.execute(query).first() is not None

    def latest_conversation(self, user_id: str) -> str | None:
        """The conversation in which the user last asked, outside duels; None if they never did."""
        query = (
            sa.select(interactions.c.conversation_id)
            .where(
                _SHOWN,
                interactions.c.user_id == user_id,
                interactions.c.conversation_id.not_like(f"{CONVERSATION}%"),
            )
            .order_by(interactions.c.created_at.desc())
            .limit(1)
        )
        with translated(), self._engine.connect() as connection:
            return connection.execute(query).scalar()

    def rate(self, given: Feedback) -> Feedback:
        """Merge a rating with the present one (None changes nothing, thumb 0 and comment "" take back).

        Returns the present rating. History is kept; an identical repeat adds none. Raises InputError,
        InteractionNotFoundError, NotOwnerError.
        """
        _check(given)
        comment = given.comment.strip() if given.comment is not None else None
        key = {"interaction_id": given.interaction_id, "user_id": given.user_id}
        with translated(), self._engine.begin() as connection:
            # The update takes the write lock first: two ratings at once are merged one after the other.
            owner = connection.execute(
                interactions.update()
                .where(interactions.c.id == given.interaction_id, _SHOWN)
                .values(updated_at=interactions.c.updated_at)
                .returning(interactions.c.user_id)
            ).scalar()
            if owner is None:
                raise InteractionNotFoundError("Essa resposta não existe.", "Recarregue a página.")
            if owner != given.user_id:
                raise NotOwnerError("Só é possível avaliar as próprias respostas.", "Recarregue a página.")
            before = connection.execute(sa.select(feedback).filter_by(**key)).mappings().first()
            thumb = given.thumb if given.thumb is not None else (before["thumb"] if before else None)
            merged = (before["comment"] if before else None) if comment is None else (comment or None)
            if before and (before["thumb"], before["comment"]) == (thumb, merged):
                return feedback_from(before)
            now = given.created_at
            values = {"thumb": thumb, "comment": merged, "updated_at": now}
            connection.execute(
                self._insert(feedback)
                .values({**key, **values, "created_at": now})
                .on_conflict_do_update(index_elements=["interaction_id", "user_id"], set_=values)
            )
            connection.execute(
                feedback_events.insert().values(
                    **key, thumb=given.thumb, comment=comment, created_at=given.created_at
                )
            )
        return Feedback(given.interaction_id, given.user_id, thumb, merged, now)

    def feedback(self, interaction_id: str, user_id: str) -> Feedback | None:
        """The user's present rating of an interaction."""
        query = sa.select(feedback).filter_by(interaction_id=interaction_id, user_id=user_id)
        with translated(), self._engine.connect() as connection:
            row = connection.execute(query).mappings().first()
        return feedback_from(row) if row else None

    def feedback_history(self, interaction_id: str, user_id: str) -> list[Feedback]:
        """Every rating as it was given, oldest first."""
        query = sa.select(feedback_events).filter_by(interaction_id=interaction_id, user_id=user_id)
        with translated(), self._engine.connect() as connection:
            rows = connection.execute(query.order_by(feedback_events.c.id)).mappings().all()
        return [feedback_from(row, "created_at") for row in rows]

    def export_feedback(self) -> Iterator[dict[str, Any]]:
        """The present ratings with their interactions, oldest first, streamed; not those taken back."""
        query = (
            sa.select(
                interactions,
                feedback.c.thumb.label("f_thumb"),
                feedback.c.comment.label("f_comment"),
                feedback.c.updated_at.label("f_updated_at"),
            )
            .join(feedback, feedback.c.interaction_id == interactions.c.id)
            .where(sa.or_(feedback.c.thumb != 0, feedback.c.comment.is_not(None)))
            .order_by(interactions.c.created_at, interactions.c.id)
            .execution_options(yield_per=_BATCH)
        )
        with translated(), self._engine.connect() as connection:
            for row in connection.execute(query).mappings():
                yield export_row(row, row["f_thumb"], row["f_comment"], row["f_updated_at"])

    def document_usage(self, since: datetime) -> dict[str, tuple[int, int]]:
        """Document id → (answers shown that retrieved it, that cite it), counted since ``since``."""
        query = (
            sa.select(interactions.c.passages, interactions.c.citations)
            .where(interactions.c.created_at >= since, _SHOWN)
            .execution_options(yield_per=_BATCH)
        )
        retrieved: Counter[str] = Counter()
        cited: Counter[str] = Counter()
        with translated(), self._engine.connect() as connection:
            for passages, citations in connection.execute(query):
                retrieved.update({passage["document_id"] for passage in passages})
                cited.update({p["document_id"] for p in passages if p["rank"] in citations})
        return {name: (count, cited[name]) for name, count in retrieved.items()}

    def counts(self) -> dict[str, int]:
        """How many interactions (not those that nobody was shown), ratings, thumbs up and down."""
        with translated(), self._engine.connect() as connection:

            def count(*where: sa.ColumnElement[bool], table: sa.Table = feedback) -> int:
                query = sa.select(sa.func.count()).select_from(table).where(*where)
                return connection.execute(query).scalar() or 0

            return {
                "interactions": count(_SHOWN, table=interactions),
                "feedback": count(sa.or_(feedback.c.thumb != 0, feedback.c.comment.is_not(None))),
                "thumbs_up": count(feedback.c.thumb == 1),
                "thumbs_down": count(feedback.c.thumb == -1),
            }

    def ping(self) -> None:
        """Ask the database something. Raises StoreError when it does not answer."""
        with translated(), self._engine.connect() as connection:
            connection.execute(sa.select(interactions.c.id).limit(1))

    def close(self) -> None:
        """Release the connections."""
        self._engine.dispose()

    def _insert(self, table: sa.Table) -> Any:
        dialect = postgresql if self._engine.dialect.name == "postgresql" else sqlite
        return dialect.insert(table)


def _own(conversation_id: str, user_id: str) -> sa.ColumnElement[bool]:
    return (interactions.c.conversation_id == conversation_id) & (interactions.c.user_id == user_id)


def _joined(row: Any) -> Feedback | None:
    if row["f_interaction_id"] is None:
        return None
    return feedback_from({column.name: row[f"f_{column.name}"] for column in feedback.c})


def _check(given: Feedback) -> None:
    if given.thumb is None and given.comment is None:
        raise InputError("A avaliação está vazia.", "Escolha um polegar ou escreva um comentário.")
    if given.thumb not in (-1, 0, 1, None):
        raise InputError("A avaliação deve ser 1, -1 ou 0.", "Use os polegares da página.")
    if given.comment is not None and len(given.comment) > MAX_COMMENT_CHARS:
        raise InputError(
            f"O comentário passa de {MAX_COMMENT_CHARS} caracteres.", "Encurte-o e envie de novo."
        )
