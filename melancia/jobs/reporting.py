"""How a job tells how far it is: into its row, when it was started as a job; nowhere, when it was not."""

import logging
from collections.abc import Mapping
from typing import Any

from melancia.errors import MelanciaError
from melancia.settings import Settings
from melancia.store import Store

logger = logging.getLogger(__name__)


class Reporter:
    """Writes progress into the job of ``settings.job_id``. A store that fails does not stop the job."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self._job_id = settings.job_id
        self._store = store

    def progress(self, share: float | None, message: str) -> bool:
        """Say how far the job is; False when it should stop, because it was ended from outside."""
        if self._job_id is None:
            return True
        try:
            return self._store.jobs.report(self._job_id, share, message)
        except MelanciaError as error:
            logger.warning("progress of job %s not recorded: %s", self._job_id, error)
            return True

    def run(self, run_id: str) -> None:
        """Keep the job's MLflow run."""
        if self._job_id is not None:
            self._store.jobs.set_run(self._job_id, run_id)

    def result(self, found: Mapping[str, Any], run_id: str | None = None) -> None:
        """Keep what the job found."""
        if self._job_id is not None:
            self._store.jobs.set_result(self._job_id, found, run_id)
