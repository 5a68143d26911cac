"""Files of the data folder that were made of users' questions, and what MLflow has of them."""

import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from melancia.errors import InputError, TrackingError
from melancia.mlops import naming
from melancia.mlops.actions import gaps
from melancia.mlops.client import REMEDY, connect
from melancia.mlops.local_store import tracked
from melancia.settings import Settings
from melancia.store import Store

_ID = re.compile(r"[0-9a-f]{32}")
_BENCHMARK = re.compile(r"(benchmark_\d{8}_\d{6}(?:_\d+)?)(?:\.partial\.jsonl|\.json)")


def benchmarks(settings: Settings, ids: Sequence[str]) -> list[str]:
    """The benchmarks that asked one of the questions (those of a drift report are asked under their ids)."""
    wanted, found = frozenset(ids), set()
    for path in sorted(_folder(settings).glob("benchmark_*")):
        name = _BENCHMARK.fullmatch(path.name)
        if name and path.is_file() and not wanted.isdisjoint(_ID.findall(path.read_text("utf-8", "replace"))):
            found.add(name[1])
    return sorted(found)


def erase(settings: Settings, store: Store, ids: Sequence[str], reports: Sequence[str]) -> dict[str, int]:
    """Delete those benchmarks, write the lists of unanswered questions of ``reports`` anew; place → count.

    A benchmark goes as a whole: without one of its questions it is another one. Raises TrackingError when
    MLflow has it and does not answer, OSError, StoreError.
    """
    removed: dict[str, int] = {}
    for name in benchmarks(settings, ids):
        removed["runs"] = removed.get("runs", 0) + erase_runs(settings, name)
        for path in _folder(settings).glob(f"{name}*"):
            if path.name.removeprefix(name)[:1] not in ("", "."):
                continue  # another one, of the same second
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
        removed["benchmarks"] = removed.get("benchmarks", 0) + 1
    for report_id in reports:
        if (settings.drift_dir / gaps.name(report_id)).is_file():
            try:
                gaps.write(store.reports.get(report_id), settings.drift_dir)
            except InputError:
                (settings.drift_dir / gaps.name(report_id)).unlink()  # its report is gone, too
            removed["gap_lists"] = removed.get("gap_lists", 0) + 1
    return {place: count for place, count in removed.items() if count}


def erase_report(settings: Settings, report_id: str) -> int:
    """Delete a drift report's documents here; how many files."""
    found = [path for path in settings.drift_dir.glob(f"{report_id}*") if path.is_file()]
    for path in found:
        path.unlink()
    return len(found)


def erase_runs(settings: Settings, benchmark: str) -> int:
    """Delete the artifacts of a benchmark's runs, and the runs; how many there were. Raises TrackingError."""
    try:
        reached = tracked(settings, write=False)
    except TrackingError:
        return 0  # nothing was ever recorded
    connection = connect(reached)
    from mlflow.exceptions import MlflowException
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    try:
        # A run that was deleted on MLflow's page still has its files.
        runs = connection.client.search_runs(
            [connection.experiment_id], f"tags.`{naming.BENCHMARK_ID_TAG}` = '{benchmark}'", run_view_type=3
        )
        for run in runs:
            repository: Any = get_artifact_repository(run.info.artifact_uri)
            repository.delete_artifacts()
            if run.info.lifecycle_stage == "active":
                connection.client.delete_run(run.info.run_id)
    except MlflowException as error:
        raise TrackingError("O MLflow não apagou um benchmark.", REMEDY) from error
    return len(runs)


def _folder(settings: Settings) -> Path:
    return settings.data_dir / "experiments"
