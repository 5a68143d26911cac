"""What things are called in MLflow, in one place: whoever writes a name and whoever looks for it agree."""

import re
from datetime import datetime
from typing import Any

from melancia.records import Variant
from melancia.settings import Settings
from melancia.text import fold

KIND_TAG = "melancia.kind"
MODE_TAG = "melancia.mode"
COMPLETE_TAG = "melancia.complete"
JOB_TAG = "melancia.job_id"
BENCHMARK_ID_TAG = "melancia.benchmark_id"
VARIANT_TAG = "melancia.variant"
VARIANT_HASH_TAG = "melancia.variant_hash"
RECORDING_TAG = "melancia.recording_since"  # milliseconds since 1970, of the newest time that it was written
BENCHMARK, BENCHMARK_MODEL = "benchmark", "benchmark-model"
DRIFT = "drift"
REPORT_TAG = "melancia.report_id"
STATUS_TAG = "melancia.status"
PARENT_TAG = "mlflow.parentRunId"  # MLflow's own
VARIANT_HASH = "variant_hash"  # the parameter

PICTURES = "graficos"
ANSWERS = "respostas.json"
LONG_PARAMS = "parametros.json"
MODEL_TYPE = "melancia-variant"

_LOWER_IS_BETTER = (
    "latency_",
    "ttft_",
    "cost_",
    "tokens_avg",
    "retrieval_",
    "fail",
    "quarantine",
    "invented_",
)
_NO_LETTER = re.compile(r"[^a-z0-9-]+")
_FORBIDDEN = str.maketrans({":": "-", "/": "-", ".": "_", "%": "_", '"': "_", "'": "_"})


def benchmark_run(mode: str, started_at: datetime) -> str:
    """Name of a benchmark's parent run: ``benchmark-<mode>-<UTC time>``; the children's are the models'."""
    return f"benchmark-{mode}-{started_at:%Y%m%d-%H%M%S}"


def drift_run(created_at: datetime) -> str:
    """Name of a drift report's run: ``drift-<UTC time>``."""
    return f"{DRIFT}-{created_at:%Y%m%d-%H%M%S}"


def drift_figure(figure: str, arm: str = "", topic: str = "") -> str:
    """Name of a figure, of an arm, a topic or a model where it is theirs: ``thumbs_down.A.frete_e_prazo``."""
    parts = (figure, *(_NO_LETTER.sub("_", fold(part)).strip("_") or "_" for part in (arm, topic) if part))
    return ".".join(parts)


def logged_model(variant: Variant) -> str:
    """Name of a variant's LoggedModel: its label in letters that MLflow allows, and some of its hash."""
    return f"{variant.label.translate(_FORBIDDEN)}-{variant.hash[:6]}"


def variant_params(variant: Variant) -> dict[str, Any]:
    """A variant as the parameters of a run; those that mean nothing to it are left out."""
    values = {**variant.as_dict(), VARIANT_HASH: variant.hash}
    return {name: value for name, value in values.items() if value is not None}


def lower_is_better(metric: str) -> bool:
    """Whether the best of several values of ``metric`` is the lowest one: times, prices, tokens, mishaps."""
    return metric.startswith(_LOWER_IS_BETTER)


def run_url(settings: Settings, experiment_id: str, run_id: str) -> str:
    """A run's page, at the address at which browsers reach MLflow; "" when no server shows it."""
    if not (settings.mlflow_url or "").startswith("http"):
        return ""
    return f"{settings.mlflow_public_url.rstrip('/')}/#/experiments/{experiment_id}/runs/{run_id}"
