"""Traces, with their assessments, that MLflow has of interactions."""

from collections.abc import Sequence
from typing import Any

from melancia.errors import TrackingError
from melancia.mlops.client import REMEDY, Connection, connect
from melancia.mlops.exporter import INTERACTION_TAG
from melancia.settings import Settings

_BATCH = 100


def erase(settings: Settings, trace_ids: Sequence[str], lost: Sequence[str]) -> int:
    """Delete traces, and those of the ``lost`` interactions, by their tag; how many there were.

    Raises TrackingError when MLflow does not answer, or is not configured any more.
    """
    connection = connect(settings)
    from mlflow.exceptions import MlflowException

    try:
        wanted = [*trace_ids, *(found for one in lost for found in _of(connection, one))]
        count = 0
        for start in range(0, len(wanted), _BATCH):
            some = wanted[start : start + _BATCH]
            deleted = int(connection.client.delete_traces(connection.experiment_id, trace_ids=list(some)))
            if deleted < len(some):
                deleted += sum(_elsewhere(connection, one) for one in some)
            count += deleted
    except (MlflowException, OSError) as error:
        raise TrackingError("O MLflow não apagou os traços.", REMEDY) from error
    return count


def _of(connection: Connection, interaction_id: str) -> list[str]:
    found = connection.client.search_traces(
        [connection.experiment_id],
        filter_string=f"tags.`{INTERACTION_TAG}` = '{interaction_id}'",
        include_spans=False,
    )
    return [str(trace.info.trace_id) for trace in found]


def _elsewhere(connection: Connection, trace_id: str) -> int:
    """Delete a trace of another experiment, as after MELANCIA_MLFLOW_EXPERIMENT was changed."""
    from mlflow.exceptions import MlflowException

    try:
        trace: Any = connection.client.get_trace(trace_id, display=False)
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "NOT_FOUND"):
            return 0
        raise
    if trace is None:
        return 0
    return int(connection.client.delete_traces(trace.info.experiment_id, trace_ids=[trace_id]))
