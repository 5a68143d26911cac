"""A scrape is fresh, bounded in time, and outlives whatever it asks."""

import threading
from collections.abc import Callable, Iterable

import pytest
from prometheus_client import CollectorRegistry

from melancia.errors import StoreError
from melancia.telemetry.sources import Described, Sample, Source, Sources


def registry(
    read: Callable[[], Iterable[Sample]], *, lasts: float = 60, patience: float = 30
) -> CollectorRegistry:
    """One source that is asked, and one that always answers."""
    made = CollectorRegistry()
    well = Source("well", (Described("melancia_well", "…"),), lambda: [Sample("melancia_well", 1)])
    asked = Source("asked", (Described("melancia_asked", "…", ("kind",)),), read)
    made.register(Sources([asked, well], lasts=lasts, patience=patience))
    return made


def values(made: CollectorRegistry) -> dict[str, float]:
    """One scrape: by name and label."""
    return {
        ":".join((sample.name, *sample.labels.values())): sample.value
        for family in made.collect()
        for sample in family.samples
    }


def test_what_was_read_is_kept_for_a_moment() -> None:
    asked: list[int] = []

    def read() -> Iterable[Sample]:
        asked.append(1)
        return [Sample("melancia_asked", len(asked), ("a",))]

    kept = registry(read)
    assert [values(kept)["melancia_asked:a"] for _ in range(3)] == [1, 1, 1]
    asked.clear()
    fresh = registry(read, lasts=0)
    assert [values(fresh)["melancia_asked:a"] for _ in range(3)] == [1, 2, 3]


@pytest.mark.parametrize("error", [StoreError("O banco não responde."), ZeroDivisionError()])
def test_a_source_that_fails_has_no_value_and_is_named(error: Exception) -> None:
    broken = True

    def read() -> Iterable[Sample]:
        if broken:
            raise error
        return [Sample("melancia_asked", 7, ("a",))]

    made = registry(read, lasts=0)
    assert values(made) == {
        "melancia_well": 1,
        "melancia_scrape_errors:asked": 1,
        "melancia_scrape_errors:well": 0,
    }
    broken = False
    found = values(made)
    assert (found["melancia_asked:a"], found["melancia_scrape_errors:asked"]) == (7, 0)


def test_a_source_that_hangs_is_asked_once_and_keeps_nobody_waiting() -> None:
    hanging, asked = threading.Event(), threading.Semaphore(0)

    def read() -> Iterable[Sample]:
        asked.release()
        assert hanging.wait(60)
        return [Sample("melancia_asked", 7, ("a",))]

    made = registry(read, patience=0.05)
    for _ in range(3):
        found = values(made)
        assert (found["melancia_well"], found["melancia_scrape_errors:asked"]) == (1, 1)
        assert "melancia_asked:a" not in found
    assert asked.acquire(blocking=False)
    assert not asked.acquire(blocking=False)
    reading = next(one for one in threading.enumerate() if one.name == "melancia-metrics-asked")
    hanging.set()
    reading.join(60)
    assert values(made)["melancia_asked:a"] == 7
