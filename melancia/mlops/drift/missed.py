"""Drift reports that MLflow was away for: what is kept for them meanwhile, and recording them later."""

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from melancia.errors import TrackingError
from melancia.mlops.drift import tracking
from melancia.mlops.drift.summary import page
from melancia.mlops.missed import Missed, job_of
from melancia.records import DriftReport, utc_now
from melancia.settings import Settings
from melancia.store import Store

_RECENT = timedelta(days=14)  # what is older was left out by choice, or belongs to no MLflow
_SETTLED = timedelta(minutes=5)  # after which its own process has told, or given up
_NOTE = "Sem registro no MLflow"

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Kept:
    """What a run has besides the report and its page: Evidently's data, and the command's parameters."""

    data: Mapping[str, Any] = field(default_factory=dict)
    params: Mapping[str, Any] = field(default_factory=dict)


def note(error: TrackingError, *, later: bool) -> str:
    """What a report says while it has no run; ``later``: the worker sees to it."""
    then = " O worker o registra quando o MLflow voltar." if later else ""
    return f"{_NOTE}: {error}{then}"


def keep(folder: Path, report_id: str, kept: Kept) -> None:
    """Keep it beside the report's page, with which it is erased. Raises OSError."""
    text = json.dumps({"data": kept.data, "params": kept.params}, ensure_ascii=False)
    _path(folder, report_id).write_text(text, "utf-8")


class MissedReports:
    """Finds the reports without a run, and records them."""

    def __init__(self, settings: Settings, store: Store, stop: Callable[[], bool]) -> None:
        self._settings = settings
        self._store = store
        self._missed = Missed(settings, stop)

    def record(self) -> int:
        """Look at some of them; how many were recorded. One that fails does not keep the others.

        Raises TrackingError when MLflow is away, or refused some; StoreError.
        """
        now = utc_now()
        wanted = self._store.reports.without_run(now - _RECENT, now - _SETTLED)
        return self._missed.record({report.id: partial(self._one, report) for report in wanted})

    def _one(self, report: DriftReport) -> bool:
        folder = self._settings.drift_dir
        report = replace(report, notes=tuple(one for one in report.notes if not one.startswith(_NOTE)))
        kept = _read(folder, report.id)
        documents = tracking.Documents(_page(folder, report), kept.data, {})
        job = job_of(self._store, "drift", "report", report.id)
        settings = self._settings.model_copy(update={"job_id": job})
        recorded = tracking.record(settings, report, documents, kept.params)
        self._store.reports.set_run(report.id, recorded.run_id, report.notes)
        _path(folder, report.id).unlink(missing_ok=True)
        logger.info("told MLflow of drift report %s, which it had missed", report.id)
        return True


def _path(folder: Path, report_id: str) -> Path:
    return folder / f"{report_id}.evidently.json"


def _read(folder: Path, report_id: str) -> Kept:
    try:
        return Kept(**json.loads(_path(folder, report_id).read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return Kept()  # the process ended before it was kept, or on another machine


def _page(folder: Path, report: DriftReport) -> str:
    try:
        return (folder / report.file).read_text("utf-8")
    except OSError:
        return page(report, "")
