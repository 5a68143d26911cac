"""One hypothesis each: a figure of some rows, now against then."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from melancia.mlops.drift import clusters
from melancia.mlops.drift.clusters import Rows, Tested
from melancia.mlops.drift.figures import BY_NAME, Figure, Kind, summary, values
from melancia.mlops.drift.pairs import Pair

LEAST_ROWS = 30  # a side: below, Mann–Whitney's normal approximation and our effect sizes are noise
_LEAST_CATEGORY = 10  # rows of both windows together; smaller categories are one
_EXAMPLES = 30  # as many as a benchmark on a new topic asks
_NEW_NOW, _NEW_THEN = 0.03, 0.25  # a new topic: share of the questions now; of that, its share before


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """``p_value`` is None when it was not tested, and ``reason`` says why. ``large``: worth an alarm if it is
    no chance. ``parts``: what changed most (a category, or a model's figures), and ``shares``: that
    category's share now and then.
    """

    figure: str
    arm: str = ""
    topic: str = ""
    value: float | None = None
    reference: float | None = None
    effect: float = 0.0
    large: bool = False
    p_value: float | None = None
    reason: str = ""
    parts: tuple[str, ...] = ()
    shares: tuple[float, float] | None = None
    examples: tuple[str, ...] = ()

    @property
    def direction(self) -> int:
        """Where it went."""
        return int(np.sign(self.effect))


def single(
    figure: Figure, pair: Pair, *, arm: str = "", topic: str = "", labels: Mapping[int, str]
) -> Hypothesis:
    """A figure of the rows of ``pair``; not tested when there are too few."""
    found = Hypothesis(figure.name, arm, topic)
    if figure.live and not pair.live:
        return replace(found, reason="a referência não tem respostas dadas a usuários")
    pair = pair.about(figure)
    now, then = levels(figure, pair)
    if reason := too_few(pair.rows):
        return replace(found, reason=reason, value=now, reference=then)
    if figure.kind is Kind.MIX:
        return _mix(figure, pair, found, labels)
    seen = values(figure, pair[figure.column])
    tested = (clusters.numbers if figure.kind is Kind.NUMBER else clusters.share)(seen, pair.rows)
    return replace(
        found,
        value=now,
        reference=then,
        effect=tested.effect,
        p_value=tested.p_value,
        large=is_large(figure, tested, now, then),
        examples=extreme(pair, seen, tested.effect),
    )


def too_few(rows: Rows) -> str:
    """Why these rows cannot be tested; "" when they can."""
    now, then = rows.sizes
    if min(now, then) == 0:
        when = " nem ".join(name for name, size in (("agora", now), ("antes", then)) if not size)
        return f"nenhuma medida {when}"
    if min(now, then) < LEAST_ROWS:
        return f"{now} medidas agora e {then} antes; são precisas {LEAST_ROWS}"
    if rows.clusters < clusters.LEAST_CLUSTERS:
        unit = "usuários" if rows.stratum is None else "dias de usuários"
        return f"as medidas são de {rows.clusters} {unit}; são precisos {clusters.LEAST_CLUSTERS}"
    return ""


def categories(column: NDArray[Any], pair: Pair) -> dict[Any, Tested]:
    """The test of each category; small ones are one, named None. Of two, the second says nothing new."""
    names, places, sizes = np.unique(column, return_inverse=True, return_counts=True)
    large = sizes >= _LEAST_CATEGORY
    tests = {name: places == place for place, name in enumerate(names) if large[place]}
    if sizes[~large].sum() >= _LEAST_CATEGORY:
        tests[None] = ~large[places]
    if len(tests) == 2 and sum(hits.sum() for hits in tests.values()) == len(column):
        tests.popitem()
    found = {name: clusters.share(hits.astype(np.float64), pair.rows) for name, hits in tests.items()}
    return {name: tested for name, tested in found.items() if not np.isnan(tested.p_value)}


def _mix(figure: Figure, pair: Pair, found: Hypothesis, labels: Mapping[int, str]) -> Hypothesis:
    column = pair[figure.column]
    tests = categories(column, pair)
    distance = _distance(*pair.sides(column))
    found = replace(found, value=distance, reference=0.0, effect=distance, large=distance >= figure.least)
    if not tests:
        return replace(found, reason="categorias pequenas demais")
    first = min(tests, key=lambda name: tests[name].p_value)
    mine = np.isin(column, [name for name in tests if name is not None], invert=True)
    if first is not None:
        mine = column == first
    now, then = (float(side.mean()) for side in pair.sides(mine))
    named = labels.get(first, str(first)) if figure.name == "topic_mix" and first is not None else first
    return replace(
        found,
        p_value=min(1.0, len(tests) * tests[first].p_value),
        parts=() if named is None else (str(named),),
        shares=(now, then),
        examples=_newest(pair, mine) if now > then else (),
    )


def new_topics(pair: Pair, labels: Mapping[int, str], alpha: float) -> Sequence[Hypothesis]:
    """Topics that grew from next to nothing, to be asked for only once the mix as a whole has changed: so
    gated, Holm's correction among topics keeps the rate of false alarms of the whole run.
    """
    from statsmodels.stats.multitest import multipletests

    pair = pair.about(BY_NAME["topic_mix"])
    topics = pair["topic"]
    tests = {int(name): tested for name, tested in categories(topics, pair).items() if name is not None}
    if not tests:
        return []
    corrected = multipletests([one.p_value for one in tests.values()], alpha=alpha, method="holm")[1]
    found = []
    for topic, p_value in zip(tests, corrected, strict=True):
        mine = topics == topic
        now, then = (float(side.mean()) for side in pair.sides(mine))
        if now >= _NEW_NOW and then <= _NEW_THEN * now:
            found.append(
                Hypothesis(
                    "topic_new",
                    topic=labels.get(topic, str(topic)),
                    value=now,
                    reference=then,
                    effect=now - then,
                    large=True,
                    p_value=float(p_value),
                    examples=_newest(pair, mine),
                )
            )
    return found


def levels(figure: Figure, pair: Pair) -> tuple[float | None, float | None]:
    """The figure now and then, where it has any row."""
    if figure.kind is Kind.MIX:
        return None, None
    now, then = pair.sides(values(figure, pair[figure.column]))
    return summary(figure, now) if len(now) else None, summary(figure, then) if len(then) else None


def is_large(figure: Figure, tested: Tested, now: float | None, then: float | None) -> bool:
    large = abs(tested.effect) >= figure.least
    change = (now or 0.0) - (then or 0.0)
    if figure.relative is not None:
        large &= abs(change) >= figure.relative * abs(then or 0.0)
    if figure.absolute is not None:
        large &= abs(change) >= figure.absolute
    return large


def extreme(pair: Pair, seen: NDArray[np.float64], effect: float) -> tuple[str, ...]:
    """Interactions of now that show the change best: of a share, the newest; of a number, the farthest."""
    mine = np.flatnonzero(pair.rows.now)
    order = mine[np.argsort(np.sign(effect) * seen[mine], kind="stable")]
    return tuple(map(str, pair["id"][order[::-1][:_EXAMPLES]]))


def _newest(pair: Pair, mine: NDArray[np.bool_]) -> tuple[str, ...]:
    """The newest interactions of ``mine`` in the current window, which is in the order of time."""
    return tuple(map(str, pair["id"][mine & pair.rows.now][-_EXAMPLES:][::-1]))


def _distance(now: NDArray[Any], then: NDArray[Any]) -> float:
    """The total variation distance of two mixes."""
    shares = [pd.Series(side).value_counts(normalize=True) for side in (now, then)]
    return float(shares[0].sub(shares[1], fill_value=0.0).abs().sum() / 2)
