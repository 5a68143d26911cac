"""A circuit breaker a provider: one that keeps failing is left alone for a while, and nobody waits for it.

Closed, it lets everything through; after ``failures`` in a row it opens and lets nothing through for
``rest`` seconds; then one question at a time is let through, and an answer closes it, a failure opens it
again (Nygard, Release It!, 2007). What says nothing about the provider changes nothing.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from melancia.errors import MelanciaError, ModelNotFoundError, ProviderError, UnsupportedOptionError

FAILURES = 5
REST = 30.0
# Of the model or the request, not of the provider.
_NOT_ITS_FAULT = (ModelNotFoundError, UnsupportedOptionError)


@dataclass(slots=True)
class _Circuit:
    failures: int = 0
    opened: float | None = None
    trying: bool = False


class Breaker:
    """The circuits of all providers. Thread-safe."""

    def __init__(
        self, *, failures: int = FAILURES, rest: float = REST, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._failures = failures
        self._rest = rest
        self._clock = clock
        self._lock = threading.Lock()
        self._circuits: dict[str, _Circuit] = {}

    def lets_through(self, provider: str) -> bool:
        """Whether ``provider`` may be asked now. Who is let through must call ``ended`` or ``dropped``."""
        with self._lock:
            circuit = self._circuits.get(provider)
            if circuit is None or circuit.opened is None:
                return True
            if circuit.trying or self._clock() - circuit.opened < self._rest:
                return False
            circuit.trying = True
            return True

    def ended(self, provider: str, error: MelanciaError | None) -> None:
        """How a question to ``provider`` ended; ``error`` None: it was answered."""
        if error is not None and (not isinstance(error, ProviderError) or isinstance(error, _NOT_ITS_FAULT)):
            self.dropped(provider)
            return
        with self._lock:
            if error is None:
                self._circuits.pop(provider, None)
                return
            circuit = self._circuits.setdefault(provider, _Circuit())
            circuit.failures += 1
            if circuit.trying or circuit.failures >= self._failures:
                circuit.opened, circuit.trying = self._clock(), False

    def dropped(self, provider: str) -> None:
        """A question to ``provider`` ended without a word about it: nobody waited. Another one may try."""
        with self._lock:
            if (circuit := self._circuits.get(provider)) is not None:
                circuit.trying = False

    def resting(self) -> list[str]:
        """The providers that are left alone now."""
        with self._lock:
            return sorted(name for name, circuit in self._circuits.items() if circuit.opened is not None)
