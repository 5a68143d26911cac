"""The log of requests seen, which a test can read, or wait on, from another thread."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from tests.standins.ollama.prompt import Message


class Outcome(StrEnum):
    """How an exchange ended."""

    PENDING = "pending"
    COMPLETE = "complete"
    CLIENT_LEFT = "client_left"
    DROPPED = "dropped"


@dataclass
class RequestRecord:
    """One request. `seen` holds the messages that were left after the prompt was cut to the context; `at` is
    when it came, by `time.monotonic`.
    """

    method: str
    path: str
    body: Any = None
    status: int | None = None
    tokens_sent: int = 0
    seen: Sequence[Message] = ()
    outcome: Outcome = Outcome.PENDING
    at: float = field(default_factory=time.monotonic, compare=False)

    @property
    def disconnected(self) -> bool:
        """Whether the client hung up before the answer was complete."""
        return self.outcome is Outcome.CLIENT_LEFT

    def to_dict(self) -> dict[str, Any]:
        """The record as plain data, for `GET /_standin/requests`."""
        return {**asdict(self), "disconnected": self.disconnected}


class RequestLog:
    """Records in the order of arrival; every change wakes those who wait."""

    def __init__(self) -> None:
        self._records: list[RequestRecord] = []
        self._changed = threading.Condition()

    def add(self, record: RequestRecord) -> None:
        """Append a record."""
        with self._changed:
            self._records.append(record)
            self._changed.notify_all()

    def update(self, record: RequestRecord, **changes: Any) -> None:
        """Change fields of a record."""
        with self._changed:
            for name, value in changes.items():
                setattr(record, name, value)
            self._changed.notify_all()

    def snapshot(self) -> list[RequestRecord]:
        """The records so far; the list is a copy, the records are live."""
        with self._changed:
            return list(self._records)

    def clear(self) -> None:
        """Forget all records."""
        with self._changed:
            self._records.clear()

    def wait_for(self, predicate: Callable[[RequestRecord], bool], timeout: float) -> RequestRecord:
        """The first record that satisfies `predicate`, as soon as there is one."""
        with self._changed:
            found = self._changed.wait_for(lambda: next(filter(predicate, self._records), None), timeout)
            if found is None:
                raise TimeoutError(f"no such request within {timeout} s; seen: {self._records}")
            return found
