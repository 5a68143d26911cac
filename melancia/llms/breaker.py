"""A circuit breaker a provider: one that keeps failing is left alone for a while, and nobody waits for it.

Closed, it lets everything through; after ``failures`` in a row it opens and lets nothing through for
``rest`` seconds; then one question is let through, and its end closes or opens it again (Nygard, Release It!,
2007).
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
        """Whether ``provider`` may be asked now. Who is let through must tell how it ended."""
        with self._lock:
            circuit = self._circuits.get(provider)
            if circuit is None or circuit.opened is None:
                return True
            if circuit.trying or self._clock() - circuit.opened < self._rest:
                return False
            circuit.trying = True
            return True

    def ended(self, provider: str, error: MelanciaError | None) -> None:
        """How a question to ``provider`` ended; ``error`` None: it was answered, or nobody wanted it more."""
        blamed = isinstance(error, ProviderError) and not isinstance(error, _NOT_ITS_FAULT)
        with self._lock:
            if not blamed:
                self._circuits.pop(provider, None)
                return
            circuit = self._circuits.setdefault(provider, _Circuit())
            circuit.failures += 1
            if circuit.trying or circuit.failures >= self._failures:
                circuit.opened, circuit.trying = self._clock(), False

    def resting(self) -> list[str]:
        """The providers that are left alone now."""
        with self._lock:
            return sorted(name for name, circuit in self._circuits.items() if circuit.opened is not None)
