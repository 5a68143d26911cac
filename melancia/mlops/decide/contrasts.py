"""Differences of plain means between two groups of answers: latency, cost, failures, scores, and who rates.

Each mean is a ratio of sums over users, and the variance of the difference that of its linearisation, summed
up a user first (cluster robust). The interval is the asymptotic confidence sequence of ``sequences``. These
figures decide nothing, so they are not corrected for how many there are: of 20 such intervals one may be
wrong.
"""

from collections.abc import Callable
from math import isfinite

import numpy as np

from melancia.mlops.decide.configuration import Configuration
from melancia.mlops.decide.results import Contrast, Span
from melancia.mlops.decide.samples import Numbers, Places, Sample, by_user
from melancia.mlops.decide.sequences import radius
from melancia.records import Outcome

_NOTHING = 1e-15
Reader = Callable[[Outcome], float | None]
_READERS: dict[str, Reader] = {
    "latency": lambda row: row.latency,
    "cost": lambda row: row.cost,
    "failed": lambda row: float(row.failed),
    "fell_back": lambda row: float(row.fell_back),
    "refused": lambda row: float(row.refused),
}


def secondary(found: Sample, configuration: Configuration) -> tuple[Contrast, ...]:
    """Every secondary figure that some row has: those of ``Outcome``, then each automatic score by name."""
    scores = sorted({name for row in found.rows for name in row.scores})
    readers = {**_READERS, **{f"score:{name}": _score(name) for name in scores}}
    contrasts = (
        contrast(
            name,
            user=found.user,
            side=found.side,
            weight=found.weight,
            values=found.values(reader),
            configuration=configuration,
        )
        for name, reader in readers.items()
    )
    return tuple(one for one in contrasts if any(one.count))


def contrast(
    name: str, *, user: Places, side: Places, weight: Numbers, values: Numbers, configuration: Configuration
) -> Contrast:
    """The means of ``values`` (NaN: not measured) of both sides, and their difference.

    No interval below ``least_raters`` effective users a side. A share that is 0 or 1 on a side is given the
    doubt of two more users, as in ``approval``.
    """
    known = ~np.isnan(values)
    user, side, weight, values = user[known], side[known], weight[known], values[known]
    count = (int((side == 0).sum()), int((side == 1).sum()))
    base, challenger = (_mean(values[side == one], weight[side == one]) for one in (0, 1))
    if not all(count):
        return Contrast(name, base, challenger, Span(None), count)
    sums, gram = by_user(user, side, np.stack([weight, weight * values], axis=1))
    mean = sums[:, 1] / sums[:, 0]
    users = sums[:, 0] ** 2 / np.array([gram[0, 0], gram[2, 2]])
    difference = float(mean[1] - mean[0])
    if users.min() < configuration.least_raters:
        return Contrast(name, base, challenger, Span(difference), count)
    influence = np.array([mean[0] / sums[0, 0], -1 / sums[0, 0], -mean[1] / sums[1, 0], 1 / sums[1, 0]])
    variance = float(influence @ gram @ influence) * float((users / (users - 1)).max())
    pooled = float(np.average(values, weights=weight))
    spread = float(np.average((values - pooled) ** 2, weights=weight))
    if set(np.unique(values)) <= {0.0, 1.0}:
        variance += float(((mean**2 + (1 - mean) ** 2) / users**2).sum())
        share = (pooled * users.sum() + 1) / (users.sum() + 2)
        spread = float(share * (1 - share))
    # What never varies has no interval; its rounding errors would.
    if not (isfinite(variance) and min(variance * len(values), spread) > _NOTHING * max(1.0, pooled**2)):
        return Contrast(name, base, challenger, Span(difference), count)
    half = float(radius(variance, spread, configuration.alpha, configuration.expected_effect))
    return Contrast(name, base, challenger, Span(difference, difference - half, difference + half), count)


def _mean(values: Numbers, weight: Numbers) -> float | None:
    return float(np.average(values, weights=weight)) if len(values) else None


def _score(name: str) -> Reader:
    return lambda row: row.scores.get(name)
