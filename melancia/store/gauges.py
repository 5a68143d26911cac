"""What monitoring asks of the database: small counts, and whether a worker is at work."""

from collections.abc import Mapping

import sqlalchemy as sa

from melancia.records import ActionState, JobState
from melancia.store.database import translated
from melancia.store.lock import Presence, presence
from melancia.store.tables import actions, jobs


class GaugeStore:
    """Thread-safe; reads only; failures are StoreError."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def jobs(self) -> Mapping[JobState, int]:
        """How many jobs are in each state; every state is there."""
        query = sa.select(jobs.c.state, sa.func.count()).group_by(jobs.c.state)
        with translated(), self._engine.connect() as connection:
            found = {row[0]: row[1] for row in connection.execute(query)}
        return {state: found.get(state.value, 0) for state in JobState}

    def actions(self) -> Mapping[tuple[str, ActionState], int]:
        """How many actions nobody put away yet, by kind and state."""
        query = (
            sa.select(actions.c.kind, actions.c.state, sa.func.count())
            .where(actions.c.state != ActionState.DISMISSED.value)
            .group_by(actions.c.kind, actions.c.state)
        )
        with translated(), self._engine.connect() as connection:
            return {(row[0], ActionState(row[1])): row[2] for row in connection.execute(query)}

    def worker(self) -> Presence:
        """Whether some worker holds the database's lock."""
        return presence(self._engine)
