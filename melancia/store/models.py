"""The models table: what the worker pulls in Ollama, and where it really runs."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from melancia.records import ModelState, ModelStatus
from melancia.store.database import translated
from melancia.store.tables import models


class ModelStore:
    """Model statuses by name. Thread-safe; each method is one transaction; failures are StoreError."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def put(self, status: ModelStatus) -> None:
        """Keep a model's present status."""
        row = {**asdict(status), "state": status.state.value}
        dialect = postgresql if self._engine.dialect.name == "postgresql" else sqlite
        statement = dialect.insert(models).values(row)
        with translated(), self._engine.begin() as connection:
            connection.execute(statement.on_conflict_do_update(index_elements=["model"], set_=row))

    def get(self, model: str) -> ModelStatus | None:
        """A model's status; None when the worker has not looked at it."""
        return next((status for status in self.list() if status.model == model), None)

    def list(self) -> Sequence[ModelStatus]:
        """All, by name."""
        with translated(), self._engine.connect() as connection:
            rows = connection.execute(sa.select(models).order_by(models.c.model)).mappings().all()
        return [_status(row) for row in rows]

    def keep_only(self, names: Iterable[str]) -> None:
        """Forget the models that are no longer configured."""
        with translated(), self._engine.begin() as connection:
            connection.execute(models.delete().where(models.c.model.not_in(list(names))))


def _status(row: Mapping[Any, Any]) -> ModelStatus:
    return ModelStatus(**{**row, "state": ModelState(row["state"])})
