"""The worker as a process of its own: until a signal, or once."""

import logging
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import FrameType
from typing import Any

from melancia.jobs import job_control
from melancia.mlops.actions.performing import Actions
from melancia.settings import Settings
from melancia.store import Store
from melancia.worker.worker import Round, Worker

_WAKE = 1.0  # seconds in which a signal is noticed
_LOOK = 0.5  # seconds between two looks at whether the queue is empty

logger = logging.getLogger(__name__)


def run_worker(settings: Settings) -> None:
    """Work until SIGTERM or SIGINT. Raises StoreError, SettingsError."""
    store = Store.open(settings.store_url)
    try:
        ended = threading.Event()

        def end(number: int, _frame: FrameType | None) -> None:
            logger.info("stopping (%s)", signal.Signals(number).name)
            ended.set()

        before: dict[int, Any] = {
            number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)
        }
        try:
            worker = Worker(settings, store)
            with _jobs_run(settings, store):
                worker.start()
                try:
                    # The system may hand the signal to another thread: this one must wake up to see it.
                    while not ended.wait(_WAKE):
                        pass
                finally:
                    worker.stop()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
    finally:
        store.close()


def run_once(settings: Settings) -> Round:
    """One round of everything; where jobs run in this process, those that wait run to their end.

    Raises JobError when another worker is at work, StoreError, SettingsError.
    """
    store = Store.open(settings.store_url)
    try:
        worker = Worker(settings, store)
        done = worker.once()
        waiting = store.jobs.open()
        if waiting and runs_jobs(settings):
            with _jobs_run(settings, store):
                while store.jobs.open():
                    time.sleep(_LOOK)
            Actions(settings, store).run()  # what a report made just now leads to
        return replace(done, jobs=[store.jobs.get(job.id) for job in waiting])
    finally:
        store.close()


def runs_jobs(settings: Settings) -> bool:
    """Whether a worker starts the jobs itself, as a page without a stack does.

    With a launcher, that one reads the same table. Without one, whoever runs a job is known by its process,
    so only those of one machine may share the table: those who share a file.
    """
    return not settings.launcher_url and settings.store_url.startswith("sqlite:")


@contextmanager
def _jobs_run(settings: Settings, store: Store) -> Iterator[None]:
    """Jobs are started for as long as this lasts, if that is ours to do."""
    if not runs_jobs(settings):
        if not settings.launcher_url:
            logger.warning("no launcher is configured: jobs wait for a page or a launcher on this database")
        yield
        return
    jobs = job_control(settings, store)
    try:
        yield
    finally:
        jobs.close()
