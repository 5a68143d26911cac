"""The charts of an experiment, for plotly in the page."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gradio.components.plot import PlotData

from melancia.mlops.decide.results import Contrast, Span
from melancia.ui import experiment_words as names
from melancia.ui.charts import COLOURS, QUIET, layout, local, sent, title, zero
from melancia.ui.experiment_data import Line, Shown
from melancia.ui.experiment_words import Unit
from melancia.ui.job_view import moment

_BANDS = ("rgba(31,138,76,.28)", "rgba(63,127,196,.28)", "rgba(184,101,27,.28)", "rgba(146,87,181,.28)")
_ROW, _AXIS = 34, 62  # pixels of an entry of the forest, and of an axis below its panel


@dataclass(frozen=True, slots=True)
class _Entry:
    """A line of the forest."""

    label: str
    colour: str
    contrast: Contrast


def over_time(shown: Shown) -> PlotData | None:
    """The difference in approval at each verdict, its confidence sequence as a band; None without one."""
    from plotly import graph_objects as go

    figure = go.Figure()
    for place, (pair, moments) in enumerate(_moments(shown.alike).items()):
        colour, band = COLOURS[place % len(COLOURS)], _BANDS[place % len(_BANDS)]
        _draw(figure, pair, moments, colour, band)
    if not figure.data:
        return None
    least = shown.newest.verdict.configuration.get("least_effect") if shown.newest else None
    for sign in (-1, 1) if isinstance(least, float | int) else ():
        figure.add_hline(sign * 100 * float(least or 0), line={"color": QUIET, "width": 1, "dash": "dot"})
    figure.update_layout(**layout(360))
    figure.update_layout(showlegend=len(figure.data) > 3, hovermode="closest")
    figure.update_yaxes(
        title=title("pontos de nota automática" if shown.paired else "pontos de aprovação"),
        rangemode="tozero",
        **zero(),
    )
    figure.update_xaxes(tickformat="%d/%m\n%H:%M", nticks=6, hoverformat="%d/%m/%Y %H:%M", fixedrange=True)
    return sent(figure)


def forest(shown: Shown) -> PlotData | None:
    """The secondary differences with their intervals, a panel for each unit; None when there is none."""
    from plotly.subplots import make_subplots

    panels = _panels(shown)
    if not panels:
        return None
    heights = [_ROW * len(entries) + _AXIS for entries in panels.values()]
    figure = make_subplots(
        rows=len(panels),
        row_heights=[float(_ROW * len(entries)) for entries in panels.values()],
        vertical_spacing=_AXIS / sum(heights) if len(panels) > 1 else 0,
    )
    for row, (unit, entries) in enumerate(panels.items(), start=1):
        _panel(figure, row, unit, entries)
    figure.update_layout(**layout(sum(heights) + 20))
    figure.update_layout(showlegend=False, hovermode="closest")
    return sent(figure)


def _moments(lines: Sequence[Line]) -> dict[str, list[tuple[Line, Span]]]:
    """By pair of arms, oldest first, those verdicts that knew a difference."""
    found: dict[str, list[tuple[Line, Span]]] = {}
    for line in reversed(lines):
        for one in line.verdict.comparisons:
            if one.difference.value is not None:
                pair = f"{one.challenger} menos {one.base}"
                found.setdefault(pair, []).append((line, one.difference))
    return found


def _draw(figure: Any, pair: str, moments: Sequence[tuple[Line, Span]], colour: str, band: str) -> None:
    known = [(line, span) for line, span in moments if span.low is not None and span.high is not None]
    edges = [local(line.until) for line, _ in known]
    quiet = {"mode": "lines", "line": {"width": 0}, "hoverinfo": "skip", "showlegend": False}
    figure.add_scatter(x=edges, y=[100 * (span.high or 0.0) for _, span in known], **quiet)
    figure.add_scatter(
        x=edges,
        y=[100 * (span.low or 0.0) for _, span in known],
        fill="tonexty",
        fillcolor=band,
        **quiet,
    )
    figure.add_scatter(
        x=[local(line.until) for line, _ in moments],
        y=[100 * (span.value or 0.0) for _, span in moments],
        name=pair,
        mode="lines+markers",
        line={"color": colour, "width": 2.5},
        marker={"size": 6},
        # A band needs two moments; a single one has its interval as a bar.
        error_y=_bars([span for _, span in moments], 100.0, colour) if len(known) == 1 else None,
        text=[f"{pair}: {names.span(span)} pontos<br>{moment(line.until)}" for line, span in moments],
        hovertemplate="%{text}<extra></extra>",
    )


def _panels(shown: Shown) -> dict[Unit, list[_Entry]]:
    comparisons = shown.newest.verdict.comparisons if shown.newest else ()
    found: dict[Unit, list[_Entry]] = {}
    for place, comparison in enumerate(comparisons):
        for one in comparison.secondary:
            if one.difference.value is None:
                continue
            which = f" ({comparison.challenger})" if len(comparisons) > 1 else ""
            entry = _Entry(f"{names.figure(one.name)}{which}", COLOURS[place % len(COLOURS)], one)
            found.setdefault(names.unit(one.name), []).append(entry)
    order = (names.SHARE, names.SECONDS, names.MONEY)
    return {unit: found[unit] for unit in order if unit in found}


def _panel(figure: Any, row: int, unit: Unit, entries: Sequence[_Entry]) -> None:
    for entry in entries:
        span = entry.contrast.difference
        figure.add_scatter(
            x=[unit.scale * (span.value or 0.0)],
            y=[entry.label],
            row=row,
            col=1,
            mode="markers",
            marker={"size": 10, "color": entry.colour, "symbol": "circle" if span.low is not None else "x"},
            error_x=_bars([span], unit.scale, entry.colour),
            text=[f"{entry.label}: {names.span(span, unit.difference)}"],
            hovertemplate="%{text}<extra></extra>",
        )
    figure.update_xaxes(
        title=title(unit.axis), rangemode="tozero", exponentformat="none", row=row, col=1, **zero()
    )
    figure.update_yaxes(
        autorange="reversed", automargin=True, fixedrange=True, ticksuffix=" ", row=row, col=1
    )


def _bars(spans: Sequence[Span], scale: float, colour: str) -> dict[str, Any]:
    """The ends of intervals as plotly wants them: distances from the value."""
    return {
        "type": "data",
        "symmetric": False,
        "array": [_distance(span, span.high, scale) for span in spans],
        "arrayminus": [_distance(span, span.low, scale) for span in spans],
        "color": colour,
        "thickness": 2.5,
        "width": 5,
    }


def _distance(span: Span, end: float | None, scale: float) -> float:
    return 0.0 if end is None or span.value is None else scale * abs(end - span.value)
