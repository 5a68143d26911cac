"""A benchmark that ended → MLflow: a parent run with the files, a child a model, with their real times.

The same benchmark recorded again (interrupted and resumed, or MLflow broke off) completes the runs that
are there, found by the tag ``melancia.benchmark_id`` and the start: there are never two parents.
"""

import json
import logging
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from melancia.errors import TrackingError
from melancia.mlops import naming
from melancia.mlops.client import REMEDY, Connection, connect
from melancia.mlops.logged_models import link, logged_model
from melancia.records import Variant
from melancia.settings import Settings

# MLflow's limits (mlflow.utils.validation): of one request, and of a parameter's characters.
_METRICS, _PARAMS, _VALUE = 1000, 100, 6000
_ABANDONED = 3600 * 1000  # milliseconds after which a recording that did not end never will

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ModelResult:
    """One model's part: ``metrics`` by their names in MLflow, without those that are not known; ``answers``,
    rows of plain JSON values, become a table of the run.
    """

    variant: Variant
    metrics: Mapping[str, float]
    answers: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True, slots=True)
class QuestionSet:
    """What was asked: MLflow compares models on the same one. ``digest``: content hash, ≤ 36 characters."""

    name: str
    digest: str


@dataclass(frozen=True, slots=True)
class BenchmarkResult:
    """A benchmark as MLflow shall have it; ``complete`` unless it was stopped before its last answer.

    ``benchmark_id`` and ``started_at`` stay the same when it is resumed. Parameters that are None are left
    out. ``pictures`` go to the folder ``graficos``.
    """

    benchmark_id: str
    mode: str
    started_at: datetime
    ended_at: datetime
    complete: bool
    models: Sequence[ModelResult]
    files: Sequence[Path]
    params: Mapping[str, Any]
    pictures: Sequence[Path] = ()
    questions: QuestionSet | None = None


@dataclass(frozen=True, slots=True)
class Recorded:
    """The parent run, and its page for browsers ("" when no server shows it)."""

    run_id: str
    url: str


def record(settings: Settings, result: BenchmarkResult) -> Recorded:
    """Tell MLflow of ``result``. Raises TrackingError when nobody listens, or it breaks off (runs FAILED).

    What a server that died left running is marked as failed by the next recording.
    """
    connection = connect(settings)
    from mlflow.exceptions import MlflowException

    recording = _Recording(connection, settings, result)
    try:
        parent = recording.write()
    except (MlflowException, OSError) as error:  # OSError: its HTTP client's failures
        recording.give_up()
        raise TrackingError("O MLflow não aceitou os resultados do benchmark.", REMEDY) from error
    return Recorded(parent, naming.run_url(settings, connection.experiment_id, parent))


def known(settings: Settings, benchmark_id: str, started_at: datetime, ended_at: datetime) -> bool:
    """Whether MLflow has all of the benchmark as it ended then, or somebody deleted it there.

    Raises TrackingError.
    """
    connection = connect(settings)
    from mlflow.entities import ViewType
    from mlflow.exceptions import MlflowException

    try:
        runs = connection.client.search_runs(
            [connection.experiment_id],
            f"tags.`{naming.BENCHMARK_ID_TAG}` = '{benchmark_id}' and "
            f"tags.`{naming.KIND_TAG}` = '{naming.BENCHMARK}' and "
            f"attributes.start_time = {_ms(started_at)}",
            run_view_type=ViewType.ALL,
        )
    except (MlflowException, OSError) as error:
        raise TrackingError("O MLflow não disse quais benchmarks tem.", REMEDY) from error
    return any(
        run.info.lifecycle_stage == "deleted"
        or (run.info.status in ("FINISHED", "KILLED") and run.info.end_time == _ms(ended_at))
        for run in runs
    )


