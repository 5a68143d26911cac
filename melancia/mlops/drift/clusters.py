"""Whether two windows differ, when rows of one user are not independent.

The row-weighted difference of the windows is a sum over users. Under the hypothesis of no drift each user's
term is as likely positive as negative, so the sum over its root of squares is about normal whatever happens
within a user: the cluster-robust score test, the limit of the wild cluster bootstrap with the hypothesis
imposed (Kline & Santos, “A score based approach to wild bootstrap inference”, 2012; for ranks, Datta &
Satten, “Rank-sum tests for clustered data”, 2005). A user who appears in both windows is one term. The
statistic cannot exceed the root of the number of users, so a handful of them never alarms.

It knows nothing of rare events, the textbook tests of rows nothing of users: the larger p-value counts.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Codes = NDArray[np.int64]
Mask = NDArray[np.bool_]

LEAST_CLUSTERS = 20  # below, the normal approximation and the bound above leave nothing to find
_LARGE = 1000  # expected count of every cell from which chi-square and Fisher's test agree


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of both windows: ``now`` marks those of the current one; ``cluster`` says whose.

    ``stratum``: rows are compared within theirs only; None compares all with all.
    """

    now: Mask
    cluster: Codes
    stratum: Codes | None = None

    def among(self, mask: Mask) -> "Rows":
        """Those of ``mask``."""
        return Rows(self.now[mask], self.cluster[mask], None if self.stratum is None else self.stratum[mask])

    @property
    def sizes(self) -> tuple[int, int]:
        """Rows now and then."""
        now = int(self.now.sum())
        return now, len(self.now) - now

    @property
    def comparable(self) -> bool:
        """Whether any row of now has one of then to be compared with."""
        return bool(_centred(self.now.astype(np.float64), self.stratum).any())

    @property
    def clusters(self) -> int:
        """The fewer of the clusters now and then."""
        return min(len(np.unique(self.cluster[side])) for side in (self.now, ~self.now))


@dataclass(frozen=True, slots=True)
class Tested:
    """``effect``: P(now > then) − ½ of numbers, the difference of shares; ``p_value`` of this test
    alone, NaN where there was nothing to compare.
    """

    effect: float
    p_value: float


_NOTHING = Tested(0.0, float("nan"))  # no pass: not tested


def numbers(values: Numbers, rows: Rows) -> Tested:
    """Mann–Whitney, and its cluster-robust form; within strata by aligned ranks."""
    from scipy import stats

    if not rows.comparable:
        return _NOTHING
    values = _centred(values, rows.stratum, median=True)
    first, second = values[rows.now], values[~rows.now]
    if values.min() == values.max():
        return Tested(0.0, 1.0)
    plain = stats.mannwhitneyu(first, second, method="asymptotic")
    p_value = float(np.maximum(plain.pvalue, _score(stats.rankdata(values), rows)))
    return Tested(float(plain.statistic) / (len(first) * len(second)) - 0.5, p_value)


def share(hits: Numbers, rows: Rows) -> Tested:
    """Fisher's exact test (chi-square of large tables), and the cluster-robust difference of shares."""
    from scipy import stats

    if not rows.comparable:
        return _NOTHING
    now, then = rows.sizes
    up = np.array([hits[rows.now].sum(), hits[~rows.now].sum()])
    if up.sum() in (0, len(hits)):
        return Tested(0.0, 1.0)
    table = np.array([up, np.array([now, then]) - up]).astype(np.int64)
    large = stats.contingency.expected_freq(table).min() >= _LARGE
    plain = stats.chi2_contingency(table).pvalue if large else stats.fisher_exact(table).pvalue
    return Tested(_slope(hits, rows), float(np.maximum(plain, _score(hits, rows))))


def codes(users: pd.Series) -> Codes:
    """A number a user; rows of nobody are each their own."""
    found = pd.factorize(users)[0].astype(np.int64)
    nobody = np.flatnonzero((users == "").to_numpy())
    found[nobody] = found.max(initial=0) + 1 + np.arange(len(nobody))
    return found


def _score(values: Numbers, rows: Rows) -> float:
    """The two-sided p-value of the cluster-robust score test."""
    from scipy import stats

    product = _centred(rows.now.astype(np.float64), rows.stratum) * _centred(values, rows.stratum)
    terms = np.bincount(rows.cluster, weights=product)
    spread = float(np.sqrt((terms**2).sum()))
    return float(2 * stats.norm.sf(abs(terms.sum()) / spread)) if spread > 0 else 1.0


def _slope(values: Numbers, rows: Rows) -> float:
    """The difference now minus then, within strata."""
    side = _centred(rows.now.astype(np.float64), rows.stratum)
    return float((side * values).sum() / max((side**2).sum(), np.finfo(float).tiny))


def _centred(values: Numbers, stratum: Codes | None, *, median: bool = False) -> Numbers:
    """The values minus their stratum's mean, or median. All are one stratum when there is none."""
    if stratum is None:
        return values if median else values - values.mean()
    if median:
        middle = pd.Series(values).groupby(stratum).transform("median")
        return np.asarray(values - middle.to_numpy())
    return np.asarray(values - (np.bincount(stratum, values) / np.maximum(np.bincount(stratum), 1))[stratum])
