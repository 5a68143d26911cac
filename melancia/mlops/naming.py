"""What things are called in MLflow, in one place: whoever writes a name and whoever looks for it agree."""

from datetime import datetime
from typing import Any

from melancia.records import Variant
from melancia.settings import Settings

KIND_TAG = "melancia.kind"
MODE_TAG = "melancia.mode"
COMPLETE_TAG = "melancia.complete"
JOB_TAG = "melancia.job_id"
BENCHMARK, BENCHMARK_MODEL = "benchmark", "benchmark-model"
PARENT_TAG = "mlflow.parentRunId"  # MLflow's own

LATENCY_AVG, LATENCY_STD = "latency_avg", "latency_std"
LATENCY_P50, LATENCY_P95 = "latency_p50", "latency_p95"
TTFT_AVG, TOKENS_AVG, COST_TOTAL = "ttft_avg", "tokens_avg", "cost_total"
SUCCESS_RATE, QUESTIONS = "success_rate", "questions"
METRICS = (
    LATENCY_AVG,
    LATENCY_STD,
    LATENCY_P50,
    LATENCY_P95,
    TTFT_AVG,
    TOKENS_AVG,
    COST_TOTAL,
    SUCCESS_RATE,
    QUESTIONS,
)


def benchmark_run(mode: str, started_at: datetime) -> str:
    """Name of a benchmark's parent run: ``benchmark-<mode>-<UTC time>``; the children's are the models'."""
    return f"benchmark-{mode}-{started_at:%Y%m%d-%H%M%S}"


def variant_params(variant: Variant) -> dict[str, Any]:
    """A variant as the parameters of a run; those that mean nothing to it are left out."""
    values = {**variant.as_dict(), "variant_hash": variant.hash}
    return {name: value for name, value in values.items() if value is not None}


def run_url(settings: Settings, experiment_id: str, run_id: str) -> str:
    """A run's page, at the address at which browsers reach MLflow."""
    return f"{settings.mlflow_public_url.rstrip('/')}/#/experiments/{experiment_id}/runs/{run_id}"
