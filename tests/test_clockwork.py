"""The worker's chores when the clock of the machine is set."""

import time
from collections.abc import Iterator
from datetime import timedelta

import pytest
import time_machine

from melancia.records import utc_now
from melancia.worker import clockwork
from melancia.worker.clockwork import Clockwork
from tests.waiting import until


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clockwork]:
    """One that looks at the clock often."""
    monkeypatch.setattr(clockwork, "_LOOK", 0.05)
    made = Clockwork()
    yield made
    made.stop()


def test_chores_go_on_at_their_pace_after_the_clock_is_set_back(clock: Clockwork) -> None:
    often: list[float] = []
    seldom: list[float] = []
    clock.every(0.1, "often", lambda: often.append(time.monotonic()))
    clock.every(600, "seldom", lambda: seldom.append(time.monotonic()), delay=600)
    with time_machine.travel(utc_now() + timedelta(hours=1), tick=True):
        clock.every(600, "seldom", lambda: seldom.append(time.monotonic()), delay=600)
        clock.start()
        assert until(lambda: len(often) >= 2, "rounds with the clock an hour fast")
    done = len(often)
    assert until(lambda: len(often) >= done + 3, "rounds after it was set right")
    left = clock.scheduler.get_job("seldom").next_run_time - utc_now()
    assert timedelta(minutes=9) < left < timedelta(minutes=11)
    assert seldom == []
