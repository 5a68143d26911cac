"""The loop that makes what runs agree with the jobs table, whoever runs it.

All that it knows is in the table and at the runner: a dispatcher that starts anew goes on where another one
stopped. What it keeps in memory only spares repetition.
"""

import logging
import threading
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager

from melancia.errors import EngineUnavailableError, InputError, JobError, JobNotFoundError, MelanciaError
from melancia.jobs.catalog import parameters
from melancia.jobs.runner import Execution, Runner, Stage, explain
from melancia.records import Job, JobState, utc_now
from melancia.store.jobs import JobStore

logger = logging.getLogger(__name__)


class Dispatcher:
    """Starts queued jobs in order, one of a kind at a time, and records how they go and end.

    ``start_within``: seconds from the claim until a job must run. ``grace``: seconds between the request to
    end and the end by force. ``every``: seconds between two looks.
    """

    def __init__(
        self,
        jobs: JobStore,
        runner: Runner,
        *,
        start_within: float = 60.0,
        grace: float = 10.0,
        every: float = 1.0,
    ) -> None:
        self._jobs = jobs
        self._runner = runner
        self._start_within = start_within
        self._grace = grace
        self._every = every
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._claimed: set[str] = set()
        self._asked: dict[str, float] = {}  # job → when it was asked to end
        self._logs: dict[str, str] = {}
        self._trouble: dict[str, str] = {}

    @property
    def alive(self) -> bool:
        """Whether the loop goes on."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """Begin the loop, in a thread."""
        self._stopping.clear()
        self._thread = threading.Thread(target=self._loop, name="melancia-jobs", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Look now instead of at the next tick."""
        self._wake.set()

    def stop(self) -> None:
        """End the loop after the present look. What runs goes on."""
        self._stopping.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def tick(self) -> None:
        """Look once. Raises StoreError, JobError when the table or the runner do not answer at all."""
        # The table first: what it says runs was made before, so what is missing at the runner is really gone.
        jobs = self._jobs.open()
        executions = {found.job_id: found for found in self._runner.executions()}
        busy = self._sweep(executions, {job.id for job in jobs})
        for job in jobs:
            if job.state is JobState.RUNNING:
                with self._retried(job.id):
                    if self._watch(job, executions.get(job.id)):
                        continue
                busy.add(job.name)
        for job in jobs:
            if job.state is JobState.QUEUED and job.name not in busy:
                busy.add(job.name)
                with self._retried(job.id):
                    if self._jobs.claim(job.id):
                        self._claimed.add(job.id)
                        self._launch(job)

    def end_all(self, reason: str) -> None:
        """End what runs, gently at first, and record ``reason``. For executions that die with their runner.

        The loop must be stopped. A store that fails is logged: the executions end all the same.
        """
        running = [found for found in self._runner.executions() if found.stage is not Stage.ENDED]
        for found in running:
            self._runner.ask_to_end(found.handle)
        deadline = time.monotonic() + self._grace
        while time.monotonic() < deadline and any(
            found.stage is not Stage.ENDED for found in self._runner.executions()
        ):
            time.sleep(0.05)
        interrupted = {found.job_id for found in running}
        for found in running:
            self._runner.kill(found.handle)
        for found in self._runner.executions():
            with self._retried(found.job_id):
                job = self._jobs.get(found.job_id)
                self._end(job, found, reason if found.job_id in interrupted else "")
            self._runner.remove(found.handle)

    def _loop(self) -> None:
        while not self._stopping.is_set():
            try:
                with self._retried("jobs"):
                    self.tick()
            except Exception:
                # Whatever it was, the other jobs must not wait for a restart.
                logger.exception("a look at the jobs failed")
            self._wake.wait(self._every)
            self._wake.clear()

    def _sweep(self, executions: Mapping[str, Execution], known: Collection[str]) -> set[str]:
        """Remove executions whose job has ended; the kinds of those that could not be removed."""
        left = set()
        for found in executions.values():
            if found.job_id in known:
                continue
            removed = False
            with self._retried(found.handle):
                try:
                    if self._jobs.get(found.job_id).state.final:
                        self._runner.remove(found.handle)
                        removed = True
                except JobNotFoundError:
                    removed = True  # another installation's, on the same engine: none of our business
            if not removed:
                left.add(found.kind)
        return left

    def _watch(self, job: Job, found: Execution | None) -> bool:
        """Bring one running job up to date. Whether it has ended."""
        if found is None:
            return self._miss(job)
        if job.handle != found.handle:
            self._jobs.set_handle(job.id, found.handle)
        if found.stage is Stage.CREATED:
            return self._begin(job, found.handle)
        if found.stage is Stage.ENDED:
            self._end(job, found)
            self._runner.remove(found.handle)
            return True
        if found.stage is Stage.RUNNING:
            if job.cancel_requested:
                self._press(job.id, found.handle)
            self._keep_log(job.id, self._runner.log(found.handle))
        return False

    def _miss(self, job: Job) -> bool:
        """A running job without an execution: lost, or not made yet."""
        if job.handle:
            reason = self._runner.lost(job)
            return reason is not None and self._finish(job, reason)
        if job.cancel_requested:
            return self._finish(job, "")
        if self._late(job):
            return self._finish(job, self._never_started(job))
        if self._runner.idempotent or job.id in self._claimed:
            self._launch(job)
        return False

    def _launch(self, job: Job) -> None:
        """Make and start the execution of a claimed job; what is refused for good ends it."""
        with self._refusable(job):
            # Checked once more: the row may have been written by somebody else than the one who checks.
            arguments = parameters(job.name, job.parameters).arguments()
            handle = self._runner.create(job, arguments)
            # Known before it starts: an execution that is there no more must not be taken for a new one.
            self._jobs.set_handle(job.id, handle)
            self._runner.start(handle)

    def _begin(self, job: Job, handle: str) -> bool:
        """Start what was made and not started, unless it is too late or no longer wanted."""
        if not job.cancel_requested and not self._late(job):
            with self._refusable(job):
                self._runner.start(handle)
            return False
        self._finish(job, "" if job.cancel_requested else self._never_started(job))
        self._runner.remove(handle)
        return True

    @contextmanager
    def _refusable(self, job: Job) -> Iterator[None]:
        try:
            yield
        except EngineUnavailableError:
            raise
        except (InputError, JobError) as refusal:
            self._finish(job, str(refusal))  # its execution, if one was made, is swept at the next look

    def _press(self, job_id: str, handle: str) -> None:
        now = time.monotonic()
        if job_id not in self._asked:
            self._runner.ask_to_end(handle)
            self._asked[job_id] = now
        elif now - self._asked[job_id] > self._grace:
            self._runner.kill(handle)

    def _end(self, job: Job, found: Execution, reason: str = "") -> None:
        """Record how an execution ended. The log comes first: whoever sees the end sees it whole."""
        self._keep_log(job.id, self._runner.log(found.handle))
        code = found.exit_code
        # One that ended well before it was asked to end has succeeded, whoever wanted otherwise.
        succeeded = code == 0 and not reason and job.id not in self._asked
        error = reason or found.reason
        if not succeeded and not error:
            error = explain(code, self._runner.last_words(found.handle))
        self._finish(job, error, code, succeeded=succeeded)

    def _finish(self, job: Job, error: str, code: int | None = None, *, succeeded: bool = False) -> bool:
        if succeeded:
            self._jobs.finish(job.id, JobState.SUCCEEDED, exit_code=code)
        elif job.cancel_requested:
            self._jobs.finish(job.id, JobState.CANCELLED, exit_code=code)
        else:
            self._jobs.finish(job.id, JobState.FAILED, exit_code=code, error=error.replace("\0", "�"))
            logger.warning("job %s (%s) failed: %s", job.id, job.name, error)
        self._claimed.discard(job.id)
        for kept in (self._asked, self._logs, self._trouble):
            kept.pop(job.id, None)
        return True

    def _keep_log(self, job_id: str, text: str) -> None:
        if self._logs.get(job_id) != text:
            self._jobs.set_log(job_id, text.replace("\0", "�"))  # PostgreSQL keeps no NUL in a text
            self._logs[job_id] = text

    def _late(self, job: Job) -> bool:
        waited = (utc_now() - job.started_at).total_seconds() if job.started_at else 0.0
        return waited > self._start_within

    def _never_started(self, job: Job) -> str:
        said = f"não começou em {self._start_within:.0f} s"
        trouble = self._trouble.get(job.id)
        return f"{said}: {trouble}" if trouble else said

    @contextmanager
    def _retried(self, what: str) -> Iterator[None]:
        """Log a failure, once for as long as it stays the same; the next look tries again."""
        try:
            yield
        except MelanciaError as error:
            if self._trouble.get(what) != str(error):
                logger.warning("%s: %s (tried again at the next look)", what, error)
            self._trouble[what] = str(error)
        else:
            if self._trouble.pop(what, None) is not None:
                logger.info("%s: all right again", what)
