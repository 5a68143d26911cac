"""What the page's charts share: plotly without toolbar or logo, nothing fetched.

Text and grid take the page's colours from its style sheet, so that they can be read in light and in dark.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from gradio.components.plot import PlotData

# Read on white and on the dark page (a contrast of 3 or more), and told apart by the colour-blind.
COLOURS = ("#1f8a4c", "#3f7fc4", "#b8651b", "#9257b5")
QUIET = "#8a847f"
_CONFIG: Mapping[str, Any] = {"displayModeBar": False, "displaylogo": False, "scrollZoom": False}


def local(instant: datetime) -> str:
    """The instant in the server's zone, as all moments on the page."""
    return instant.astimezone().replace(tzinfo=None).isoformat(timespec="seconds")


def zero() -> dict[str, Any]:
    """An axis with its zero marked, and not to be moved."""
    return {"zeroline": True, "zerolinewidth": 2, "zerolinecolor": QUIET, "fixedrange": True}


def title(said: str) -> dict[str, Any]:
    """An axis's title."""
    return {"text": said, "font": {"size": 12}, "standoff": 8}


def layout(height: int) -> dict[str, Any]:
    """The layout of a chart of ``height`` pixels."""
    return {
        "template": {},
        "height": height,
        "separators": ",.",
        "dragmode": False,
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"size": 13, "family": "system-ui, sans-serif", "color": QUIET},
        "margin": {"l": 8, "r": 12, "t": 12, "b": 8},
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
    }


def sent(figure: Any) -> PlotData:
    """As the page's plotly reads it; its configuration goes with it, for which a figure has no place."""
    value = json.loads(figure.to_json()) | {"config": dict(_CONFIG)}
    return PlotData(type="plotly", plot=json.dumps(value))
