"""Benchmarks → MLflow: each when it ends, and those that MLflow was away for, from their files."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from melancia.errors import InputError
from melancia.experiments.files import Files, folder_of, load, saved, telling
from melancia.experiments.results import Report
from melancia.mlops import benchmark_runs
from melancia.mlops.benchmark_runs import BenchmarkResult, ModelResult, QuestionSet, Recorded
from melancia.mlops.missed import Missed, job_of
from melancia.mlops.privacy.files import erase_runs
from melancia.records import content_hash
from melancia.settings import Settings
from melancia.store import Store

_RECENT = 14 * 86_400.0  # seconds: what is older was left out by choice, or belongs to no MLflow
_SETTLED = 60.0  # seconds after which its own process has begun to tell

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
        self._missed = Missed(settings, stop)
        self._seen: dict[str, int] = {}  # benchmark → its file as it was when nothing was left to do

    def record(self) -> int:
        """Look at the newest that were not looked at yet; how many were recorded.

        One that fails does not keep the others. Raises TrackingError when MLflow is away, or refused some.
        """
        return self._missed.record({name: partial(self._look, name, file) for name, file in self._unseen()})

    def _unseen(self) -> Iterator[tuple[str, int]]:
        folder, now = folder_of(self._settings), time.time()
        for name in saved(folder):
            try:
                found = Files.of(folder, name).data.stat()
            except FileNotFoundError:
                continue
            if _SETTLED < now - found.st_mtime < _RECENT and self._seen.get(name) != found.st_mtime_ns:
                yield name, found.st_mtime_ns

    def _look(self, name: str, version: int) -> bool:
        """Record a benchmark that MLflow does not have; whether it was."""
        folder = folder_of(self._settings)
        written = Files.of(folder, name)
        try:
            with telling(written.data) as ours:
                if not ours:
                    return False  # its own process is at it: the next round looks again
                done = self._one(name, load(folder, name), written)
        except FileNotFoundError:
            return False  # erased meanwhile
        except InputError as error:
            logger.warning("benchmark %s cannot be told to MLflow: %s", name, error)
            done = False
        self._seen[name] = version
        return done

    def _one(self, name: str, report: Report, written: Files) -> bool:
        if benchmark_runs.known(self._settings, name, report.started_at, report.ended_at):
            return False
        pictures = sorted((folder_of(self._settings) / name).glob("*.png"))
        job = job_of(self._store, "benchmark", "benchmark", name)
        try:
            track(self._settings.model_copy(update={"job_id": job}), report, written, pictures)
        finally:
            if not written.data.exists():  # erased while it was told
                erase_runs(self._settings, name)
        logger.info("told MLflow of %s, which it had missed", name)
        return True


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
