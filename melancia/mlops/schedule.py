"""Does what is due, once: through restarts, beside another worker, and after one that died over it.

A due time belongs to whoever writes its row first. A schedule counts from when it was first seen, or last
changed: a fresh installation does not do at once what was due before. Of the due times at which no worker
was there the newest is made up for, and the older ones are written down as skipped: a report on the present
says no more three times than once. A run whose worker died is done again after ``_DEAD``, at most
``_ATTEMPTS`` times in all: each of ours comes to the same whether done once or twice.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta

from melancia.errors import MelanciaError
from melancia.jobs.queue import enqueue
from melancia.jobs.timetable import DRIFT, NEVER, Timed
from melancia.records import utc_now
from melancia.store import Store
from melancia.store.schedule import RunState, ScheduledRun

_DEAD = timedelta(minutes=10)  # without an end: what a worker does by the clock takes seconds
_ATTEMPTS = 3
_MOST_SKIPPED = 100  # due times that are written down as skipped; those before them are not
_KEPT = timedelta(days=90)

logger = logging.getLogger(__name__)


class Agenda:
    """``actions``: name of a schedule → what it does, which returns in Portuguese what came of it."""

    def __init__(
        self,
        store: Store,
        timetable: Sequence[Timed],
        actions: Mapping[str, Callable[[ScheduledRun], str]],
    ) -> None:
        self._store = store.schedule
        self._timed = {timed.name: timed for timed in timetable}
        self._actions = actions

    def look(self, name: str) -> ScheduledRun | None:
        """Do what is due of a schedule; the run as it ended, or None when nothing was. Raises StoreError."""
        run = self._broken(name) or self._due(self._timed[name])
        if run is None:
            return None
        try:
            state, outcome = RunState.DONE, self._actions[name](run)
        except MelanciaError as error:
            state, outcome = RunState.FAILED, str(error)
            logger.warning("%s, due %s: %s", name, run.due_at.isoformat(), error)
        except Exception as error:
            state, outcome = RunState.FAILED, f"Falha inesperada ({type(error).__name__})."
            logger.exception("%s, due %s", name, run.due_at.isoformat())
        self._store.finish(run, state, outcome)
        logger.info("%s, due %s: %s. %s", name, run.due_at.isoformat(), state, outcome)
        return self._store.last_begun(name)

    def forget(self) -> None:
        """Remove rows that nobody reads any more. Raises StoreError."""
        self._store.forget(utc_now() - _KEPT)

    def _broken(self, name: str) -> ScheduledRun | None:
        """A run whose worker died, to be done again."""
        run = self._store.retake(name, utc_now() - _DEAD)
        if run is not None and run.attempts > _ATTEMPTS:
            said = f"Interrompida {_ATTEMPTS} vezes com o processo que a fazia: não é tentada de novo."
            self._store.finish(run, RunState.FAILED, said)
            logger.error("%s, due %s: given up, its worker died over it", name, run.due_at.isoformat())
            return None
        return run

    def _due(self, timed: Timed) -> ScheduledRun | None:
        newest, now = self._store.newest(timed.name), utc_now()
        cron = timed.cron.text if timed.cron else NEVER
        if newest is None or newest.cron != cron:
            # Newer than every row, also where the clock was set back.
            seen = now if newest is None else max(now, newest.due_at + timedelta(microseconds=1))
            self._store.note(timed.name, [seen], cron, RunState.SEEN, "Agenda vista pela primeira vez.")
            return None
        if timed.cron is None:
            return None
        due = timed.cron.due(newest.due_at, now, _MOST_SKIPPED + 1)
        if not due:
            return None
        # The skipped ones first: whoever dies in between leaves the newest to be found.
        skipped = "Não havia worker nesse horário; vale o mais recente."
        self._store.note(timed.name, due[:-1], cron, RunState.SKIPPED, skipped)
        return self._store.claim(timed.name, due[-1], cron)


def queue_drift(store: Store, run: ScheduledRun) -> str:
    """Queue the drift report of a run, once however often it is tried; what came of it.

    Its windows are the settings', which the job knows too: what they name may be a file, and that no
    parameter may be. Whoever runs jobs finds it in the table: the launcher, the page or the worker.
    Raises InputError, StoreError.
    """
    job = enqueue(store, DRIFT, {}, "agenda", job_id=run.job_id)
    return f"Tarefa {job.id[:8]} na fila."
