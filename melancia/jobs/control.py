"""Whoever starts jobs: subprocesses of this machine, or the launcher's containers. One face for both."""

from collections.abc import Mapping
from typing import Any, Protocol

from melancia.records import Job


class JobControl(Protocol):
    """Starts and cancels jobs; how they are doing is read from the store."""

    def submit(self, name: str, given: Mapping[str, Any], requested_by: str) -> Job:
        """Queue a job. Raises InputError for what the allow-list refuses, JobError when nobody runs it."""

    def cancel(self, job_id: str) -> Job:
        """End a job, or ask for it. Raises JobNotFoundError, JobError."""

    def close(self) -> None:
        """Release what is held; jobs in containers go on."""
