"""The claim of a due time: one winner, on both databases, and what becomes of a run that never ended."""

import threading
from datetime import UTC, datetime, timedelta

from melancia.records import utc_now
from melancia.store import Store
from melancia.store.schedule import RunState, ScheduledRun

DUE = datetime(2026, 5, 4, 6, tzinfo=UTC)
CRON = "0 6 * * *"


def taken(store: Store, due: datetime = DUE) -> ScheduledRun:
    """A claimed run."""
    run = store.schedule.claim("drift", due, CRON)
    assert run is not None
    return run


def test_of_many_who_claim_at_once_one_gets_it(store: Store) -> None:
    won: list[ScheduledRun | None] = []
    ready = threading.Barrier(8)

    def compete() -> None:
        ready.wait()
        won.append(store.schedule.claim("drift", DUE, CRON))

    threads = [threading.Thread(target=compete) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 8
    assert sum(run is not None for run in won) == 1
    assert len(store.schedule.runs("drift")) == 1


def test_a_run_goes_from_claim_to_outcome(store: Store) -> None:
    assert store.schedule.newest("drift") is None
    run = taken(store)
    assert store.schedule.newest("drift") == run
    assert run.state is RunState.RUNNING
    assert store.schedule.finish(run, RunState.DONE, "tudo certo")
    assert not store.schedule.finish(run, RunState.FAILED, "tarde demais")
    ended = store.schedule.newest("drift")
    assert ended is not None
    assert (ended.state, ended.outcome, ended.due_at) == (RunState.DONE, "tudo certo", DUE)
    assert ended.ended_at is not None
    assert store.schedule.newest("outra") is None


def test_noted_due_times_do_not_replace_what_was_done(store: Store) -> None:
    store.schedule.finish(taken(store), RunState.DONE, "feito")
    days = [DUE + timedelta(days=number) for number in range(3)]
    store.schedule.note("drift", days, CRON, RunState.SKIPPED, "sem worker")
    store.schedule.note("drift", [], CRON, RunState.SKIPPED, "sem worker")
    assert [(run.due_at, run.state) for run in store.schedule.runs("drift")] == [
        (days[2], RunState.SKIPPED),
        (days[1], RunState.SKIPPED),
        (DUE, RunState.DONE),
    ]
    assert store.schedule.claim("drift", days[1], CRON) is None
    begun = store.schedule.last_begun("drift")
    assert begun is not None
    assert begun.due_at == DUE


def test_a_dead_run_is_taken_over_once_and_no_more_its_first_owners(store: Store) -> None:
    first = taken(store)
    assert store.schedule.retake("drift", first.started_at) is None, "not old enough"
    later = utc_now() + timedelta(seconds=1)
    won: list[ScheduledRun | None] = []
    ready = threading.Barrier(6)

    def compete() -> None:
        ready.wait()
        won.append(store.schedule.retake("drift", later - timedelta(seconds=1)))

    threads = [threading.Thread(target=compete) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (second,) = [run for run in won if run is not None]
    assert (second.due_at, second.attempts) == (DUE, 2)
    assert second.job_id == first.job_id
    assert not store.schedule.finish(first, RunState.DONE, "do morto")
    assert store.schedule.finish(second, RunState.DONE, "do segundo")
    assert store.schedule.retake("drift", later) is None, "it has ended"


def test_dead_runs_are_taken_over_oldest_first(store: Store) -> None:
    taken(store, DUE + timedelta(days=1))
    taken(store, DUE)
    found = store.schedule.retake("drift", utc_now() + timedelta(seconds=1))
    assert found is not None
    assert found.due_at == DUE
    assert store.schedule.retake("outra", utc_now() + timedelta(seconds=1)) is None


def test_old_rows_go_but_the_newest_of_each_and_what_runs(store: Store) -> None:
    store.schedule.finish(taken(store, DUE), RunState.DONE, "")
    taken(store, DUE + timedelta(days=1))
    store.schedule.note("drift", [DUE + timedelta(days=2)], CRON, RunState.SKIPPED, "")
    store.schedule.note("verdict", [DUE], "0 * * * *", RunState.SEEN, "")
    assert store.schedule.forget(DUE + timedelta(days=30)) == 1
    assert [run.due_at for run in store.schedule.runs("drift")] == [
        DUE + timedelta(days=2),
        DUE + timedelta(days=1),
    ]
    assert store.schedule.newest("verdict") is not None
