"""The same question answered by both arms: the difference is taken within the question, before anything else.

In shadow mode every user is given the base arm, and the challenger answers the same question out of sight;
in hybrid mode its answer follows the base arm's draft. There is no draw, and so no sample ratio; what makes
the arms comparable is that each question is its own control. How hard questions are, who asks and what day it
is cancel in the difference, which also makes its interval narrower.

Scores, latency and cost are compared on questions that both arms answered themselves, so that neither gains
by giving up on the hard ones; failures and refusals on all pairs. The mean of the differences weighs each
pair alike, its variance is summed up a user before it is squared (cluster robust), and the interval is the
*t* mixture of ``sequences``, with a degree of freedom for each effective user but one. A difference of shares
is given the doubt of two more users, one for each side (after Agresti and Min, 2005), so that pairs that all
agree are not taken for certainty.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from melancia.mlops.decide.configuration import Configuration
from melancia.mlops.decide.contrasts import Reader
from melancia.mlops.decide.results import Contrast, Span
from melancia.mlops.decide.samples import Numbers
from melancia.mlops.decide.sequences import paired_radius
from melancia.records import OriginKind, Outcome

_NOTHING = 1e-15
_OF_ANSWERED: dict[str, Reader] = {"latency": lambda row: row.latency, "cost": lambda row: row.cost}
_OF_ALL: dict[str, Reader] = {
    "failed": lambda row: float(row.failed),
    "refused": lambda row: float(row.refused),
}


@dataclass(frozen=True, slots=True)
class Pairs:
    """One question each: the base arm's outcome, which was shown first, and the challenger's.

    ``asked``: the questions that the base arm was given, with a challenger's answer or without.
    """

    pairs: Sequence[tuple[Outcome, Outcome]]
    asked: int

    def values(self, reader: Reader, *, answered: bool) -> tuple[Sequence[str], Numbers, Numbers]:
        """Users, and what ``reader`` finds on both sides of the pairs that have it on both.

        ``answered``: only of those that both arms answered themselves.
        """
        found = [
            (first.user_id, one, other)
            for first, second in self.pairs
            if not (answered and (first.failed or second.failed))
            and (one := reader(first)) is not None
            and (other := reader(second)) is not None
        ]
        values = np.array([row[1:] for row in found], dtype=float).reshape(-1, 2)
        return [row[0] for row in found], values[:, 0], values[:, 1]


@dataclass(frozen=True, slots=True)
class Sums:
    """What the estimate needs of the differences d: how many, Σd, Σd²; and over users, with n of them and a
    sum of S each, Σn², Σn·S, ΣS². Numbers, or arrays of experiments.
    """

    count: Any
    total: Any
    square: Any
    users_square: Any
    cross: Any
    sums_square: Any


@dataclass(frozen=True, slots=True)
class Estimate:
    """The mean difference, its variance, the variance of one difference, and the effective users (Kish)."""

    difference: Any
    variance: Any
    spread: Any
    users: Any


def pairs(rows: Sequence[Outcome], base: str, challenger: str, kind: OriginKind) -> Pairs:
    """The pairs of two arms in ordered outcomes. Of several answers to one question the first counts."""
    shown = {row.interaction_id: row for row in rows if row.arm == base and row.origin is None}
    found: dict[str, tuple[Outcome, Outcome]] = {}
    for row in rows:
        if row.arm == challenger and row.origin is not None and row.origin.kind is kind:
            first = shown.get(row.origin.interaction_id)
            if first is not None:
                found.setdefault(first.interaction_id, (first, row))
    return Pairs(list(found.values()), len(shown))


def estimate(sums: Sums, *, shares: bool) -> Estimate:
    """The estimate; of ``shares`` when both sides are 0 or 1. Not finite where there is no pair."""
    with np.errstate(divide="ignore", invalid="ignore"):
        count = np.asarray(sums.count, dtype=float)
        mean = sums.total / count
        users = count**2 / sums.users_square
        residual = sums.sums_square - 2 * mean * sums.cross + mean**2 * sums.users_square
        variance = np.maximum(0.0, residual) / count**2 * users / np.maximum(users - 1, 0.5)
        spread = sums.square / count - mean**2
        if shares:
            variance = variance + 2 * (1 + mean**2) / users**2
            spread = (sums.square + 2) / (count + 2) - (sums.total / (count + 2)) ** 2
    return Estimate(mean, variance, spread, users)


def summed(users: Sequence[str], differences: Numbers) -> Sums:
    """``Sums`` of one experiment."""
    places: dict[str, int] = {}
    of_user = np.array([places.setdefault(user, len(places)) for user in users], dtype=np.int64)
    each = np.bincount(of_user, minlength=len(places)).astype(float)
    sums = np.bincount(of_user, weights=differences, minlength=len(places))
    return Sums(
        len(differences),
        float(differences.sum()),
        float((differences**2).sum()),
        float((each**2).sum()),
        float((each * sums).sum()),
        float((sums**2).sum()),
    )


def decided(found: Estimate, configuration: Configuration) -> Any:
    """Half the width of the interval; NaN where there are too few users, or nothing varies."""
    with np.errstate(divide="ignore", invalid="ignore"):
        half = paired_radius(
            found.variance, found.spread, found.users, configuration.alpha, configuration.expected_effect
        )
    scale = _NOTHING * np.maximum(1.0, np.asarray(found.difference) ** 2)
    known = (found.users >= configuration.least_raters) & (found.variance > scale) & (found.spread > scale)
    return np.where(known & np.isfinite(half), half, np.nan)


def score(found: Pairs, name: str, configuration: Configuration) -> tuple[Contrast, Estimate | None]:
    """The automatic score ``name`` of both sides; the estimate is None without a pair that has it."""
    return _contrast(f"score:{name}", found, lambda row: row.scores.get(name), configuration, answered=True)


def secondary(found: Pairs, configuration: Configuration) -> tuple[Contrast, ...]:
    """Every figure that both sides of some pair have: those of ``Outcome``, then each score by name."""
    names = sorted({name for pair in found.pairs for row in pair for name in row.scores})
    contrasts = [
        *(_contrast(name, found, one, configuration, answered=True)[0] for name, one in _OF_ANSWERED.items()),
        *(_contrast(name, found, one, configuration, answered=False)[0] for name, one in _OF_ALL.items()),
        *(score(found, name, configuration)[0] for name in names),
    ]
    return tuple(one for one in contrasts if any(one.count))


def _contrast(
    name: str, found: Pairs, reader: Reader, configuration: Configuration, *, answered: bool
) -> tuple[Contrast, Estimate | None]:
    users, base, challenger = found.values(reader, answered=answered)
    count = (len(users), len(users))
    if not users:
        return Contrast(name, None, None, Span(None), count), None
    shares = set(np.unique(np.concatenate([base, challenger]))) <= {0.0, 1.0}
    made = estimate(summed(users, challenger - base), shares=shares)
    value, half = float(made.difference), float(decided(made, configuration))
    span = Span(value) if np.isnan(half) else Span(value, value - half, value + half)
    return Contrast(name, float(base.mean()), float(challenger.mean()), span, count), made
