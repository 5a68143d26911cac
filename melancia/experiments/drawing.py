"""Draws plain values with matplotlib: points with a front, distributions, a heat map. 1,200 pixels wide.

Colours are those of Okabe & Ito (2008), told apart by colour-blind people too, and every model has a mark or
a line of its own as well. Names stand in legends or on axes, where they cannot cover each other. Only figure
objects are used, none of pyplot's global state: threads may draw at the same time.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from melancia.text import decimal

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

    Cells = Sequence[Sequence[float | None]]

DPI = 100
_WIDTH = 12.0  # inches: 1,200 pixels
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8A7F00")
_MARKS = "os^DvPX<>hp8"
_LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))
_GREY = "#666666"
_WIDE = 20  # times the smallest, from which largest value on an axis is logarithmic
_LONGEST = 34  # characters of a name
_LONGEST_CATEGORY = 22
_BOXED = 6  # values, below which quartiles say nothing
_JITTER_SEED = 0


@dataclass(frozen=True, slots=True)
class Point:
    """A model where two figures meet; ``across`` and ``along`` are the (low, high) of its 95 % intervals."""

    name: str
    x: float
    y: float
    across: tuple[float, float] | None
    along: tuple[float, float] | None


def trade_off(
    points: Sequence[Point], front: Sequence[int], *, title: str, x_label: str, y_label: str, note: str
) -> "Figure":
    """Points with error bars, a line through those of the ``front`` (places, by ascending x).

    ``note`` heads the legend.
    """
    figure = _figure(6.6)
    axes = figure.add_subplot()
    axes.set_title(title, loc="left", fontsize=15, fontweight="bold")
    axes.set(xlabel=x_label, ylabel=y_label)
    axes.plot(
        [points[place].x for place in front],
        [points[place].y for place in front],
        linestyle="--",
        color=_GREY,
        marker="o",
        markersize=20,
        markerfacecolor="none",
        markeredgewidth=1.5,
        label="Fronteira de Pareto",
        zorder=2,
    )
    for place, point in enumerate(points):
        colour = _COLOURS[place % len(_COLOURS)]
        across, along = _arms(point.x, point.across), _arms(point.y, point.along)
        axes.errorbar(point.x, point.y, along, across, fmt="none", ecolor=colour, capsize=4)
        axes.plot(
            point.x,
            point.y,
            linestyle="none",
            marker=_MARKS[place % len(_MARKS)],
            color=colour,
            markersize=11,
            markeredgecolor="white",
            label=_short(point.name),
            zorder=3,
        )
    _scale(axes, [point.x for point in points])
    _scores(axes.yaxis)
    axes.grid(alpha=0.3)
    _legend(figure, axes, title=note)
    return figure


def distributions(values: Mapping[str, Sequence[float]], *, title: str, unit: str) -> "Figure":
    """Of each name: every value and its quartiles, above; and the share of values up to each, below."""
    from matplotlib.ticker import FuncFormatter

    figure = _figure(4.6 + 0.42 * len(values))
    boxes, shares = figure.subplots(2, sharex=True, height_ratios=[1 + 0.42 * len(values), 3])
    names = list(values)
    for place, name in enumerate(names):
        _box(boxes, values[name], len(names) - place, place)
        known = sorted(values[name])
        steps = [(number + 1) / len(known) for number in range(len(known))]
        style = {"color": _COLOURS[place % len(_COLOURS)], "linestyle": _LINES[place % len(_LINES)]}
        shares.step([known[0], *known], [0, *steps], where="post", linewidth=2.2, **style)
        boxes.plot([], [], linewidth=2.2, label=_short(name), **style)
    boxes.set_yticks(range(len(names), 0, -1), [_short(name) for name in names])
    boxes.set_title(title, loc="left", fontsize=15, fontweight="bold")
    shares.set(xlabel=unit, ylabel="Respostas até essa latência", ylim=(-0.02, 1.02))
    shares.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.0f} %"))
    _scale(shares, [value for known in values.values() for value in known])
    for axes in (boxes, shares):
        axes.grid(alpha=0.3)
    boxed = any(len(known) >= _BOXED for known in values.values())
    _legend(figure, boxes, title="Caixas: quartis; hastes: p5 e p95" if boxed else "")
    return figure


def heat_map(
    rows: Sequence[str], columns: Sequence[str], cells: "Cells", *, title: str, scale: str
) -> "Figure":
    """Scores in [0, 1] by row and column, written in each cell; one that is not known is a dash on grey."""
    import numpy as np

    figure = _figure(2.6 + 0.5 * len(rows))
    axes = figure.add_subplot()
    known = np.array([[np.nan if cell is None else cell for cell in row] for row in cells], dtype=float)
    axes.set_facecolor("#DDDDDD")
    image = axes.imshow(known, cmap="cividis", vmin=0, vmax=1, aspect="auto")
    size = 12 if len(columns) <= 10 else 9
    for (row, column), cell in np.ndenumerate(known):
        said = "–" if np.isnan(cell) else decimal(float(cell), 2)
        dark = not np.isnan(cell) and cell < 0.5
        axes.text(column, row, said, ha="center", va="center", fontsize=size, color="w" if dark else "k")
    slanted = len(columns) > 6 or max(len(name) for name in columns) > 60 // len(columns)
    axes.set_xticks(
        range(len(columns)),
        [_cut(name, _LONGEST_CATEGORY) for name in columns],
        rotation=35 if slanted else 0,
        ha="right" if slanted else "center",
    )
    axes.set_yticks(range(len(rows)), [_short(name) for name in rows])
    axes.tick_params(length=0)
    axes.set_title(title, loc="left", fontsize=15, fontweight="bold")
    bar = figure.colorbar(image, ax=axes, label=scale, pad=0.02)
    _scores(bar.ax.yaxis)
    return figure


def _figure(height: float) -> "Figure":
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_WIDTH, height), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _box(axes: "Axes", values: Sequence[float], height: int, place: int) -> None:
    import numpy as np

    colour = _COLOURS[place % len(_COLOURS)]
    if len(values) >= _BOXED:
        axes.boxplot(
            [values],
            positions=[height],
            orientation="horizontal",
            widths=0.6,
            whis=(5, 95),
            showfliers=False,
            medianprops={"color": colour, "linewidth": 2.5},
            boxprops={"color": colour},
            whiskerprops={"color": colour},
            capprops={"color": colour},
        )
    jitter = np.random.default_rng(_JITTER_SEED).uniform(-0.2, 0.2, len(values))
    axes.scatter(
        values, height + jitter, s=14 if len(values) >= _BOXED else 40, color=colour, alpha=0.45, linewidths=0
    )


def _arms(value: float, ends: tuple[float, float] | None) -> list[list[float]] | None:
    return [[max(0.0, value - ends[0])], [max(0.0, ends[1] - value)]] if ends else None


def _scale(axes: "Axes", values: Sequence[float]) -> None:
    """Logarithmic for values that are far apart, with 0 at its left end if there is one; else from 0."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator

    low = min((value for value in values if value > 0), default=0.0)
    high, zero = max(values), min(values) <= 0
    if low and high > _WIDE * low:
        if zero:
            axes.set_xscale("symlog", linthresh=low)
        else:
            axes.set_xscale("log")
        axes.set_xlabel(f"{axes.get_xlabel()}, escala logarítmica")
        steps = (1, 2, 5) if high < 1000 * low else (1,)
        decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        ticks = [step * 10.0**decade for decade in decades for step in steps]
        axes.set_xlim(-0.3 * low if zero else low / 1.4, high * 1.4)
        axes.xaxis.set_major_locator(
            FixedLocator([0.0] * zero + [tick for tick in ticks if 0.99 * low <= tick <= 1.4 * high])
        )
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_minor_formatter(NullFormatter())
    else:
        end = 1.06 * high or 1.0
        axes.set_xlim(-0.04 * end if zero else 0, end)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}".replace(".", ",")))


def _scores(axis: "Axis") -> None:
    from matplotlib.ticker import FuncFormatter

    axis.set_major_formatter(FuncFormatter(lambda value, _: decimal(value, 2)))


def _legend(figure: "Figure", axes: "Axes", *, title: str) -> None:
    """The names in ``axes``, to the right of everything."""
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right center", title=title)


def _short(name: str) -> str:
    """A model's name on two lines when it is long: the provider, and the model without its organisation."""
    provider, _, model = name.partition(" - ")
    if len(name) <= _LONGEST or not model:
        return _cut(name, _LONGEST)
    return f"{provider}\n{_cut(model.rsplit('/', 1)[-1], _LONGEST)}"


def _cut(name: str, longest: int) -> str:
    """Without its middle when it is too long: models of a family differ at the end."""
    if len(name) <= longest:
        return name
    kept = longest - 1
    return f"{name[: kept // 2]}…{name[-(kept - kept // 2) :]}"
