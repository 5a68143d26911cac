"""The chores: tells MLflow what the store holds, keeps Ollama's models and experiments, does what is due."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING

from melancia.agent.cache import AnswerCache
from melancia.benchmark_tracking import MissedBenchmarks
from melancia.errors import JobError, TrackingError
from melancia.jobs.timetable import DRIFT, RETENTION, VERDICT, timetable
from melancia.mlops import rankings
from melancia.mlops.actions.performing import Actions
from melancia.mlops.experiment_keeper import ExperimentKeeper
from melancia.mlops.exporter import Exporter, ExportReport
from melancia.mlops.model_keeper import ModelKeeper
from melancia.mlops.privacy.erase import finish_pending
from melancia.mlops.registry import mirror
from melancia.mlops.retention import purge
from melancia.mlops.runtime import mirror_placement
from melancia.mlops.schedule import Agenda, queue_drift
from melancia.mlops.verdicts import Kept
from melancia.records import Job, ModelStatus, PolicyState
from melancia.settings import Settings
from melancia.store import Store
from melancia.store.lock import WorkerLock
from melancia.store.schedule import ScheduledRun
from melancia.worker.clockwork import Clockwork

if TYPE_CHECKING:
    from melancia.evals.evaluate import Evaluator
    from melancia.mlops.drift.missed import MissedReports

# Chores that go on while another worker is at work. Only the process that has the answer cache open, the
# page's, can erase from it.
_STANDING = ("lead", "heartbeat", "erasures")
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
    arena: float = 300.0
    actions: float = 30.0
    schedule: float = 15.0
    erasures: float = 60.0
    missed: float = 60.0


@dataclass(frozen=True, slots=True)
class Round:
    """What one round of everything came to. ``export`` is None when MLflow is away or not configured.

    ``export_problem``: why nothing was sent, or why the registry of models does not show the experiment.
    ``missed_benchmarks``, ``missed_reports``: how many MLflow was told of now, because it had missed them.
    ``runs``: what was due on the schedule, as it ended. ``jobs``: those that waited, as they ended if they
    were run here.
    """

    export: ExportReport | None
    export_problem: str
    models: Sequence[ModelStatus]
    verdict: Kept | None = None
    runs: Sequence[ScheduledRun] = ()
    jobs: Sequence[Job] = ()
    missed_benchmarks: int = 0
    missed_reports: int = 0


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
        cache: AnswerCache | None = None,
        only_experiments: bool = False,
    ) -> None:
        """``cache``: the one that this process has open.

        ``only_experiments``: neither MLflow nor Ollama's models are seen to, as beside a lone page.

        Raises SettingsError for a schedule that cannot be read.
        """
        self._only_experiments = only_experiments
        self._settings = settings
        self._store = store
        self._cache = cache
        self._pace = pace or Pace()
        self._clockwork = Clockwork()
        self._stop = self._clockwork.stopping
        self._keeper = keeper or ModelKeeper(settings, store, self._stop)
        self._exporter = Exporter(settings, store)
        self._missed_benchmarks = MissedBenchmarks(settings, store, self._stop.is_set)
        self._mirrored: tuple[str, int] | None = None  # the policy that the registry shows
        self._experiments = ExperimentKeeper(store, _evaluator, self._stop)
        self._actions = Actions(settings, store)
        self._timetable = timetable(settings)
        by_the_clock: dict[str, Callable[[ScheduledRun], str]] = {
            DRIFT: partial(queue_drift, store),
            VERDICT: self._conclude,
            RETENTION: self._purge,
        }
        self._agenda = Agenda(store, self._timetable, by_the_clock)
        self._kept: Kept | None = None  # the newest verdict of this process
        self._lock = WorkerLock(settings.store_url)
        self._leading = False
        self._waiting_said = False
        self._first_look = True

    @cached_property
    def _missed_reports(self) -> "MissedReports":
        from melancia.mlops.drift.missed import MissedReports  # a page beside which it works does without

        return MissedReports(self._settings, self._store, self._stop.is_set)

    @property
    def leading(self) -> bool:
        """Whether this is the one that works."""
        return self._leading

    def start(self) -> None:
        """Begin, in the background."""
        self._clockwork.every(self._pace.lead, "lead", self._lead)
        self._clockwork.every(self._pace.heartbeat, "heartbeat", self._beat)
        self._clockwork.every(self._pace.erasures, "erasures", self._erase)
        self._clockwork.start()
        logger.info("worker started")

    def stop(self) -> None:
        """End: what runs is interrupted or finishes its batch, and the lock is given up."""
        self._clockwork.stop()
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
            benchmarks = reports = 0
            if self._settings.mlflow_url:
                try:
                    report = self._export_all()
                    self._mirror()
                    benchmarks = self._missed_benchmarks.record()
                    reports = self._missed_reports.record()
                except TrackingError as error:
                    problem = str(error)
            self._keeper.pull_missing()
            mirror_placement(self._settings, self._keeper.check_placement() or ())
            self._look_at_experiments()
            runs = [run for timed in self._timetable if (run := self._agenda.look(timed.name))]
            # A verdict a round, as it is asked for, whether or not its hour has come.
            verdict = self._kept or self._experiments.conclude()
            self._actions.run()
            self._erase()
            models = self._store.models.list()
            return Round(
                report,
                problem,
                models,
                verdict,
                runs,
                missed_benchmarks=benchmarks,
                missed_reports=reports,
            )
        finally:
            self._lock.release()

    def _look_at_experiments(self) -> None:
        self._experiments.score()
        self._experiments.guard()
        self._experiments.adapt()
        self._rank()

    def _lead(self) -> None:
        """Take the lock when it is free; notice when it is gone."""
        if self._leading:
            if self._lock.held():
                return
            self._leading = False
            self._clockwork.keep_only(_STANDING)
        if not self._lock.try_acquire():
            if not self._waiting_said:
                logger.info("another worker is at work on this database: waiting to take over")
                self._waiting_said = True
            return
        self._leading, self._waiting_said, self._first_look = True, False, True
        logger.info("at work: this is the database's worker now")
        self._clockwork.every(self._pace.guard, "guard", self._guard)
        self._clockwork.every(self._pace.score, "score", self._score)
        self._clockwork.every(self._pace.adapt, "adapt", self._adapt)
        self._clockwork.every(self._pace.arena, "arena", self._rank)
        self._clockwork.every(self._pace.actions, "actions", self._actions.run)
        for timed in self._timetable:
            # The table says what is due, not the clock of this process: it may have just begun.
            self._clockwork.every(self._pace.schedule, timed.name, partial(self._agenda.look, timed.name))
        if self._only_experiments:
            return
        if self._settings.mlflow_url:
            self._clockwork.every(self._pace.export, "export", self._export)
            self._clockwork.every(self._pace.registry, "registry", self._mirror)
            self._clockwork.every(self._pace.missed, "missed benchmarks", self._missed_benchmarks.record)
            self._clockwork.every(self._pace.missed, "missed reports", self._missed_reports.record)
        self._clockwork.every(self._pace.pulls, "pulls", self._pull)
        self._clockwork.every(self._pace.placement, "placement", self._place, delay=self._pace.placement)

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

    def _conclude(self, _run: ScheduledRun) -> str:
        self._kept = self._experiments.conclude()
        if self._kept is None:
            return "Nenhum experimento em andamento."
        return f"{self._kept.verdict.experiment}: {self._kept.verdict.text}"

    def _purge(self, _run: ScheduledRun) -> str:
        self._agenda.forget()
        if self._settings.retention_days:
            return purge(self._store, self._settings, stop=self._stop.is_set).summary
        return "Sem prazo (MELANCIA_RETENTION_DAYS=0): nada a remover."

    def _erase(self) -> None:
        """What was erased on request while MLflow, say, was away."""
        finish_pending(self._settings, self._store, self._cache, self._stop.is_set)

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
            self._clockwork.soon("placement", self._pace.settle)

    def _place(self) -> None:
        measured = self._keeper.check_placement()
        if measured is None:
            self._clockwork.soon("placement", self._pace.settle)
        else:
            mirror_placement(self._settings, measured)


def _evaluator() -> "Evaluator":
    from melancia.embeddings.local import LocalEmbeddings
    from melancia.evals.evaluate import Evaluator

    return Evaluator(LocalEmbeddings())
