"""The system of record: interactions and their feedback, in SQLite or PostgreSQL."""

from melancia.store.store import Store

__all__ = ["Store"]
