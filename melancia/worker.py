"""The worker: tells MLflow what the store holds, and keeps Ollama's models, on a schedule. One a database."""

import logging
import signal
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from types import FrameType
from typing import TYPE_CHECKING, Any

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler

from melancia.errors import JobError, MelanciaError, StoreError, TrackingError
from melancia.mlops import rankings
from melancia.mlops.experiment_keeper import ExperimentKeeper
from melancia.mlops.exporter import Exporter, ExportReport
from melancia.mlops.model_keeper import ModelKeeper
from melancia.mlops.registry import mirror
from melancia.mlops.runtime import mirror_placement
from melancia.mlops.verdicts import Kept
from melancia.records import ModelStatus, PolicyState, utc_now
from melancia.settings import Settings
from melancia.store import Store
from melancia.store.lock import WorkerLock

if TYPE_CHECKING:
    from melancia.evals.evaluate import Evaluator

_STANDING = ("lead", "heartbeat")  # jobs that go on while another worker is at work
_BATCH = 10  # things told to MLflow between two looks at whether to stop: a few seconds

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds: between two rounds of each kind, and from a finished pull to the look at its placement."""

    export: float = 5.0
    pulls: float = 60.0
    placement: float = 900.0
    settle: float = 30.0
    lead: float = 5.0
    heartbeat: float = 10.0
    registry: float = 30.0
    guard: float = 5.0
    score: float = 5.0
    adapt: float = 600.0
    verdict: float = 3600.0
    arena: float = 300.0


@dataclass(frozen=True, slots=True)
class Round:
    """What one round of everything came to. ``export`` is None when MLflow is away or not configured."""

    export: ExportReport | None
    export_problem: str
    models: Sequence[ModelStatus]
    verdict: Kept | None = None


class Worker:
    """The schedule, in threads of this process. It works only while it holds the database's lock.

    ``store`` stays the caller's. A worker that finds another one at work waits, and takes over when that
    one ends.
    """

    def __init__(
        self,
        settings: Settings,
        store: Store,
        pace: Pace | None = None,
        keeper: ModelKeeper | None = None,
        *,
        only_experiments: bool = False,
    ) -> None:
        """``only_experiments``: neither MLflow nor Ollama's models are seen to, as beside a lone page."""
        self._only_experiments = only_experiments
        # A round that takes longer than its interval is what we want, and an outage is told once, by us.
        for chatty in ("apscheduler", "urllib3.connectionpool"):
            logging.getLogger(chatty).setLevel(logging.ERROR)
        self._settings = settings
        self._store = store
        self._pace = pace or Pace()
        self._stop = threading.Event()
        self._keeper = keeper or ModelKeeper(settings, store, self._stop)
        self._exporter = Exporter(settings, store)
        self._mirrored: tuple[str, int] | None = None  # the policy that the registry shows
        self._experiments = ExperimentKeeper(store, _evaluator, self._stop)
        self._lock = WorkerLock(settings.store_url)
        self._leading = False
        self._waiting_said = False
        self._idle = threading.Condition()
        self._running = 0  # jobs under way
        self._said: dict[str, str] = {}  # by job, what it last failed with
        self._first_look = True
        self._scheduler = BackgroundScheduler(
            executors={"default": ThreadPoolExecutor(10)},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
            timezone="UTC",
        )

    @property
    def leading(self) -> bool:
        """Whether this is the one that works."""
        return self._leading

    def start(self) -> None:
        """Begin, in the background."""
        self._every(self._pace.lead, "lead", self._lead)
        self._every(self._pace.heartbeat, "heartbeat", self._beat)
        self._scheduler.start()
        logger.info("worker started")

    def stop(self) -> None:
        """End: what runs is interrupted or finishes its batch, and the lock is given up."""
        # APScheduler waits for its jobs with its locks held: a job that asks it something would never end.
        # So ours end first, and those that come now do nothing.
        with self._idle:
            self._stop.set()
            self._idle.wait_for(lambda: not self._running)
        if self._scheduler.running:
            self._scheduler.shutdown(wait=True)
        self._leading = False
        self._lock.release()
        logger.info("worker stopped")

    def once(self) -> Round:
        """One round of everything, here and now. Raises JobError when another worker is at work, StoreError,
        SettingsError."""
        if not self._lock.try_acquire():
            raise JobError(
                "Outro worker já trabalha neste banco.",
                "Ele faz tudo isto sozinho: veja `melancia doctor`, ou pare-o antes.",
            )
        try:
            report, problem = None, ""
            if self._settings.mlflow_url:
                try:
                    report = self._export_all()
                    self._mirror()
                except TrackingError as error:
                    problem = str(error)
            self._keeper.pull_missing()
            mirror_placement(self._settings, self._keeper.check_placement() or ())
            return Round(report, problem, self._store.models.list(), self._look_at_experiments())
        finally:
            self._lock.release()

    def _look_at_experiments(self) -> Kept | None:
        self._experiments.score()
        self._experiments.guard()
        self._experiments.adapt()
        self._rank()
        return self._experiments.conclude()

    def _every(self, seconds: float, name: str, job: Callable[[], None], delay: float = 0.0) -> None:
        self._scheduler.add_job(
            self._guarded(name, job),
            "interval",
            seconds=seconds,
            id=name,
            replace_existing=True,
            next_run_time=utc_now() + timedelta(seconds=delay),
        )

    def _guarded(self, name: str, job: Callable[[], None]) -> Callable[[], None]:
        def run() -> None:
            with self._idle:
                if self._stop.is_set():
                    return
                self._running += 1
            try:
                self._do(name, job)
            finally:
                with self._idle:
                    self._running -= 1
                    self._idle.notify_all()

        return run

    def _do(self, name: str, job: Callable[[], None]) -> None:
        said = ""
        try:
            job()
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

    def _lead(self) -> None:
        """Take the lock when it is free; notice when it is gone."""
        if self._leading:
            if self._lock.held():
                return
            self._leading = False
            for job in self._scheduler.get_jobs():
                if job.id not in _STANDING:
                    job.remove()
        if not self._lock.try_acquire():
            if not self._waiting_said:
                logger.info("another worker is at work on this database: waiting to take over")
                self._waiting_said = True
            return
        self._leading, self._waiting_said, self._first_look = True, False, True
        logger.info("at work: this is the database's worker now")
        self._every(self._pace.guard, "guard", self._guard)
        self._every(self._pace.score, "score", self._score)
        self._every(self._pace.adapt, "adapt", self._adapt)
        self._every(self._pace.verdict, "verdict", self._conclude, delay=self._pace.verdict)
        self._every(self._pace.arena, "arena", self._rank)
        if self._only_experiments:
            return
        if self._settings.mlflow_url:
            self._every(self._pace.export, "export", self._export)
            self._every(self._pace.registry, "registry", self._mirror)
        self._every(self._pace.pulls, "pulls", self._pull)
        self._every(self._pace.placement, "placement", self._place, delay=self._pace.placement)

    def _mirror(self) -> None:
        known = self._store.policies.list()
        policy = next((one for one in known if one.state is PolicyState.RUNNING), next(iter(known), None))
        if policy is not None and self._mirrored != (policy.experiment, policy.version):
            mirror(self._settings, policy)
            self._mirrored = (policy.experiment, policy.version)

    def _guard(self) -> None:
        self._experiments.guard()

    def _score(self) -> None:
        self._experiments.score()

    def _adapt(self) -> None:
        changed = self._experiments.adapt()
        if changed is not None:
            logger.info("experiment %s: version %d. %s", changed.experiment, changed.version, changed.reason)

    def _conclude(self) -> None:
        kept = self._experiments.conclude()
        if kept is not None:
            logger.info("verdict %d on %s: %s", kept.line, kept.verdict.experiment, kept.verdict.status)

    def _rank(self) -> None:
        rankings.refresh(self._store)

    def _beat(self) -> None:
        """Runs on the schedule, so that a schedule that died leaves the file to grow old."""
        self._store.ping()
        file = self._settings.worker_heartbeat_file
        if file is not None:
            file.touch()

    def _export(self) -> None:
        report = self._export_all()
        if report.traced or report.rated or report.failed:
            logger.info(
                "told MLflow of %d interactions and %d ratings; %d failed, %d wait",
                report.traced,
                report.rated,
                report.failed,
                report.backlog,
            )

    def _export_all(self) -> ExportReport:
        """Batch after batch, until nothing is due. Raises TrackingError, StoreError."""
        traced = rated = failed = 0
        while True:
            report = self._exporter.run(_BATCH)
            traced, rated, failed = traced + report.traced, rated + report.rated, failed + report.failed
            # What failed still counts as waiting, but is not due: only progress is a reason to go on.
            progress = report.traced or report.rated
            if not report.backlog or not progress or self._stop.is_set():
                return ExportReport(traced, rated, failed, report.backlog)

    def _pull(self) -> None:
        ready = self._keeper.pull_missing()
        if ready or self._first_look:
            self._first_look = False
            self._look_soon()

    def _look_soon(self) -> None:
        soon = utc_now() + timedelta(seconds=self._pace.settle)
        if self._scheduler.get_job("placement") is not None:
            self._scheduler.modify_job("placement", next_run_time=soon)

    def _place(self) -> None:
        measured = self._keeper.check_placement()
        if measured is None:
            self._look_soon()
        else:
            mirror_placement(self._settings, measured)


def _evaluator() -> "Evaluator":
    from melancia.embeddings.local import LocalEmbeddings
    from melancia.evals.evaluate import Evaluator

    return Evaluator(LocalEmbeddings())


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
        worker = Worker(settings, store)
        worker.start()
        try:
            ended.wait()
        finally:
            worker.stop()
            for number, handler in before.items():
                signal.signal(number, handler)
    finally:
        store.close()


def run_once(settings: Settings) -> Round:
    """One round of everything. Raises JobError when another worker is at work, StoreError, SettingsError."""
    store = Store.open(settings.store_url)
    try:
        return Worker(settings, store).once()
    finally:
        store.close()
