"""Tells MLflow where the models really run: a run named ``runtime`` each time that it changes."""

import logging
from collections.abc import Iterable
from typing import Any

from melancia.errors import MelanciaError
from melancia.mlops.client import Connection, connect
from melancia.records import ModelStatus
from melancia.settings import Settings

RUN_NAME = "runtime"
_SPEED_CHANGED = 0.2  # a fifth: tokens per second vary by less from one look to the next

logger = logging.getLogger(__name__)


def mirror_placement(settings: Settings, statuses: Iterable[ModelStatus]) -> int:
    """Make a run for each measured model whose placement changed; how many. Failures are logged only."""
    measured = [status for status in statuses if _metrics(status)]
    if not measured or not settings.mlflow_url:
        return 0
    from mlflow.exceptions import MlflowException

    made = 0
    try:
        connection = connect(settings)
        for status in measured:
            if _changed(_last(connection, status.model), _metrics(status)):
                _log(connection, status, settings)
                made += 1
    except (MelanciaError, MlflowException):
        logger.warning("MLflow was not told where the models run", exc_info=True)
    return made


def _metrics(status: ModelStatus) -> dict[str, float]:
    found = {"gpu_share": status.gpu_share, "tokens_per_second": status.tokens_per_second}
    return {name: value for name, value in found.items() if value is not None}


def _last(connection: Connection, model: str) -> dict[str, float]:
    """What MLflow heard last. It is asked, not remembered: a worker that starts anew adds no run."""
    quoted = model.replace("'", "")
    runs = connection.client.search_runs(
        [connection.experiment_id],
        filter_string=f"attributes.run_name = '{RUN_NAME}' and params.model = '{quoted}'",
        order_by=["attributes.start_time DESC"],
        max_results=1,
    )
    return dict(runs[0].data.metrics) if runs else {}


def _changed(before: dict[str, float], now: dict[str, float]) -> bool:
    if set(before) != set(now):
        return True
    if abs(before.get("gpu_share", 0.0) - now.get("gpu_share", 0.0)) >= 0.01:
        return True
    old, new = before.get("tokens_per_second", 0.0), now.get("tokens_per_second", 0.0)
    return abs(new - old) > _SPEED_CHANGED * max(old, 1e-9)


def _log(connection: Connection, status: ModelStatus, settings: Settings) -> None:
    client: Any = connection.client
    run = client.create_run(connection.experiment_id, run_name=RUN_NAME, tags={"melancia.kind": RUN_NAME})
    run_id = run.info.run_id
    client.log_param(run_id, "model", status.model)
    client.log_param(run_id, "context_window", settings.context_window)
    client.log_param(run_id, "expect_gpu", settings.expect_gpu)
    for name, value in _metrics(status).items():
        client.log_metric(run_id, name, value)
    client.set_terminated(run_id)
