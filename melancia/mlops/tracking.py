"""What MLflow has of the benchmarks: the guide's ``ExperimentTracker``. It reads, and changes nothing."""

import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from melancia.errors import InputError, TrackingError
from melancia.mlops import naming
from melancia.mlops.client import REMEDY, connect
from melancia.mlops.local_store import tracked
from melancia.mlops.tracking_summary import Benchmark, table
from melancia.settings import Settings, load_settings

_CONTROL = "extractive"
_PAGE = 500  # runs of one request


class ExperimentTracker:
    """The benchmarks of an experiment, at MLFLOW_TRACKING_URI or in the local folder (``local_store``).

    Every method raises TrackingError within seconds when there is nothing to read from.
    """

    def __init__(self, experiment: str, settings: Settings | None = None) -> None:
        self._experiment = experiment
        self._settings = settings or load_settings()

    def print_summary(self, limit: int = 5) -> None:
        """Print the newest ``limit`` benchmarks, with a line a model; interrupted ones too."""
        runs = self._runs()
        parents = runs.find(f"tags.`{naming.KIND_TAG}` = '{naming.BENCHMARK}'", limit)
        found = [
            Benchmark(run, runs.find(f"tags.`{naming.PARENT_TAG}` = '{run.info.run_id}'")) for run in parents
        ]
        sys.stdout.write(table(self._experiment, found) + "\n")

    def get_best_run(
        self, metric: str = "quality_avg", *, include_control: bool = True, mode: str | None = None
    ) -> dict[str, Any]:
        """A model's run with the best ``metric``, of all benchmarks that were completed, of ``mode`` or any.

        Flat, as a row of ``mlflow.search_runs``: ``"run_id"``, ``"params.model"``, ``"metrics.quality_avg"``…
        The lowest value is the best one of times, costs and tokens (``naming.lower_is_better``); of equal
        ones, the newest. Runs without the metric do not take part, nor does the extractive control unless
        ``include_control``. It is the best value that was seen, chance included: whether models differ at all
        is in a benchmark's own report. Raises InputError when there is no such run, or none has the metric.
        """
        runs = [
            run
            for run in self._runs().find(
                f"tags.`{naming.KIND_TAG}` = '{naming.BENCHMARK_MODEL}' and attributes.status = 'FINISHED'"
            )
            if (include_control or run.data.params.get("provider") != _CONTROL)
            and mode in (None, run.data.tags.get(naming.MODE_TAG))
        ]
        if not runs:
            raise InputError(
                f"O experimento {self._experiment} não tem um benchmark completo"
                f"{f' do modo {mode}' if mode else ''}{'' if include_control else ', além do controle'}.",
                f"Rode melancia benchmark --mode {mode or 'quick'}.",
            )
        measured = [run for run in runs if metric in run.data.metrics]
        if not measured:
            known = sorted({name for run in runs for name in run.data.metrics})
            raise InputError(f"Nenhum modelo tem a métrica {metric}.", f"Há: {', '.join(known)}.")
        sign = -1 if naming.lower_is_better(metric) else 1
        return _flat(max(measured, key=lambda run: (sign * run.data.metrics[metric], run.info.start_time)))

    def _runs(self) -> "_Runs":
        reached = tracked(self._settings, write=False)
        # ``connect`` makes the experiment that it does not find. MLflow's first one is always there.
        client = connect(reached.model_copy(update={"mlflow_experiment": "Default"})).client
        from mlflow.exceptions import MlflowException

        try:
            found = client.get_experiment_by_name(self._experiment)
        except MlflowException as error:
            raise _refused() from error
        return _Runs(client, found.experiment_id if found else None)


@dataclass(frozen=True, slots=True)
class _Runs:
    """The runs of an experiment; None: it does not exist."""

    client: Any
    experiment_id: str | None

    def find(self, condition: str, limit: int | None = None) -> list[Any]:
        """Those that fulfil ``condition``, the newest first. Raises TrackingError."""
        from mlflow.exceptions import MlflowException

        if self.experiment_id is None:
            return []
        found: list[Any] = []
        token: str | None = None
        try:
            while limit is None or len(found) < limit:
                page = self.client.search_runs(
                    [self.experiment_id],
                    condition,
                    order_by=["attributes.start_time DESC"],
                    max_results=min(_PAGE, limit or _PAGE),
                    page_token=token,
                )
                found += page
                token = page.token
                if not token:
                    break
        except MlflowException as error:
            raise _refused() from error
        return found[:limit]


def _refused() -> TrackingError:
    return TrackingError("O MLflow não respondeu à busca.", REMEDY)


def _flat(run: Any) -> dict[str, Any]:
    info, data = run.info, run.data
    return {
        "run_id": info.run_id,
        "experiment_id": info.experiment_id,
        "status": info.status,
        "artifact_uri": info.artifact_uri,
        "start_time": _moment(info.start_time),
        "end_time": _moment(info.end_time),
        **{f"metrics.{name}": value for name, value in data.metrics.items()},
        **{f"params.{name}": value for name, value in data.params.items()},
        **{f"tags.{name}": value for name, value in data.tags.items()},
    }


def _moment(milliseconds: int | None) -> datetime | None:
    return None if milliseconds is None else datetime.fromtimestamp(milliseconds / 1000, UTC)
