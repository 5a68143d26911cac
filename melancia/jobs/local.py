"""Jobs as subprocesses of this machine, for the embedded mode."""

from collections.abc import Mapping
from typing import Any

from melancia.errors import JobError
from melancia.jobs.dispatcher import Dispatcher
from melancia.jobs.processes import Processes
from melancia.jobs.queue import cancel, enqueue
from melancia.records import Job
from melancia.settings import Settings
from melancia.store import Store

_CLOSED = "o processo que a rodava foi encerrado"


class LocalJobs:
    """Queues jobs in the store and runs them, until it is closed. Queued ones wait for the next start."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self._store = store
        self._dispatcher = Dispatcher(store.jobs, Processes(settings))
        self._closed = False
        self._dispatcher.start()

    def submit(self, name: str, given: Mapping[str, Any], requested_by: str) -> Job:
        """Queue a job. Raises InputError for what is not allowed, JobError once closed, StoreError."""
        if self._closed:
            raise JobError("Nenhuma tarefa pode começar: a página foi encerrada.", "Inicie-a de novo.")
        job = enqueue(self._store, name, given, requested_by)
        self._dispatcher.wake()
        return job

    def cancel(self, job_id: str) -> Job:
        """End a job, or ask for it. Raises JobNotFoundError, StoreError."""
        job = cancel(self._store, job_id)
        self._dispatcher.wake()
        return job

    def close(self) -> None:
        """Stop; end what runs and record why. A second time does nothing."""
        if self._closed:
            return
        self._closed = True
        self._dispatcher.stop()
        self._dispatcher.end_all(_CLOSED)
