"""The agenda: what is due is done once, made up for once, done again after a death, and given up at last."""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from melancia.errors import JobError
from melancia.jobs.timetable import Cron, Timed
from melancia.mlops.schedule import Agenda
from melancia.store import Store
from melancia.store.schedule import RunState, ScheduledRun

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
DAILY = "0 6 * * *"


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    """An open store."""
    made = Store.open(url)
    yield made
    made.close()


class Worker:
    """An agenda with one schedule, and the due times that it did."""

    def __init__(
        self, store: Store, cron: str = DAILY, does: Callable[[ScheduledRun], str] | None = None
    ) -> None:
        self.done: list[datetime] = []
        self._does = does
        timed = Timed("drift", "relatório", None if cron == "nunca" else Cron(cron, "X"))
        self._agenda = Agenda(store, [timed], {"drift": self._do})

    def at(self, *instants: datetime) -> "Worker":
        """Look at these instants."""
        for instant in instants:
            with time_machine.travel(instant, tick=False):
                self._agenda.look("drift")
        return self

    def _do(self, run: ScheduledRun) -> str:
        self.done.append(run.due_at)
        return self._does(run) if self._does else "feito"


def day(number: int, hour: int = 6) -> datetime:
    """An hour of a day of May."""
    return datetime(2026, 5, number, hour, tzinfo=UTC)


def states(store: Store) -> list[tuple[datetime, RunState]]:
    """The rows that stand for due times, oldest first."""
    rows = reversed(store.schedule.runs("drift", 1000))
    return [(run.due_at, run.state) for run in rows if run.state is not RunState.SEEN]


def test_a_fresh_installation_waits_for_the_first_due_time(store: Store) -> None:
    worker = Worker(store).at(NOON, NOON + timedelta(hours=1), day(5, 5))
    assert worker.done == []
    worker.at(day(5) + timedelta(seconds=7), day(5) + timedelta(seconds=22), day(5, 20))
    assert worker.done == [day(5)]
    worker.at(day(6))
    assert worker.done == [day(5), day(6)]
    assert states(store) == [(day(5), RunState.DONE), (day(6), RunState.DONE)]


def test_a_restart_neither_doubles_nor_skips(store: Store) -> None:
    Worker(store).at(NOON)
    assert Worker(store).at(day(5), day(5) + timedelta(seconds=5)).done == [day(5)]
    assert Worker(store).at(day(5, 7), day(5, 8)).done == []
    # Away when it was due: made up for at once, and once.
    assert Worker(store).at(day(6, 15), day(6, 16)).done == [day(6)]


def test_of_several_that_were_missed_the_newest_is_made_up_for(store: Store) -> None:
    Worker(store).at(NOON)
    assert Worker(store).at(day(9, 8)).done == [day(9)]
    skipped = [(day(number), RunState.SKIPPED) for number in (5, 6, 7, 8)]
    assert states(store) == [*skipped, (day(9), RunState.DONE)]
    assert "worker" in store.schedule.runs("drift")[1].outcome
    assert Worker(store).at(day(9, 9)).done == []


def test_a_long_absence_is_written_down_in_bounded_space(store: Store) -> None:
    Worker(store, "* * * * *").at(NOON)
    back = NOON + timedelta(days=300)
    assert Worker(store, "* * * * *").at(back).done == [back]
    assert len(states(store)) == 101


def test_two_workers_at_once_do_each_due_time_once(store: Store) -> None:
    Worker(store).at(NOON)
    workers = [Worker(store) for _ in range(4)]
    for number in range(5, 9):
        with time_machine.travel(day(number, 7), tick=False):
            ready = threading.Barrier(len(workers))

            def look(worker: Worker, ready: threading.Barrier = ready) -> None:
                ready.wait()
                worker._agenda.look("drift")

            threads = [threading.Thread(target=look, args=(worker,)) for worker in workers]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
    done = sorted(due for worker in workers for due in worker.done)
    assert done == [day(number) for number in range(5, 9)]


def test_another_expression_counts_from_when_it_was_first_seen(store: Store) -> None:
    Worker(store).at(NOON, day(5))
    # Seven had passed when somebody chose it.
    changed = Worker(store, "0 7 * * *").at(day(5, 12), day(5, 13))
    assert changed.done == []
    assert changed.at(day(6, 7)).done == [day(6, 7)]


def test_what_was_off_is_not_made_up_for(store: Store) -> None:
    Worker(store).at(NOON, day(5))
    assert Worker(store, "nunca").at(day(5, 12), day(8)).done == []
    again = Worker(store).at(day(20), day(20, 7))
    assert again.done == []
    assert again.at(day(21)).done == [day(21)]
    assert RunState.SKIPPED not in dict(states(store)).values()


def test_a_clock_that_was_set_back_does_nothing_twice(store: Store) -> None:
    worker = Worker(store).at(NOON, day(5))
    worker.at(day(4, 23), day(5), day(5, 7))
    assert worker.done == [day(5)]
    Worker(store, "0 7 * * *").at(day(4, 7), day(4, 8))
    assert len(store.schedule.runs("drift")) == 3, "a changed expression is seen once"


def test_a_failure_is_recorded_and_the_next_due_time_is_another_chance(store: Store) -> None:
    def refused(_run: ScheduledRun) -> str:
        raise JobError("A tarefa foi recusada.", "Veja o registro.")

    worker = Worker(store, does=refused).at(NOON, day(5), day(5, 7))
    assert worker.done == [day(5)]
    newest = store.schedule.newest("drift")
    assert newest is not None
    assert (newest.state, newest.outcome) == (RunState.FAILED, "A tarefa foi recusada. Veja o registro.")
    assert Worker(store).at(day(6)).done == [day(6)]


def test_an_unforeseen_failure_is_recorded_without_its_words(store: Store) -> None:
    def broken(_run: ScheduledRun) -> str:
        raise ValueError("ana@exemplo.com.br")

    Worker(store, does=broken).at(NOON, day(5))
    newest = store.schedule.newest("drift")
    assert newest is not None
    assert newest.state is RunState.FAILED
    assert "ValueError" in newest.outcome
    assert "ana" not in newest.outcome


class Killed(BaseException):
    """The process ends here."""


def test_a_run_whose_worker_died_is_done_again_and_given_up_at_last(store: Store) -> None:
    def dies(_run: ScheduledRun) -> str:
        raise Killed

    Worker(store).at(NOON)
    with pytest.raises(Killed):
        Worker(store, does=dies).at(day(5))
    assert Worker(store).at(day(5) + timedelta(minutes=9)).done == [], "it may still be at it"
    for attempt in range(2):
        with pytest.raises(Killed):
            Worker(store, does=dies).at(day(5) + timedelta(minutes=11 * (attempt + 1)))
    # Three times is enough: what kills its worker shall not kill it for ever.
    assert Worker(store).at(day(5, 7), day(5, 8)).done == []
    newest = store.schedule.newest("drift")
    assert newest is not None
    assert newest.state is RunState.FAILED
    assert "3 vezes" in newest.outcome
    assert Worker(store).at(day(6)).done == [day(6)]


def test_a_dead_run_comes_back_before_the_next_due_time(store: Store) -> None:
    def dies(_run: ScheduledRun) -> str:
        raise Killed

    Worker(store).at(NOON)
    with pytest.raises(Killed):
        Worker(store, does=dies).at(day(5))
    assert Worker(store).at(day(6), day(6) + timedelta(seconds=15)).done == [day(5), day(6)]
