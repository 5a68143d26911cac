"""What is told of each answer that a user waits for, to whoever must not be in its way."""

from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

from melancia.records import Filters, Interaction, Turn


@dataclass(frozen=True, slots=True)
class Asked:
    """A question that was answered: as recorded, with the turns before it, and where it was searched."""

    interaction: Interaction
    turns: tuple[Turn, ...] = ()
    filters: Filters = field(default_factory=Filters)


class Watcher(Protocol):
    """Whoever must know of the answers that users wait for. Takes no time and raises nothing."""

    def answering(self) -> AbstractContextManager[None]:
        """Open while a user is being answered."""

    def answered(self, asked: Asked) -> None:
        """A user's answer has ended."""
