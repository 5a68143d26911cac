"""The worker does actions: by itself, beside a lone page, once for cron, and after another one died."""

from collections.abc import Callable
from functools import partial

import pytest

from melancia.records import ActionState
from melancia.settings import Settings
from melancia.store import Store
from melancia.worker import Pace, Worker
from tests import waiting
from tests.mlops.actions.receiver import Receiver
from tests.mlops.actions.samples import finding
from tests.mlops.actions.test_performing import ALERTS, kept, only

QUICK = Pace(lead=0.1, heartbeat=0.2, actions=0.1)

until = partial(waiting.until, seconds=120)


@pytest.mark.parametrize("lone", [True, False])
def test_two_workers_tell_an_alert_once_and_the_next_one_goes_on(
    store: Store, settings: Callable[..., Settings], receiver: Receiver, lone: bool
) -> None:
    wanted = settings(ALERTS, receiver.url)
    both = [Worker(wanted, store, QUICK, only_experiments=lone) for _ in range(2)]
    for worker in both:
        worker.start()
    try:
        until(lambda: any(worker.leading for worker in both), "a leader")
        first = next(worker for worker in both if worker.leading)
        kept(store, finding())
        until(lambda: only(store).state is ActionState.DONE if store.reports.actions() else False, "an alert")
        first.stop()
        kept(store, finding("latency"))
        until(lambda: len(receiver.taken) == 2, "the other worker's alert")
    finally:
        for worker in both:
            worker.stop()
    assert [taken["figure"] for taken in receiver.taken] == ["failed", "latency"]


def test_one_round_for_cron_does_them_too(
    store: Store, settings: Callable[..., Settings], receiver: Receiver
) -> None:
    kept(store, finding())
    wanted = settings(ALERTS, receiver.url).model_copy(update={"variant": "extractive", "mlflow_url": None})
    worker = Worker(wanted, store)
    worker.once()
    worker.once()
    assert len(receiver.taken) == 1
