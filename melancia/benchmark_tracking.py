"""Benchmarks → MLflow: each when it ends, and those that MLflow was away for, from their files."""

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from melancia.errors import InputError, TrackingError
from melancia.experiments.files import Files, folder_of, load, saved, telling
from melancia.experiments.results import Report
from melancia.mlops import benchmark_runs
from melancia.mlops.benchmark_runs import BenchmarkResult, ModelResult, QuestionSet, Recorded
from melancia.mlops.client import connect
from melancia.mlops.privacy.files import erase_runs
from melancia.records import content_hash
from melancia.settings import Settings
from melancia.store import Store

_RECENT = 14 * 86_400.0  # seconds: what is older was left out by choice, or belongs to no MLflow
_SETTLED = 60.0  # seconds after which its own process has begun to tell
_LOOKS = 20  # benchmarks of one round

logger = logging.getLogger(__name__)


def track(settings: Settings, report: Report, written: Files, pictures: Sequence[Path]) -> Recorded:
    """Tell MLflow of a benchmark, the same again once it is there. Raises TrackingError."""
    texts = [[question.id, question.text] for question in report.questions]
    paths = (written.data, written.table, written.text, written.configuration)
    return benchmark_runs.record(
        settings,
        BenchmarkResult(
            benchmark_id=report.id,
            mode=report.mode,
            started_at=report.started_at,
            ended_at=report.ended_at,
            complete=report.complete,
            models=[
                ModelResult(summary.variant, summary.metrics(), _answers(report, summary.variant.hash))
                for summary in report.summaries
            ],
            files=[path for path in paths if path.is_file()],
            pictures=pictures,
            params=_params(report),
            questions=QuestionSet(report.mode, content_hash(texts)),
        ),
    )


class MissedBenchmarks:
    """Finds the saved benchmarks that MLflow does not have, and records them."""

    def __init__(self, settings: Settings, store: Store, stop: Callable[[], bool]) -> None:
        self._settings = settings
        self._store = store
        self._stop = stop
        self._seen: dict[str, int] = {}  # benchmark → its file as it was when nothing was left to do
        self._failed: Counter[str] = Counter()

    def record(self) -> int:
        """Look at the newest that were not looked at yet; how many were recorded.

        One that fails does not keep the others. Raises TrackingError when MLflow is away, or refused some.
        """
        wanted = self._wanted()
        if wanted:
            connect(self._settings)  # an MLflow that is away is noticed once, not at each of them
        count, problem = 0, None
        for name, version in wanted:
            if self._stop():
                break
            try:
                done = self._one(name)
            except InputError as error:
                logger.warning("benchmark %s cannot be told to MLflow: %s", name, error)
            except TrackingError as error:
                problem = error
                self._failed[name] += 1
                continue
            except FileNotFoundError:
                continue  # erased meanwhile
            else:
                if done is None:
                    continue
                count += done
            self._seen[name] = version
        if problem is not None:
            raise problem
        return count

    def _wanted(self) -> list[tuple[str, int]]:
        return sorted(self._unseen(), key=lambda found: self._failed[found[0]])[:_LOOKS]

    def _unseen(self) -> Iterator[tuple[str, int]]:
        folder, now = folder_of(self._settings), time.time()
        for name in saved(folder):
            try:
                found = Files.of(folder, name).data.stat()
            except FileNotFoundError:
                continue
            if _SETTLED < now - found.st_mtime < _RECENT and self._seen.get(name) != found.st_mtime_ns:
                yield name, found.st_mtime_ns

    def _one(self, name: str) -> bool | None:
        """Whether it was recorded now; None while its own process does that."""
        folder = folder_of(self._settings)
        written = Files.of(folder, name)
        with telling(written.data) as ours:
            if not ours:
                return None
            report = load(folder, name)
            if benchmark_runs.known(self._settings, name, report.started_at, report.ended_at):
                return False
            pictures = sorted((folder / name).glob("*.png"))
            settings = self._settings.model_copy(update={"job_id": self._job(name)})
            try:
                track(settings, report, written, pictures)
            finally:
                if not written.data.exists():  # erased while it was told
                    erase_runs(self._settings, name)
        logger.info("told MLflow of %s, which it had missed", name)
        return True

    def _job(self, name: str) -> str | None:
        """The job that ran it, if one did."""
        jobs = self._store.jobs.list(200, name="benchmark")
        return next((job.id for job in jobs if (job.result or {}).get("benchmark") == name), None)


def _params(report: Report) -> Mapping[str, Any]:
    options = report.options
    return {
        "questions": len(report.questions),
        "repeats": options.repeats,
        "seed": options.seed,
        "pipeline": options.pipeline,
        "batch": options.batch,
        "judge": options.judge or None,
        "budget": options.budget,
        "index_version": report.index_version,
    }


def _answers(report: Report, variant_hash: str) -> list[Mapping[str, Any]]:
    return [answer.row() for answer in report.answers if answer.variant_hash == variant_hash]
