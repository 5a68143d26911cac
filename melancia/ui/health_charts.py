"""The trend of a figure over reports, as a chart and as a table of the same numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle

from gradio.components.plot import PlotData

from melancia.mlops import figure_names
from melancia.mlops.naming import drift_figure
from melancia.records import DriftReport
from melancia.ui import benchmark_html as html
from melancia.ui import health_words as names
from melancia.ui.charts import COLOURS, layout, local, sent, title
from melancia.ui.job_view import moment, text

ALL = "tudo"
_LINES = 8  # of many topics: those with most reports
_DRIFTED = "#d6453d"
_HEIGHT = 320  # pixels


@dataclass(frozen=True, slots=True)
class Series:
    """A figure of everything, an arm or a topic; by report, its value and whether it had changed."""

    name: str
    values: Mapping[str, float]
    changed: frozenset[str]


def trend(reports: Sequence[DriftReport], figure: str) -> PlotData | None:
    """A line an arm or topic, a point a report, those marked that had changed; None without a value."""
    from plotly import graph_objects as go

    found = series(reports, figure)
    if not found:
        return None
    axis, scale = names.AXES[figure_names.figure(figure).unit]
    drawn = go.Figure()
    colours, dashes = cycle(COLOURS), cycle(["solid"] * len(COLOURS) + ["dash"] * len(COLOURS))
    marked: list[tuple[str, float]] = []
    for one in found:
        present = [report for report in reversed(reports) if report.id in one.values]
        drawn.add_scatter(
            x=[local(report.created_at) for report in present],
            y=[scale * one.values[report.id] for report in present],
            name=text(one.name),  # plotly reads some HTML in names and in what it shows beside a point
            mode="lines+markers",
            line={"width": 2.5, "color": next(colours), "dash": next(dashes)},
            marker={"size": 7},
            text=[_told(report, figure, one) for report in present],
            hovertemplate="%{text}<extra></extra>",
        )
        marked += [
            (local(report.created_at), scale * one.values[report.id])
            for report in present
            if report.id in one.changed
        ]
    if marked:
        drawn.add_scatter(
            x=[when for when, _ in marked],
            y=[value for _, value in marked],
            name="mudou",
            mode="markers",
            marker={"size": 15, "symbol": "diamond-open", "color": _DRIFTED, "line": {"width": 3}},
            hoverinfo="skip",
        )
    drawn.update_layout(**layout(_HEIGHT))
    drawn.update_layout(showlegend=len(drawn.data) > 1, hovermode="closest")
    drawn.update_yaxes(title=title(axis), rangemode="tozero", automargin=True, fixedrange=True)
    drawn.update_xaxes(tickformat="%d/%m\n%H:%M", nticks=6, automargin=True, fixedrange=True)
    return sent(drawn)


def numbers(reports: Sequence[DriftReport], figure: str) -> str:
    """The numbers of the chart, the newest first; "" without any."""
    found = series(reports, figure)
    rows = [
        (moment(report.created_at), [_cell(report, figure, one) for one in found])
        for report in reports
        if any(report.id in one.values for one in found)
    ]
    if not rows:
        return ""
    table = html.table(names.figure(figure), ("Relatório", *(one.name for one in found)), rows)
    return f'<div class="benchmark saude">{html.folded("Os números do gráfico", table)}</div>'


def series(reports: Sequence[DriftReport], figure: str) -> list[Series]:
    """What reports say of ``figure``: of everything first, then by arm, then by topic."""
    values: dict[str, dict[str, float]] = {}
    changed: dict[str, set[str]] = {}
    called: dict[str, tuple[int, str]] = {}
    for report in reports:
        for name, value in report.figures.items():
            own, whose = figure_names.split(name)
            if own == figure:
                values.setdefault(name, {})[report.id] = value
                called.setdefault(name, (2, whose) if whose else (0, ALL))
        for finding in report.findings:
            if finding.figure != figure:
                continue
            name = drift_figure(finding.figure, finding.arm, finding.topic)
            if finding.drifted:
                changed.setdefault(name, set()).add(report.id)
            if finding.arm or finding.topic:
                arm = f"braço {finding.arm}" if finding.arm else ""
                called[name] = 1 if arm else 2, ", ".join(part for part in (arm, finding.topic) if part)
    order = sorted(values, key=lambda name: (called[name][0], -len(values[name]), called[name][1]))
    return [
        Series(called[name][1], values[name], frozenset(changed.get(name, ()))) for name in order[:_LINES]
    ]


def _told(report: DriftReport, figure: str, one: Series) -> str:
    value = names.written(figure, one.values[report.id])
    return "<br>".join(
        (f"{text(one.name)}: {text(value)}", moment(report.created_at), text(names.status(report)))
    )


def _cell(report: DriftReport, figure: str, one: Series) -> str:
    return html.value(
        names.written(figure, one.values.get(report.id)), "mudou" if report.id in one.changed else ""
    )