class _Recording:
    """One benchmark on its way. ``_open``: the runs that are not terminated yet, the parent first."""

    def __init__(self, connection: Connection, settings: Settings, result: BenchmarkResult) -> None:
        self._connection, self._client = connection, connection.client
        self._result = result
        self._open: list[str] = []
        self._own = {
            naming.BENCHMARK_ID_TAG: result.benchmark_id,
            naming.MODE_TAG: result.mode,
            naming.COMPLETE_TAG: str(result.complete).lower(),
            naming.JOB_TAG: settings.job_id or "",
        }

    def write(self) -> str:
        """Everything; the parent's id."""
        result = self._result
        self._bury()
        # Its id is its second: another machine's of the same second is another benchmark.
        begun = f"attributes.start_time = {_ms(result.started_at)}"
        found = self._find(f"tags.`{naming.KIND_TAG}` = '{naming.BENCHMARK}' and {begun}")
        tags = {naming.KIND_TAG: naming.BENCHMARK}
        name = naming.benchmark_run(result.mode, result.started_at)
        parent = self._begin(found[0] if found else None, name, tags)
        parent_id = str(parent.info.run_id)
        self._params(parent, {"mode": result.mode, **result.params})
        self._models(parent_id)
        for file in result.files:
            self._client.log_artifact(parent_id, str(file))
        for picture in result.pictures:
            self._client.log_artifact(parent_id, str(picture), naming.PICTURES)
        self._end(parent_id)
        return parent_id

    def give_up(self) -> None:
        """Mark what was begun as failed, as far as the server lets us."""
        from mlflow.exceptions import MlflowException

        for run_id in self._open:
            try:
                self._client.set_terminated(run_id, "FAILED")
            except (MlflowException, OSError) as error:
                logger.warning("run %s stays unfinished: %s", run_id, error)
                return

    def _models(self, parent_id: str) -> None:
        known = {
            str(run.data.params.get(naming.VARIANT_HASH)): run
            for run in self._find(f"tags.`{naming.PARENT_TAG}` = '{parent_id}'")
        }
        tags = {naming.KIND_TAG: naming.BENCHMARK_MODEL, naming.PARENT_TAG: parent_id}
        for model in self._result.models:
            before = known.pop(model.variant.hash, None)
            if before is not None and not set(before.data.metrics) <= set(_known(model)):
                self._client.delete_run(before.info.run_id)  # a metric cannot be taken back
                before = None
            child = self._begin(before, model.variant.label, tags)
            self._params(child, naming.variant_params(model.variant))
            self._measured(child, model)
            self._end(str(child.info.run_id))
        for left_over in known.values():
            self._client.delete_run(left_over.info.run_id)

    def _measured(self, run: Any, model: ModelResult) -> None:
        from mlflow.entities import Dataset, Metric

        run_id, asked = run.info.run_id, self._result.questions
        dataset = Dataset(asked.name, asked.digest, "local", asked.name) if asked else None
        model_id = logged_model(self._connection, model.variant)
        link(self._connection, run_id, model_id, dataset)
        moment = _now()
        of_set = {"dataset_name": asked.name, "dataset_digest": asked.digest} if asked else {}
        metrics = [
            Metric(name, value, moment, 0, model_id=model_id, **of_set)
            for name, value in _known(model).items()
        ]
        for some in _parts(metrics, _METRICS):
            self._client.log_batch(run_id, metrics=some)
        if model.answers:
            self._client.log_text(run_id, _table(model.answers), naming.ANSWERS)
            # Makes MLflow show it as a table. ``log_table`` would append to the one that is there.
            shown = json.dumps([{"path": naming.ANSWERS, "type": "table"}])
            self._client.set_tag(run_id, "mlflow.loggedArtifacts", shown)

    def _params(self, run: Any, params: Mapping[str, Any]) -> None:
        from mlflow.entities import Param

        run_id, known = run.info.run_id, run.data.params
        whole = {name: str(value) for name, value in params.items() if value is not None}
        long = {name: value for name, value in whole.items() if len(value) > _VALUE}
        if long:
            self._client.log_text(run_id, json.dumps(long, ensure_ascii=False, indent=2), naming.LONG_PARAMS)
        cut = {name: f"{value[: _VALUE - 1]}…" if name in long else value for name, value in whole.items()}
        for name in (name for name, value in cut.items() if known.get(name, value) != value):
            logger.warning("MLflow keeps the first value of %s of run %s", name, run_id)
        fresh = [Param(name, value) for name, value in cut.items() if name not in known]
        for some in _parts(fresh, _PARAMS):
            self._client.log_batch(run_id, params=some)

    def _begin(self, before: Any | None, name: str, tags: Mapping[str, str]) -> Any:
        """A run that is being written: a new one, or the one of ``before``."""
        from mlflow.entities import RunTag

        client = self._client
        marks = {**self._own, **tags, naming.RECORDING_TAG: str(_now())}
        if before is None:
            started = _ms(self._result.started_at)
            before = client.create_run(
                self._connection.experiment_id, start_time=started, tags=marks, run_name=name
            )
            self._open.append(str(before.info.run_id))
            return before
        run_id = str(before.info.run_id)
        client.update_run(run_id, status="RUNNING")
        self._open.append(run_id)
        client.log_batch(run_id, tags=[RunTag(key, value) for key, value in marks.items()])
        return before

    def _end(self, run_id: str) -> None:
        status = "FINISHED" if self._result.complete else "KILLED"
        self._client.set_terminated(run_id, status, end_time=_ms(self._result.ended_at))
        self._open.remove(run_id)

    def _find(self, condition: str) -> list[Any]:
        same = f"tags.`{naming.BENCHMARK_ID_TAG}` = '{self._result.benchmark_id}'"
        order = ["attributes.start_time ASC"]
        return list(
            self._client.search_runs(
                [self._connection.experiment_id], f"{same} and {condition}", order_by=order
            )
        )

    def _bury(self) -> None:
        """Mark as failed the runs of recordings that ended without a word, an hour ago or more."""
        running = "attributes.status = 'RUNNING'"
        for run in self._client.search_runs([self._connection.experiment_id], running):
            since = run.data.tags.get(naming.RECORDING_TAG, "")
            if since.isdecimal() and _now() - int(since) > _ABANDONED:
                self._client.set_terminated(run.info.run_id, "FAILED")


def _known(model: ModelResult) -> dict[str, float]:
    return {name: value for name, value in model.metrics.items() if math.isfinite(value)}


def _parts(items: list[Any], size: int) -> Iterator[list[Any]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows as MLflow keeps a table: pandas' orientation ``split``."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    data = [[row.get(name) for name in columns] for row in rows]
    return json.dumps({"columns": columns, "data": data}, ensure_ascii=False)


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def _now() -> int:
    return int(time.time() * 1000)
