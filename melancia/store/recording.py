"""What each question costs the database: its conversation is read, and it is written as it happens.

The statements are made once and take their values apart: to make one of forty columns costs more than to
run it. SQLite has one writer, and who waits for it sleeps and looks again, for longer and longer: so those of
this process wait for each other instead, in line, and whoever's turn it is writes what the others brought
too, in one transaction. What a method returned from is committed.
"""

import threading
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from melancia.records import FinishReason, Interaction, OriginKind, Turn, utc_now
from melancia.store.database import translated
from melancia.store.rows import interaction_row
from melancia.store.tables import Instant, interactions

_WHOLE = (FinishReason.STOP.value, FinishReason.LENGTH.value)
_FIXED = {"id", "user_id", "conversation_id", "created_at"}


# The exchanges of a conversation, newest first.
_TURNS = (
    sa.select(
        *(interactions.c[name] for name in ("id", "question", "text", "standalone", "origin_id")),
        (interactions.c.origin_kind == OriginKind.FINAL.value).label("final"),
    )
    .where(
        interactions.c.conversation_id == sa.bindparam("conversation"),
        interactions.c.user_id == sa.bindparam("user"),
        interactions.c.text != "",
        sa.or_(
            interactions.c.origin_kind != OriginKind.FINAL.value,
            interactions.c.finish_reason.in_(_WHOLE),
        ),
    )
    .order_by(interactions.c.created_at.desc())
    .limit(sa.bindparam("most", type_=sa.Integer))
)
_TURNS_BEFORE = _TURNS.where(interactions.c.created_at < sa.bindparam("before", type_=Instant))


class Recorder:
    """Thread-safe; failures are StoreError."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        together = engine.dialect.name == "sqlite"
        self._group = _Group(engine) if together else None
        insert = sqlite.insert(interactions) if together else postgresql.insert(interactions)
        self._start = insert.on_conflict_do_nothing()
        self._finish = insert.on_conflict_do_update(
            index_elements=["id"],
            set_={column.name: column for column in insert.excluded if column.name not in _FIXED},
        )
        self._checkpoint = (
            interactions.update()
            .where(
                interactions.c.id == sa.bindparam("interaction"),
                interactions.c.finish_reason == FinishReason.RUNNING.value,
            )
            .values(text=sa.bindparam("said"), updated_at=sa.bindparam("now"))
        )

    def start(self, interaction: Interaction) -> None:
        """Record a question that is about to be answered; a second time changes nothing."""
        self._write(self._start, interaction_row(interaction))

    def checkpoint(self, interaction_id: str, partial_text: str) -> None:
        """Record what has been said so far, unless the answer has already ended."""
        self._write(self._checkpoint, {"interaction": interaction_id, "said": partial_text, "now": utc_now()})

    def finish(self, interaction: Interaction) -> None:
        """Record the outcome. Idempotent; also records the question if ``start`` never did."""
        self._write(self._finish, interaction_row(interaction))

    def turns(
        self, conversation_id: str, user_id: str, limit: int, before: datetime | None = None
    ) -> list[Turn]:
        """The last ``limit`` exchanges that got some answer, as ``Store.turns`` says."""
        query = _TURNS if before is None else _TURNS_BEFORE
        found: list[Turn] = []
        replaced: set[str] = set()
        with translated(), self._engine.connect() as connection:
            # A draft may have had more than one final answer.
            values = {"conversation": conversation_id, "user": user_id, "most": 3 * limit, "before": before}
            for row in connection.execute(query, values):
                exchange = row.origin_id if row.final else row.id
                if exchange not in replaced:
                    found.append(Turn(row.question, row.text, row.standalone))
                if row.final:
                    replaced.add(exchange)
        return list(reversed(found[:limit]))

    def _write(self, statement: sa.Executable, values: Mapping[str, Any]) -> None:
        with translated():
            if self._group is not None:
                self._group.write(statement, values)
                return
            with self._engine.begin() as connection:
                connection.execute(statement, values)


class _Entry:
    """A write that waits, and how it ended."""

    __slots__ = ("done", "error", "statement", "values")

    def __init__(self, statement: sa.Executable, values: Mapping[str, Any]) -> None:
        self.statement = statement
        self.values = values
        self.done = False
        self.error: Exception | None = None


class _Group:
    """Group commit: one transaction at a time, with all that came while the last one was under way."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._turn = threading.Lock()
        self._adding = threading.Lock()
        self._waiting: list[_Entry] = []

    def write(self, statement: sa.Executable, values: Mapping[str, Any]) -> None:
        """Come back when it is committed; raise why it is not."""
        entry = _Entry(statement, values)
        with self._adding:
            self._waiting.append(entry)
        with self._turn:
            if not entry.done:
                with self._adding:
                    group, self._waiting = self._waiting, []
                try:
                    self._commit(group)
                except BaseException:
                    # The process is being ended: who still waits writes for himself, once more if need be.
                    with self._adding:
                        self._waiting[:0] = [other for other in group if not (other.done or other is entry)]
                    raise
        if entry.error is not None:
            raise entry.error

    def _commit(self, group: Sequence[_Entry]) -> None:
        error: Exception | None = None
        try:
            with self._engine.begin() as connection:
                for entry in group:
                    connection.execute(entry.statement, entry.values)
        except (sa.exc.OperationalError, sa.exc.TimeoutError) as failed:
            error = failed  # the database's, so everybody's
        except Exception as failed:  # noqa: BLE001 (raised by whoever brought the write)
            if len(group) > 1:
                # One of them is at fault: the others shall not suffer for it.
                for entry in group:
                    self._commit([entry])
                return
            error = failed
        for entry in group:
            entry.error, entry.done = error, True
