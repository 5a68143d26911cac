"""Gauges that are read when Prometheus asks: from the store and whatever else may be slow, away or broken.

Each source is read in a thread of its own and kept for a moment. A scrape waits for all of them together a
second or two and no longer; a source that fails, or is not done by then, gives nothing (a stale number would
be a wrong one) and stands in ``melancia_scrape_errors``.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from melancia.errors import MelanciaError

_LASTS = 5.0  # seconds that what was read is kept
_PATIENCE = 2.0  # seconds that one scrape waits for all sources together
_LATE = "did not answer in time"

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Sample:
    """A gauge's value, under the values of its labels in their order."""

    gauge: str
    value: float
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Described:
    """A gauge's name, what it says (in Portuguese), and its labels."""

    name: str
    text: str
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Source:
    """Something to be asked: the gauges that it gives, and how to read them all. ``read`` may raise."""

    name: str
    gauges: Sequence[Described]
    read: Callable[[], Iterable[Sample]]


@dataclass(slots=True)
class _Known:
    """What is known of a source: read at ``moment`` (monotonic), ``error`` "" when that went well."""

    samples: Sequence[Sample] = ()
    error: str = ""
    moment: float | None = None
    reading: threading.Thread | None = field(default=None)
    said: str = ""


class Sources(Collector):
    """Collects all sources; register it on a registry. Thread-safe."""

    def __init__(
        self, sources: Sequence[Source], *, lasts: float = _LASTS, patience: float = _PATIENCE
    ) -> None:
        self._sources = sources
        self._lasts = lasts
        self._patience = patience
        self._lock = threading.Lock()
        self._known = {source.name: _Known() for source in sources}

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """The families, without asking anybody."""
        return self._families({source.name: ((), "") for source in self._sources})

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The families, as fresh as the patience allows."""
        return self._families(self._read())

    def _read(self) -> dict[str, tuple[Sequence[Sample], str]]:
        until = time.monotonic() + self._patience
        readings = [thread for source in self._sources if (thread := self._begin(source)) is not None]
        for thread in readings:
            thread.join(max(0.0, until - time.monotonic()))
        with self._lock:
            found: dict[str, tuple[Sequence[Sample], str]] = {}
            for source in self._sources:
                known = self._known[source.name]
                late = known.reading is not None
                error = _LATE if late else known.error
                found[source.name] = ((), error) if error else (known.samples, "")
                if error != known.said:
                    _say(source.name, error)
                    known.said = error
            return found

    def _begin(self, source: Source) -> threading.Thread | None:
        """The thread that reads ``source`` now; None when what is known is fresh."""
        with self._lock:
            known = self._known[source.name]
            if known.reading is not None:
                return known.reading
            if known.moment is not None and time.monotonic() - known.moment < self._lasts:
                return None
            # A daemon: a database that hangs must not keep the process from ending.
            thread = threading.Thread(
                target=self._ask, args=(source,), name=f"melancia-metrics-{source.name}", daemon=True
            )
            known.reading = thread
        thread.start()
        return thread

    def _ask(self, source: Source) -> None:
        samples: Sequence[Sample] = ()
        error = ""
        try:
            samples = list(source.read())
        except MelanciaError as failure:
            error = str(failure)
        except Exception as failure:
            # Any failure is this source's own: it is recorded, and the scrape goes on.
            error = type(failure).__name__
            logger.exception("metrics of %s failed", source.name)
        with self._lock:
            known = self._known[source.name]
            known.samples, known.error = samples, error
            known.moment, known.reading = time.monotonic(), None

    def _families(self, found: dict[str, tuple[Sequence[Sample], str]]) -> Iterator[GaugeMetricFamily]:
        errors = GaugeMetricFamily(
            "melancia_scrape_errors", "1: a fonte não pôde ser lida agora.", labels=("source",)
        )
        for source in self._sources:
            samples, error = found[source.name]
            errors.add_metric((source.name,), float(bool(error)))
            for gauge in source.gauges:
                family = GaugeMetricFamily(gauge.name, gauge.text, labels=gauge.labels)
                for sample in samples:
                    if sample.gauge == gauge.name:
                        family.add_metric(sample.labels, sample.value)
                yield family
        yield errors


def _say(source: str, error: str) -> None:
    """A source that fails at every scrape is one event."""
    if error:
        logger.warning("metrics of %s cannot be read: %s", source, error)
    else:
        logger.info("metrics of %s can be read again", source)
