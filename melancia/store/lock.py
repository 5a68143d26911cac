"""One worker at a time among all that share a database: a lock that ends with the process that holds it."""

import fcntl
import logging
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TextIO

import sqlalchemy as sa

from melancia.store.database import translated

_WORKER_LOCK = 0x6D656C62  # PostgreSQL advisory lock: "melb"; the migrations' is "mela"

# Both ends shall notice within a minute that the other one vanished without a goodbye.
_PROMPT = {
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Presence:
    """Whether a worker holds the lock; ``seen_at``: when its session last said something (PostgreSQL)."""

    present: bool
    seen_at: datetime | None = None


class WorkerLock:
    """The right to be the worker of the database at ``url``. Not thread-safe: one thread asks for it.

    PostgreSQL: a session's advisory lock on a connection of its own (so a pooler in transaction mode must
    not stand before it), which the server gives up when the session ends. SQLite: a lock file beside the
    database, which the kernel gives up when the process ends.
    """

    def __init__(self, url: str) -> None:
        self._address = sa.make_url(url)
        self._file: TextIO | None = None
        self._connection: sa.Connection | None = None

    def try_acquire(self) -> bool:
        """Take it if nobody has it. Raises StoreError when the database does not answer."""
        if self._address.get_backend_name() == "sqlite":
            return self._lock_file()
        return self._lock_session()

    def held(self) -> bool:
        """Whether it is still ours: a session can break without a word."""
        if self._connection is None:
            return self._file is not None
        try:
            self._connection.execute(sa.text("SELECT 1"))
        except sa.exc.SQLAlchemyError:
            logger.warning("the worker's lock was lost with its session", exc_info=True)
            self.release()
            return False
        return True

    def release(self) -> None:
        """Give it up. Nothing happens when it is not held."""
        if self._file is not None:
            self._file.close()
            self._file = None
        if self._connection is not None:
            # Not back to a pool: the lock lives as long as the session.
            engine = self._connection.engine
            self._connection.invalidate()
            self._connection.close()
            self._connection = None
            engine.dispose()

    def _lock_file(self) -> bool:
        if self._file is not None:
            return True
        place = _lock_path(self._address)
        with translated():
            place.parent.mkdir(parents=True, exist_ok=True)
            file = place.open("a", encoding="utf-8")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            return False
        self._file = file
        return True

    def _lock_session(self) -> bool:
        if self._connection is not None:
            return self.held()
        engine = sa.create_engine(
            self._address,
            poolclass=sa.NullPool,
            isolation_level="AUTOCOMMIT",
            connect_args=_PROMPT,
        )
        with translated():
            connection = engine.connect()
            try:
                connection.execute(sa.text("SET tcp_keepalives_idle = 30"))
                connection.execute(sa.text("SET tcp_keepalives_interval = 10"))
                connection.execute(sa.text("SET tcp_keepalives_count = 3"))
                got = bool(
                    connection.scalar(sa.text("SELECT pg_try_advisory_lock(:key)"), {"key": _WORKER_LOCK})
                )
            except BaseException:
                connection.close()
                raise
        if not got:
            connection.close()
            engine.dispose()
            return False
        self._connection = connection
        return True


def presence(engine: sa.Engine) -> Presence:
    """Who looks, without taking the lock. Raises StoreError when the database does not answer."""
    if engine.dialect.name == "sqlite":
        return Presence(_locked(_lock_path(engine.url)))
    query = sa.text(
        "SELECT activity.state_change FROM pg_locks AS locks JOIN pg_stat_activity AS activity USING (pid) "
        "WHERE locks.locktype = 'advisory' AND locks.granted AND locks.objsubid = 1 "
        "AND locks.classid = 0 AND locks.objid = :key "
        "AND locks.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    with translated(), engine.connect() as connection:
        row = connection.execute(query, {"key": _WORKER_LOCK}).first()
    return Presence(row is not None, row[0] if row is not None else None)


def _locked(file: Path) -> bool:
    """A shared lock can be had, for an instant, of a file that nobody holds."""
    try:
        with translated(), file.open("r", encoding="utf-8") as probe:
            fcntl.flock(probe, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def _lock_path(address: sa.URL) -> Path:
    database = Path(str(address.database)).absolute()
    return database.with_name(f"{database.name}.worker.lock")
