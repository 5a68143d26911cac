"""What monitoring asks of the database, on both of them."""

import time
from dataclasses import replace
from uuid import uuid4

import sqlalchemy as sa

from melancia.records import Action, ActionState, Job, JobState, utc_now
from melancia.store import Store
from melancia.store.lock import WorkerLock
from tests.postgres import create_database


def test_jobs_are_counted_by_state(store: Store) -> None:
    assert set(store.gauges.jobs().values()) == {0}
    for _ in range(3):
        store.jobs.add(Job("ingest", {}, "ana"))
    first = store.jobs.list()[0]
    store.jobs.finish(first.id, JobState.FAILED, exit_code=1)
    counted = store.gauges.jobs()
    assert counted == dict.fromkeys(JobState, 0) | {JobState.QUEUED: 2, JobState.FAILED: 1}


def test_actions_are_counted_until_somebody_puts_them_away(store: Store) -> None:
    one = Action("a", None, "r", "alert", "…")
    for action in (one, replace(one, key="b", id="b"), replace(one, key="c", id="c", kind="hold")):
        store.reports.plan(action)
    store.reports.settle("b", ActionState.FAILED, error="…", detail={})
    store.reports.dismiss("c")
    assert store.gauges.actions() == {("alert", ActionState.PLANNED): 1, ("alert", ActionState.FAILED): 1}


def test_a_worker_is_seen_while_it_holds_the_lock(url: str) -> None:
    store, lock = Store.open(url), WorkerLock(url)
    assert not store.gauges.worker().present
    assert lock.try_acquire()
    assert store.gauges.worker().present
    # Whoever looked has taken nothing.
    lock.release()
    assert not store.gauges.worker().present
    assert lock.try_acquire()
    lock.release()
    store.close()


def test_a_worker_on_postgresql_is_seen_with_its_last_sign_of_life(postgres: sa.URL) -> None:
    url = create_database(postgres, uuid4().hex)
    other = Store.open(create_database(postgres, uuid4().hex))
    store, lock = Store.open(url), WorkerLock(url)
    assert not store.gauges.worker().present
    assert lock.try_acquire()
    first = store.gauges.worker()
    assert first.present
    assert first.seen_at is not None
    assert abs((utc_now() - first.seen_at).total_seconds()) < 60
    assert lock.held()
    later = store.gauges.worker().seen_at
    assert later is not None
    assert later > first.seen_at
    # Another database of the same server has no worker.
    assert not other.gauges.worker().present
    lock.release()
    deadline = time.monotonic() + 30  # the server sees to the end of a session in its own time
    while store.gauges.worker().present:
        assert time.monotonic() < deadline
    store.close()
    other.close()
