"""A drift report → MLflow: one run, with the page, the data, a metric a figure, and pass or fail a test."""

import json
import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from melancia.errors import TrackingError
from melancia.mlops import naming
from melancia.mlops.client import REMEDY, Connection, connect
from melancia.mlops.drift.summary import markdown
from melancia.records import DriftReport
from melancia.settings import Settings

_METRICS = 1000  # of one request: MLflow's limit
logger = logging.getLogger(__name__)
PAGE, DATA, FINDINGS, SUMMARY = "relatorio.html", "evidently.json", "achados.json", "resumo.md"


@dataclass(frozen=True, slots=True)
class Documents:
    """What goes with the report: the page, Evidently's data, and each window's interaction ids."""

    html: str
    data: Mapping[str, Any]
    windows: Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Recorded:
    """The run, and its page for browsers ("" when no server shows it)."""

    run_id: str
    url: str


def record(
    settings: Settings, report: DriftReport, documents: Documents, params: Mapping[str, Any]
) -> Recorded:
    """Tell MLflow of ``report``; once it is there, the same run again. Raises TrackingError (run FAILED)."""
    connection = connect(settings)
    from mlflow.exceptions import MlflowException

    run_id = ""
    try:
        run_id = _begin(connection, settings, report)
        _write(connection, run_id, report, documents, params)
    except BaseException as error:
        _give_up(connection, run_id)
        if isinstance(error, MlflowException | OSError):  # OSError: its HTTP client's failures
            raise TrackingError("O MLflow não aceitou o relatório.", REMEDY) from error
        raise
    return Recorded(run_id, naming.run_url(settings, connection.experiment_id, run_id))


def metrics(report: DriftReport) -> dict[str, float]:
    """``<figure>``: its value; ``ok.<figure>``: 1 when its test found no change, 0 when it did."""
    values = {**report.figures, **{f"size.{name}": float(size) for name, size in report.sizes.items()}}
    passed = {
        f"ok.{naming.drift_figure(one.figure, one.arm, one.topic)}": float(not one.drifted)
        for one in report.findings
        if one.p_value is not None
    }
    changed = {"findings": float(len(report.drifted)), "tests": float(len(passed))}
    return {name: value for name, value in {**values, **passed, **changed}.items() if math.isfinite(value)}


def _begin(connection: Connection, settings: Settings, report: DriftReport) -> str:
    found = connection.client.search_runs(
        [connection.experiment_id], f"tags.`{naming.REPORT_TAG}` = '{report.id}'", max_results=1
    )
    if found:
        return str(found[0].info.run_id)
    tags = {
        naming.KIND_TAG: naming.DRIFT,
        naming.REPORT_TAG: report.id,
        naming.STATUS_TAG: report.status.value,
        naming.JOB_TAG: settings.job_id or "",
    }
    started = int(report.created_at.timestamp() * 1000)
    name = naming.drift_run(report.created_at)
    run = connection.client.create_run(connection.experiment_id, start_time=started, tags=tags, run_name=name)
    return str(run.info.run_id)


def _write(
    connection: Connection, run_id: str, report: DriftReport, documents: Documents, params: Mapping[str, Any]
) -> None:
    from mlflow.entities import Metric, Param

    client = connection.client
    moment = int(report.created_at.timestamp() * 1000)
    values = [Metric(name, value, moment, 0) for name, value in metrics(report).items()]
    told = {
        "current": _span(report.current),
        "reference": _span(report.reference) if report.reference else "",
        "reference_kind": report.reference_kind,
        **params,
    }
    client.log_batch(run_id, params=[Param(name, str(value)) for name, value in told.items()])
    for start in range(0, len(values), _METRICS):
        client.log_batch(run_id, metrics=values[start : start + _METRICS])
    client.log_text(run_id, documents.html, PAGE)
    client.log_text(run_id, _json(documents.data), DATA)
    client.log_text(run_id, _json([one.as_dict() for one in report.findings]), FINDINGS)
    client.log_text(run_id, markdown(report), SUMMARY)
    for name, ids in documents.windows.items():
        client.log_text(run_id, "\n".join(ids), f"janelas/{name}.txt")
    client.set_terminated(run_id, "FINISHED")


def _give_up(connection: Connection, run_id: str) -> None:
    from mlflow.exceptions import MlflowException

    if not run_id:
        return
    try:
        connection.client.set_terminated(run_id, "FAILED")
    except (MlflowException, OSError) as error:
        logger.warning("run %s stays unfinished: %s", run_id, error)


def _span(span: Sequence[Any]) -> str:
    return "/".join(moment.isoformat() for moment in span)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1)
