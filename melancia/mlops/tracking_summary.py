"""The benchmarks of an experiment as a table for a terminal or a notebook, in Portuguese."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from melancia.mlops import naming

_STATES = {"FINISHED": "completo", "KILLED": "interrompido", "FAILED": "registro incompleto"}
_UNFINISHED = "em registro"
_UNKNOWN = "–"


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A parent run with its children, as MLflow gives them."""

    run: Any
    models: Sequence[Any]


def table(experiment: str, benchmarks: Sequence[Benchmark]) -> str:
    """When each one ran, how and how far, and a line a model; the best quality first."""
    if not benchmarks:
        return f"🔬 {experiment}: nenhum benchmark registrado. Rode melancia benchmark --mode quick."
    parts = [f"🔬 {experiment}: benchmarks mais recentes"]
    for benchmark in benchmarks:
        parts += ["", _heading(benchmark.run), *_lines(benchmark.models)]
    return "\n".join(parts)


def _heading(run: Any) -> str:
    when = datetime.fromtimestamp(run.info.start_time / 1000, UTC).astimezone()
    mode = run.data.tags.get(naming.MODE_TAG, _UNKNOWN)
    state = _STATES.get(run.info.status, _UNFINISHED)
    return f"{when:%d/%m/%Y %H:%M} · {mode} · {state}"


def _lines(models: Sequence[Any]) -> list[str]:
    ranked = sorted(models, key=lambda run: -run.data.metrics.get("quality_avg", -1.0))
    rows = [["Modelo", *_COLUMNS], *(_row(run.info.run_name, run.data.metrics) for run in ranked)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  " + "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip()
        for row in rows
    ]


def _row(name: str, metrics: Mapping[str, float]) -> list[str]:
    found = ((metrics.get(metric), written) for metric, written in _COLUMNS.values())
    return [name, *(_UNKNOWN if value is None else written(value) for value, written in found)]


def _number(form: str, before: str = "", after: str = "") -> Callable[[float], str]:
    return lambda value: f"{before}{value:{form}}{after}".replace(".", ",")


_COLUMNS: Mapping[str, tuple[str, Callable[[float], str]]] = {
    "Qualidade": ("quality_avg", _number(".2f")),
    "Relevância": ("relevance_avg", _number(".2f")),
    "Latência": ("latency_avg", _number(".2f", after=" s")),
    "Tokens": ("tokens_avg", _number(".0f")),
    "Custo": ("cost_total", _number(".4f", before="US$ ")),
    "Sucesso": ("success_rate", _number(".0%")),
}
