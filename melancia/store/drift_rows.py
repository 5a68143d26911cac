"""A stretch of time as a drift report reads it: a row an interaction, streamed."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from melancia.records import Interaction, OriginKind
from melancia.store.database import translated
from melancia.store.duels import CONVERSATION
from melancia.store.rows import interaction_from
from melancia.store.tables import feedback, interactions, scores

_BATCH = 500
_NEEDED = (
    "id created_at user_id arm assigned_hash exposed_hash exposed question passages text citations "
    "invented_citations refused prompt_tokens completion_tokens time_to_first_token total_time cost "
    "finish_reason origin_kind"
).split()


class DriftRows:
    """Thread-safe; each method is one transaction; failures are StoreError."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def count(self, since: datetime, until: datetime, arm: str | None = None) -> int:
        """Interactions of [``since``, ``until``): of an arm, or all."""
        query = sa.select(sa.func.count()).select_from(interactions).where(*_within(since, until, arm))
        with translated(), self._engine.connect() as connection:
            return connection.execute(query).scalar_one()

    def of(
        self, since: datetime, until: datetime, *, arm: str | None = None, limit: int | None = None
    ) -> Iterator[Sequence[sa.RowMapping]]:
        """Batches of rows, oldest first: what is measured of an interaction, ``thumb`` and ``comment`` of its
        own user (None: not rated) and its stored ``groundedness`` (None: not scored).

        Above ``limit``, those with the least ids: ids are drawn at random, so they are a random sample, and
        the same one every time.
        """
        within = _within(since, until, arm)
        columns = [interactions.c[name] for name in _NEEDED]
        query = (
            sa.select(*columns, feedback.c.thumb, feedback.c.comment, scores.c.value.label("groundedness"))
            .outerjoin(
                feedback,
                sa.and_(
                    feedback.c.interaction_id == interactions.c.id,
                    feedback.c.user_id == interactions.c.user_id,
                ),
            )
            .outerjoin(
                scores,
                sa.and_(scores.c.interaction_id == interactions.c.id, scores.c.metric == "groundedness"),
            )
            .where(*within)
            .order_by(interactions.c.created_at, interactions.c.id)
            .execution_options(yield_per=_BATCH)
        )
        if limit is not None:
            # The ids alone are sorted: rows are thousands of characters each.
            least = sa.select(interactions.c.id).where(*within).order_by(interactions.c.id).limit(limit)
            query = query.where(interactions.c.id.in_(least))
        with translated(), self._engine.connect() as connection:
            yield from connection.execute(query).mappings().partitions(_BATCH)

    def whole(self, ids: Sequence[str]) -> list[Interaction]:
        """Those interactions with all that they hold, in no order."""
        query = sa.select(interactions).where(interactions.c.id.in_(ids))
        with translated(), self._engine.connect() as connection:
            return [interaction_from(row) for row in connection.execute(query).mappings()]


def _within(since: datetime, until: datetime, arm: str | None) -> list[Any]:
    """What nobody saw is left out, and so are duels: they ask one question twice, of variants drawn by lot,
    and are rated by a vote.
    """
    found = [
        interactions.c.created_at >= since,
        interactions.c.created_at < until,
        interactions.c.origin_kind != OriginKind.SHADOW.value,
        interactions.c.conversation_id.not_like(f"{CONVERSATION}%"),
    ]
    return found if arm is None else [*found, interactions.c.arm == arm]
