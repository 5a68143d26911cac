"""Saved benchmarks for tests of the page: made answers, the real statistics, the real files."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from melancia.experiments import files
from melancia.experiments.results import Report
from melancia.records import Variant
from tests.experiments.measurements import CLOUD, CONTROL, LOCAL, STARTED, failure, report, sampled

OLD, NEW = "benchmark_20261128_090000", "benchmark_20261130_090000"
EVIL = "<img src=x onerror=alert(1)><script>alert(2)</script> ${value} {{x}} \"' `"
LEVELS = {
    CONTROL: {"quality": 0.45, "latency": 0.05, "cost": 0.0},
    CLOUD: {"quality": 0.85, "latency": 1.2, "cost": 0.0003},
    LOCAL: {"quality": 0.84, "latency": 2.5, "cost": 0.0},
}


def made(
    name: str = NEW,
    *,
    questions: int = 24,
    variants: Sequence[Variant] = (CONTROL, CLOUD, LOCAL),
    **more: Any,
) -> Report:
    """A benchmark in which the cloud model failed on the last question, unless ``more`` says otherwise."""
    levels = {variant: LEVELS[variant] for variant in variants}
    answers = sampled(levels, questions, categories=("definition", "how-to"))
    if CLOUD in variants:
        last = max(place for place, one in enumerate(answers) if one.variant_hash == CLOUD.hash)
        answers[last] = failure(
            CLOUD, answers[last].question_id, "O servidor não respondeu.", category="how-to"
        )
    fields = {key: more.pop(key) for key in list(more) if key not in ("complete", "stopped", "judge")}
    found = report(variants, fields.pop("answers", answers), **more)
    moment = STARTED - timedelta(days=2) if name == OLD else STARTED
    around = {"embedding_model": "local:enpt", "melancia": "0.1.0", "ollama": "0.9.0"}
    return replace(
        found,
        id=name,
        started_at=moment,
        ended_at=moment + timedelta(minutes=5),
        environment=around,
        **fields,
    )


def saved(folder: Path, *reports: Report) -> None:
    """Write ``reports`` into ``folder``, without pictures, which take seconds."""
    for one in reports:
        files.write(one, "Relatório.", folder)
