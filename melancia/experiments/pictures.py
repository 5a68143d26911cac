"""The pictures of a benchmark: PNG files, 1,200 pixels wide, in Portuguese, for MLflow and the page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from melancia.experiments import words
from melancia.experiments.drawing import DPI, Point, distributions, heat_map, trade_off
from melancia.experiments.figures import FIGURES
from melancia.experiments.results import Report, Summary
from melancia.experiments.summaries import latencies

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COST, LATENCY, DISTRIBUTION, CATEGORIES = (
    "qualidade_custo.png",
    "qualidade_latencia.png",
    "latencias.png",
    "categorias.png",
)
ALTS: Mapping[str, str] = {
    COST: "Qualidade média de cada modelo contra o custo por mil respostas, com a fronteira de Pareto.",
    LATENCY: "Qualidade média de cada modelo contra a latência média, com a fronteira de Pareto.",
    DISTRIBUTION: "Distribuição das latências de cada modelo: caixas com todas as respostas, e acumulada.",
    CATEGORIES: "Mapa de calor da qualidade média por modelo e categoria de pergunta.",
}
"""Picture → what it shows, in general; ``alt`` says what is on one."""


@dataclass(frozen=True, slots=True)
class _Trade:
    """What quality is drawn against: ``figure`` times ``factor``."""

    figure: str
    factor: float
    title: str
    label: str
    short: str


_TRADES: Mapping[str, _Trade] = {
    COST: _Trade("cost_avg", 1000.0, "Qualidade × custo", "Custo médio de mil respostas (US$)", "custo"),
    LATENCY: _Trade("latency_avg", 1.0, "Qualidade × latência", "Latência média (s)", "latência"),
}


def draw(report: Report, folder: Path) -> list[Path]:
    """Draw what there is to show into ``folder``, which is made; the files, without those left out.

    Raises OSError when a file cannot be written.
    """
    made = []
    folder.mkdir(parents=True, exist_ok=True)
    for name in ALTS:
        drawn = picture(report, name)
        if drawn is not None:
            drawn.savefig(folder / name, dpi=DPI)
            made.append(folder / name)
    return made


def alt(report: Report, name: str) -> str:
    """What the picture ``name`` of ``report`` shows, for who does not see it. Raises KeyError on another."""
    general = ALTS[name]
    names = words.names([one.variant for one in report.summaries])
    if name in _TRADES:
        shown = _both(report, _TRADES[name])
        front = [names[shown[place].variant.hash] for place in _front(shown, _TRADES[name])]
        general += f" Na fronteira: {words.listed(front)}." if front else ""
    said = {names[one.variant.hash]: _said(one, name) for one in report.summaries}
    values = "; ".join(f"{model}: {what}" for model, what in said.items() if what)
    return f"{general} {values}." if values else general


def pareto(points: Sequence[tuple[float, float]]) -> list[int]:
    """The places of the points (price, worth) that no other beats, by ascending price.

    A point is beaten by one that is no dearer and worth no less, and better in one of both; equal points do
    not beat each other.
    """
    order = sorted(range(len(points)), key=lambda place: (points[place][0], -points[place][1]))
    front: list[int] = []
    for place in order:
        if not front or points[place][1] > points[front[-1]][1] or points[place] == points[front[-1]]:
            front.append(place)
    return front


def picture(report: Report, name: str) -> "Figure | None":
    """The picture ``name`` of ``report``, in memory; None when there is nothing to show."""
    names = words.names([one.variant for one in report.summaries])
    if name in _TRADES:
        return _trade_off(_both(report, _TRADES[name]), _TRADES[name], names)
    if name == DISTRIBUTION:
        timed = {names[one]: latencies(report.answers, one) for one in names}
        known = {model: values for model, values in timed.items() if values}
        return (
            distributions(known, title="Distribuição das latências", unit="Latência (s)") if known else None
        )
    rows = [one for one in report.summaries if _qualities(one)]
    columns = sorted({category for one in rows for category in _qualities(one)})
    if not rows:
        return None
    return heat_map(
        [names[one.variant.hash] for one in rows],
        [words.category(category) for category in columns],
        [[_qualities(one).get(category) for category in columns] for one in rows],
        title="Qualidade por categoria de pergunta",
        scale="Qualidade média (0 a 1)",
    )


def _trade_off(shown: Sequence[Summary], trade: _Trade, names: Mapping[str, str]) -> "Figure | None":
    if not shown:
        return None
    points = [
        Point(
            names[one.variant.hash],
            *_xy(one, trade),
            across=_ends(one, trade.figure, trade.factor),
            along=_ends(one, "quality_avg", 1.0),
        )
        for one in shown
    ]
    bars = any(point.across or point.along for point in points)
    return trade_off(
        points,
        _front(shown, trade),
        title=trade.title,
        x_label=trade.label,
        y_label="Qualidade média (0 a 1)",
        note="Barras: intervalos de 95 %" if bars else "",
    )


def _both(report: Report, trade: _Trade) -> list[Summary]:
    """The models of which both figures are known."""
    return [one for one in report.summaries if {trade.figure, "quality_avg"} <= one.figures.keys()]


def _front(shown: Sequence[Summary], trade: _Trade) -> list[int]:
    return pareto([_xy(one, trade) for one in shown])


def _xy(one: Summary, trade: _Trade) -> tuple[float, float]:
    return one.figures[trade.figure] * trade.factor, one.figures["quality_avg"]


def _ends(one: Summary, figure: str, factor: float) -> tuple[float, float] | None:
    interval = one.intervals.get(figure)
    return (interval.low * factor, interval.high * factor) if interval else None


def _qualities(one: Summary) -> dict[str, float]:
    """Question category → quality, where there is more than one category."""
    return {key: of["quality_avg"] for key, of in one.categories.items() if "quality_avg" in of}


def _said(one: Summary, name: str) -> str:
    """One model's values in the picture, in words; "" when it is not in it."""
    found = one.figures
    if name == CATEGORIES:
        return _extremes(_qualities(one))
    if name == DISTRIBUTION:
        if "latency_p50" not in found:
            return ""
        return f"p50 {words.seconds(found['latency_p50'])}, p95 {words.seconds(found['latency_p95'])}"
    trade = _TRADES[name]
    if not {trade.figure, "quality_avg"} <= found.keys():
        return ""
    about = FIGURES[trade.figure]
    value = words.written(found[trade.figure] * trade.factor, about.unit)
    return f"qualidade {words.score(found['quality_avg'])}, {trade.short} {value}"


def _extremes(qualities: Mapping[str, float]) -> str:
    """From the worst category to the best: all of them would be too long to listen to."""
    if not qualities:
        return ""
    worst, best = (how(qualities, key=lambda key: qualities[key]) for how in (min, max))
    return " a ".join(f"{words.score(qualities[key])} ({words.category(key)})" for key in (worst, best))
