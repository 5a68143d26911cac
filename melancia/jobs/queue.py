"""What both job controls do with the table: check, queue, cancel."""

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from melancia.errors import JobNotFoundError
from melancia.jobs.catalog import parameters
from melancia.records import Job
from melancia.store import Store

_ID = re.compile(r"[0-9a-f]{32}")


def enqueue(
    store: Store, name: str, given: Mapping[str, Any], requested_by: str, *, job_id: str | None = None
) -> Job:
    """Queue a job of the allow-list; once for a ``job_id`` of the caller's. Raises InputError, StoreError."""
    checked = parameters(name, given)
    job = Job(name, checked.model_dump(exclude_unset=True), requested_by)
    if job_id is not None:
        with suppress(JobNotFoundError):
            return store.jobs.get(job_id)
        job = replace(job, id=job_id)
    store.jobs.add(job)
    return job


def cancel(store: Store, job_id: str) -> Job:
    """Cancel a queued job, ask a running one to end. Raises JobNotFoundError, StoreError."""
    check_id(job_id)
    return store.jobs.request_cancel(job_id)


def check_id(job_id: str) -> None:
    """Refuse what cannot be an identifier of ours, before it gets into an address or a query.

    Raises JobNotFoundError.
    """
    if not _ID.fullmatch(job_id):
        raise JobNotFoundError("Essa tarefa não existe.", "Confira o identificador.")
