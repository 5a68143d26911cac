"""Evidently's report of both windows: the distributions behind the findings, one self-contained HTML page.

It shows; it does not decide. Its tests take rows for independent, and pass silently where there is nothing to
test: columns without enough values are left out here, and a result that is no number is refused. Embeddings
stay out: it would draw them by t-SNE, for a minute.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from melancia.mlops.drift.checks import ALPHA
from melancia.mlops.drift.figures import FIGURES, Kind
from melancia.mlops.drift.frame import Window
from melancia.mlops.drift.hypotheses import LEAST_ROWS

SAMPLE = 5000  # rows of a window; its time and the page's size grow with them, what one sees does not
_NO_TOPIC = "sem assunto"


@dataclass(frozen=True, slots=True)
class Picture:
    """The page, and the same as plain JSON; ``left_out``: figures without enough values."""

    html: str
    data: Mapping[str, Any]
    left_out: tuple[str, ...]


def draw(current: Window, reference: Window, topics: Mapping[int, str], seed: int) -> Picture:
    """Evidently's view of a sample of both windows, each figure under its Portuguese name."""
    from evidently import DataDefinition, Dataset, Report
    from evidently.metrics import ValueDrift

    rng = np.random.default_rng(seed)
    frames = [_readable(window, topics, rng) for window in (current, reference)]
    kept = [name for name in frames[0] if all(_enough(frame[name]) for frame in frames)]
    left_out = tuple(str(name) for name in frames[0] if name not in kept)
    numbers = [name for name in kept if frames[0][name].dtype.kind == "f"]
    definition = DataDefinition(
        numerical_columns=numbers, categorical_columns=[name for name in kept if name not in numbers]
    )
    threshold = ALPHA / max(1, len(kept))
    # Column by column: the preset's verdict of the whole would contradict ours.
    metrics = [
        ValueDrift(column=str(name), method="ks" if name in numbers else "chisquare", threshold=threshold)
        for name in kept
    ]
    datasets = [Dataset.from_pandas(frame[kept], data_definition=definition) for frame in frames]
    with np.errstate(divide="ignore"):  # a category that the reference has not
        snapshot = Report(metrics).run(*datasets)
        html = snapshot.get_html_str(as_iframe=False)
    return Picture(html, _plain(json.loads(json.dumps(snapshot.dict(), default=str))), left_out)


def _readable(window: Window, topics: Mapping[int, str], rng: np.random.Generator) -> pd.DataFrame:
    """A sample with Portuguese names; shares as “sim” and “não”. No question, no user, no id."""
    frame = window.frame
    if len(frame) > SAMPLE:
        frame = frame.iloc[np.sort(rng.permutation(len(frame))[:SAMPLE])]
    found = {}
    for figure in FIGURES:
        column = frame[figure.column]
        if figure.name == "topic_mix":
            column = column.map(lambda topic: topics.get(topic, _NO_TOPIC)).astype(object)
        elif figure.kind is Kind.SHARE:
            known = column.notna()
            hits = column < 0 if figure.name == "thumbs_down" else column.astype(float) > 0
            column = hits.map({True: "sim", False: "não"}).astype(object).where(known, None)
        elif figure.kind is Kind.MIX:
            column = column.astype(object).where(column != "", None)
        if column.dtype == object:  # the page holds them inside a script
            column = column.map(lambda name: name.replace("<", "‹"), na_action="ignore")
        found[figure.label[0].upper() + figure.label[1:]] = column.to_numpy()
    return pd.DataFrame(found)


def _enough(column: "pd.Series[Any]") -> bool:
    return int(column.notna().sum()) >= LEAST_ROWS


def _plain(value: Any) -> Any:
    """Without NaN and infinities, which JSON does not know."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
