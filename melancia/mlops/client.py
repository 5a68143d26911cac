"""The way to MLflow, with bounds: its defaults wait for minutes when the server is away."""

import logging
from dataclasses import dataclass
from typing import Any

from melancia.errors import TrackingError
from melancia.settings import Settings, withdraw
from melancia.telemetry.secrets import without_login

_TIMEOUT = 10  # seconds of one request
REMEDY = "Confira MLFLOW_TRACKING_URI e inicie o servidor (docker compose up -d mlflow)."


@dataclass(frozen=True, slots=True)
class Connection:
    """A client, and the experiment that everything goes to."""

    client: Any
    experiment_id: str


def connect(settings: Settings) -> Connection:
    """Reach the server and find or make the experiment. Raises TrackingError within seconds."""
    if not settings.mlflow_url:
        raise TrackingError(
            "Nenhum MLflow foi configurado.", "Defina MLFLOW_TRACKING_URI, como http://localhost:5000."
        )
    # They mean our own spans; MLflow would send whole traces there, questions and users included, and none to
    # its server (and metrics labelled with the same).
    withdraw(*(f"OTEL_EXPORTER_OTLP_{signal}ENDPOINT" for signal in ("", "TRACES_", "METRICS_")))
    import mlflow
    from mlflow.environment_variables import (
        MLFLOW_ENABLE_ASYNC_TRACE_LOGGING,
        MLFLOW_HTTP_REQUEST_MAX_RETRIES,
        MLFLOW_HTTP_REQUEST_TIMEOUT,
        MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT,
    )
    from mlflow.exceptions import MlflowException

    bounds: tuple[tuple[Any, Any], ...] = (
        (MLFLOW_HTTP_REQUEST_MAX_RETRIES, 1),
        (MLFLOW_HTTP_REQUEST_TIMEOUT, _TIMEOUT),
        # It would name the server by an address that people's browsers cannot reach.
        (MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT, True),
        (MLFLOW_ENABLE_ASYNC_TRACE_LOGGING, False),  # its queue would say "done" before the server has it
    )
    for variable, value in bounds:
        variable.set(value)
    # Its own warning repeats what we record as an error.
    logging.getLogger("mlflow.tracing.export.mlflow_v3").setLevel(logging.ERROR)
    mlflow.set_tracking_uri(settings.mlflow_url)
    client = mlflow.MlflowClient(settings.mlflow_url)
    try:
        found = client.get_experiment_by_name(settings.mlflow_experiment)
        if found is None:
            try:
                return Connection(client, client.create_experiment(settings.mlflow_experiment))
            except MlflowException:
                # It may be there by now: a worker begins with several chores at once that look for it.
                found = client.get_experiment_by_name(settings.mlflow_experiment)
                if found is None:
                    raise
    except MlflowException as error:
        where = without_login(settings.mlflow_url)
        raise TrackingError(f"O MLflow não responde em {where}.", REMEDY) from error
    if found.lifecycle_stage == "deleted":
        raise TrackingError(
            f"O experimento {settings.mlflow_experiment} foi apagado no MLflow.",
            "Restaure-o na página do MLflow ou defina outro em MELANCIA_MLFLOW_EXPERIMENT.",
        )
    return Connection(client, str(found.experiment_id))
