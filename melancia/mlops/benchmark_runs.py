"""A benchmark that ended → MLflow: a parent run with the files, a child a model, with their real times."""

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from melancia.errors import TrackingError
from melancia.mlops import naming
from melancia.mlops.client import REMEDY, Connection, connect
from melancia.records import Variant
from melancia.settings import Settings

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ModelResult:
    """One model's part: ``metrics`` by the names of ``naming``, without those that are not known."""

    variant: Variant
    metrics: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Recorded:
    """The parent run, and its page for browsers."""

    run_id: str
    url: str


@dataclass(frozen=True, slots=True)
class BenchmarkResult:
    """A benchmark as MLflow shall have it; ``complete`` unless it was stopped before its last answer."""

    mode: str
    started_at: datetime
    ended_at: datetime
    complete: bool
    models: Sequence[ModelResult]
    files: Sequence[Path]
    params: Mapping[str, Any]


def record(settings: Settings, result: BenchmarkResult) -> Recorded:
    """Tell MLflow of ``result``. Raises TrackingError when nobody listens, or it breaks off (run FAILED)."""
    connection = connect(settings)
    from mlflow.exceptions import MlflowException

    client = connection.client
    begun: list[str] = []  # those that are not terminated yet, the parent first
    tags = {naming.MODE_TAG: result.mode, naming.COMPLETE_TAG: str(result.complete).lower()}
    try:
        name = naming.benchmark_run(result.mode, result.started_at)
        own = {**tags, naming.KIND_TAG: naming.BENCHMARK, naming.JOB_TAG: settings.job_id or ""}
        parent = _start(connection, name, own, result, begun)
        _log(client, parent, {"mode": result.mode, **result.params}, {})
        for model in result.models:
            of_parent = {**tags, naming.KIND_TAG: naming.BENCHMARK_MODEL, naming.PARENT_TAG: parent}
            child = _start(connection, model.variant.label, of_parent, result, begun)
            _log(client, child, naming.variant_params(model.variant), model.metrics)
            _end(client, child, result, begun)
        for file in result.files:
            client.log_artifact(parent, str(file))
        _end(client, parent, result, begun)
    except (MlflowException, OSError) as error:  # OSError: its HTTP client's failures
        _give_up(client, begun)
        raise TrackingError("O MLflow não aceitou os resultados do benchmark.", REMEDY) from error
    return Recorded(parent, naming.run_url(settings, connection.experiment_id, parent))


def _start(
    connection: Connection, name: str, tags: Mapping[str, str], result: BenchmarkResult, begun: list[str]
) -> str:
    started = _ms(result.started_at)
    made = connection.client.create_run(
        connection.experiment_id, start_time=started, tags=dict(tags), run_name=name
    )
    begun.append(made.info.run_id)
    return str(made.info.run_id)


def _end(client: Any, run_id: str, result: BenchmarkResult, begun: list[str]) -> None:
    status = "FINISHED" if result.complete else "KILLED"
    client.set_terminated(run_id, status, end_time=_ms(result.ended_at))
    begun.remove(run_id)


def _log(client: Any, run_id: str, params: Mapping[str, Any], metrics: Mapping[str, float]) -> None:
    from mlflow.entities import Metric, Param

    now = int(time.time() * 1000)
    client.log_batch(
        run_id,
        metrics=[Metric(name, value, now, 0) for name, value in metrics.items()],
        params=[Param(name, str(value)) for name, value in params.items()],
    )


def _give_up(client: Any, begun: Sequence[str]) -> None:
    """Mark what was begun as failed, as far as the server lets us."""
    from mlflow.exceptions import MlflowException

    for run_id in begun:
        try:
            client.set_terminated(run_id, "FAILED")
        except (MlflowException, OSError) as error:
            logger.warning("run %s stays unfinished: %s", run_id, error)
            return


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
