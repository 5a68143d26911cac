"""What people ask about, as drift reports found it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from melancia.records import utc_now
from melancia.store.database import translated
from melancia.store.tables import topics


@dataclass(frozen=True, slots=True)
class Topic:
    """A group of questions. ``centroid``: the middle of their vectors by ``embedding_model``; ``size``: the
    questions that it had when it was last looked at.
    """

    id: int
    label: str
    embedding_model: str
    centroid: tuple[float, ...]
    size: int
    created_at: datetime
    updated_at: datetime


class TopicStore:
    """Thread-safe; each method is one transaction; failures are StoreError."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def of(self, embedding_model: str) -> Sequence[Topic]:
        """The topics found with an embedding model, oldest first."""
        query = sa.select(topics).where(topics.c.embedding_model == embedding_model).order_by(topics.c.id)
        with translated(), self._engine.connect() as connection:
            return [_topic(row) for row in connection.execute(query).mappings()]

    def add(self, embedding_model: str, found: Sequence[tuple[str, Sequence[float], int]]) -> Sequence[Topic]:
        """Keep new topics (label, centroid, size); they get the next ids, in order."""
        now = utc_now()
        rows = [
            {
                "label": label,
                "embedding_model": embedding_model,
                "centroid": [float(value) for value in centroid],
                "size": size,
                "created_at": now,
                "updated_at": now,
            }
            for label, centroid, size in found
        ]
        with translated(), self._engine.begin() as connection:
            return [
                _topic(connection.execute(topics.insert().values(row).returning(topics)).mappings().one())
                for row in rows
            ]

    def resize(self, sizes: Mapping[int, int]) -> None:
        """Say how many questions topics (by id) have now."""
        now = utc_now()
        with translated(), self._engine.begin() as connection:
            for id_, size in sizes.items():
                changed = {"size": size, "updated_at": now}
                connection.execute(topics.update().where(topics.c.id == id_).values(changed))


def _topic(row: Mapping[Any, Any]) -> Topic:
    return Topic(**{**row, "centroid": tuple(row["centroid"])})
