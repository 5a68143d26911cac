"""The jobs table: the queue, what runs, and what came of it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa

from melancia.errors import JobNotFoundError
from melancia.records import Job, JobState, utc_now
from melancia.store.database import translated
from melancia.store.tables import jobs

LOG_TAIL_CHARS = 20_000
_OPEN = (JobState.QUEUED.value, JobState.RUNNING.value)


class JobStore:
    """Jobs by id. Thread-safe; each method is one transaction; failures are StoreError."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def add(self, job: Job) -> None:
        """Put a job into the queue."""
        values = {**asdict(job), "parameters": dict(job.parameters), "state": job.state.value}
        with translated(), self._engine.begin() as connection:
            connection.execute(jobs.insert().values(values))

    def get(self, job_id: str) -> Job:
        """One job. Raises JobNotFoundError."""
        with translated(), self._engine.connect() as connection:
            row = connection.execute(sa.select(jobs).where(jobs.c.id == job_id)).mappings().first()
        if row is None:
            raise JobNotFoundError("Essa tarefa não existe.", "Confira o identificador.")
        return _job(row)

    def list(self, limit: int = 50, *, name: str | None = None) -> Sequence[Job]:
        """The latest jobs, newest first."""
        query = sa.select(jobs).order_by(jobs.c.created_at.desc(), jobs.c.id).limit(limit)
        if name is not None:
            query = query.where(jobs.c.name == name)
        with translated(), self._engine.connect() as connection:
            return [_job(row) for row in connection.execute(query).mappings()]

    def open(self) -> Sequence[Job]:
        """Queued and running jobs, oldest first."""
        query = sa.select(jobs).where(jobs.c.state.in_(_OPEN)).order_by(jobs.c.created_at, jobs.c.id)
        with translated(), self._engine.connect() as connection:
            return [_job(row) for row in connection.execute(query).mappings()]

    def claim(self, job_id: str) -> bool:
        """Take a queued job to run it: True for exactly one of those who try."""
        return self._change(
            job_id, JobState.QUEUED, state=JobState.RUNNING.value, started_at=utc_now(), message="Iniciando…"
        )

    def report(self, job_id: str, progress: float | None, message: str) -> bool:
        """Say how far a running job is. False when it runs no more (cancelled, given up)."""
        return self._change(job_id, JobState.RUNNING, progress=progress, message=message)

    def set_result(self, job_id: str, result: Mapping[str, Any], run_id: str | None = None) -> None:
        """Keep what a running job found, and its MLflow run."""
        self._change(job_id, JobState.RUNNING, result=dict(result), run_id=run_id)

    def set_run(self, job_id: str, run_id: str) -> None:
        """Keep a running job's MLflow run, as soon as it has one."""
        self._change(job_id, JobState.RUNNING, run_id=run_id)

    def set_handle(self, job_id: str, handle: str) -> None:
        """Keep which container or process runs the job."""
        self._change(job_id, JobState.RUNNING, handle=handle)

    def set_log(self, job_id: str, text: str) -> None:
        """Keep the end of a job's log, whatever its state."""
        with translated(), self._engine.begin() as connection:
            connection.execute(
                jobs.update().where(jobs.c.id == job_id).values(log_tail=text[-LOG_TAIL_CHARS:])
            )

    def finish(self, job_id: str, state: JobState, *, exit_code: int | None = None, error: str = "") -> bool:
        """End an open job. False when it had ended already: the first word stands."""
        values: dict[str, Any] = {
            "state": state.value,
            "ended_at": utc_now(),
            "exit_code": exit_code,
            "error": error,
        }
        if state is JobState.SUCCEEDED:
            values["progress"] = 1.0
        with translated(), self._engine.begin() as connection:
            done = connection.execute(
                jobs.update().where(jobs.c.id == job_id, jobs.c.state.in_(_OPEN)).values(values)
            )
        return bool(done.rowcount)

    def request_cancel(self, job_id: str) -> Job:
        """Cancel a queued job at once; ask for it when it runs. Raises JobNotFoundError."""
        if not self._change(
            job_id, JobState.QUEUED, state=JobState.CANCELLED.value, ended_at=utc_now(), cancel_requested=True
        ):
            self._change(job_id, JobState.RUNNING, cancel_requested=True)
        return self.get(job_id)

    def _change(self, job_id: str, present: JobState, /, **values: Any) -> bool:
        with translated(), self._engine.begin() as connection:
            done = connection.execute(
                jobs.update().where(jobs.c.id == job_id, jobs.c.state == present.value).values(values)
            )
        return bool(done.rowcount)


def _job(row: Mapping[Any, Any]) -> Job:
    return Job(**{**row, "state": JobState(row["state"])})
