"""Chores in threads, each again and again: none twice at once, and none that fails stops the others."""

import logging
import threading
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from datetime import timedelta

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.base import JobLookupError
from apscheduler.schedulers.background import BackgroundScheduler

from melancia.errors import MelanciaError, StoreError, TrackingError
from melancia.records import utc_now

_THREADS = 12
_LOOK = 1.0  # seconds between two looks at the clock, and by how much it may go back unnoticed

logger = logging.getLogger(__name__)


class Clockwork:
    """``stopping`` is set when it ends: a chore that takes long looks at it."""

    def __init__(self) -> None:
        # A round that takes longer than its interval is what we want, and an outage is told once, by us.
        for chatty in ("apscheduler", "urllib3.connectionpool"):
            logging.getLogger(chatty).setLevel(logging.ERROR)
        self.stopping = threading.Event()
        self._idle = threading.Condition()
        self._running = 0  # chores under way
        self._said: dict[str, str] = {}  # by chore, what it last failed with
        self.scheduler = BackgroundScheduler(
            executors={"default": ThreadPoolExecutor(_THREADS)},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
            timezone="UTC",
        )

    def every(self, seconds: float, name: str, chore: Callable[[], object], delay: float = 0.0) -> None:
        """Do ``chore`` after ``delay`` seconds and then every so many."""
        self.scheduler.add_job(
            self._guarded(name, chore),
            "interval",
            seconds=seconds,
            id=name,
            replace_existing=True,
            next_run_time=utc_now() + timedelta(seconds=delay),
        )

    def soon(self, name: str, seconds: float) -> None:
        """Do a chore that there is in so many seconds, and then at its pace."""
        if self.scheduler.get_job(name) is not None:
            self.scheduler.modify_job(name, next_run_time=utc_now() + timedelta(seconds=seconds))

    def keep_only(self, names: Collection[str]) -> None:
        """Do the other chores no more."""
        for job in self.scheduler.get_jobs():
            if job.id not in names:
                job.remove()

    def start(self) -> None:
        """Begin, in the background."""
        self.scheduler.start()
        threading.Thread(target=self._watch_clock, name="melancia-clock", daemon=True).start()

    def _watch_clock(self) -> None:
        """The scheduler goes by the wall clock: set back by an hour, it would do nothing for one."""
        before = time.time() - time.monotonic()
        while not self.stopping.wait(_LOOK):
            now = time.time() - time.monotonic()
            if now < before - _LOOK:
                logger.info("the clock was set back by %.0f s", before - now)
                self._shift(timedelta(seconds=now - before))
            before = now

    def _shift(self, by: timedelta) -> None:
        for job in self.scheduler.get_jobs():
            with suppress(JobLookupError):  # removed meanwhile
                job.modify(next_run_time=job.next_run_time + by)

    def stop(self) -> None:
        """End: what runs looks at ``stopping`` or ends by itself, and is waited for."""
        # APScheduler waits for its jobs with its locks held: a job that asks it something would never end.
        # So ours end first, and those that come now do nothing.
        with self._idle:
            self.stopping.set()
            self._idle.wait_for(lambda: not self._running)
        if self.scheduler.running:
            self.scheduler.shutdown(wait=True)

    def _guarded(self, name: str, chore: Callable[[], object]) -> Callable[[], None]:
        def run() -> None:
            with self._idle:
                if self.stopping.is_set():
                    return
                self._running += 1
            try:
                self._do(name, chore)
            finally:
                with self._idle:
                    self._running -= 1
                    self._idle.notify_all()

        return run

    def _do(self, name: str, chore: Callable[[], object]) -> None:
        said = ""
        try:
            chore()
        except MelanciaError as error:
            said = str(error)
            # The same outage every five seconds is one event.
            if self._said.get(name) != said:
                logger.warning(
                    "%s: %s", name, error, exc_info=not isinstance(error, StoreError | TrackingError)
                )
        except Exception as error:
            # The schedule outlives any round; the line and its trace are what remains.
            said = f"{type(error).__name__}: {error}"
            if self._said.get(name) != said:
                logger.exception("%s failed", name)
        if not said and self._said.get(name):
            logger.info("%s: works again", name)
        self._said[name] = said
