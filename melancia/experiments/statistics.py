"""The statistics of a benchmark, on plain numbers: intervals, paired comparison, many comparisons at once.

The unit is the question: answers to the same question are alike, so a mean, its interval and a comparison are
over questions, each with one value (its repeats averaged before). Everything random is seeded.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import floor, log2

from melancia.experiments.results import Interval

LEVEL = 0.95
ALPHA = 0.05
MIN_QUESTIONS = 6
"""Fewer say nothing: no sign-flip test of n questions gives less than p = 2/2ⁿ, which is below 0.05 from six
on, and the bootstrap of fewer draws from too few different samples to be an interval of 95 %.
"""
RESAMPLES = 5_000
_LEAST_FLIPS, _MOST_FLIPS = 9_999, 99_999
_BATCH = 2_000_000  # numbers at a time: some 16 MB, however many questions there are


@dataclass(frozen=True, slots=True)
class Paired:
    """First − second, averaged over ``questions`` that both answered.

    ``interval`` (95 %, of this comparison alone) and ``p_value`` are None below ``MIN_QUESTIONS``, and
    ``difference`` without any question.
    """

    questions: int
    difference: float | None
    interval: Interval | None
    p_value: float | None


def mean(values: Sequence[float]) -> float:
    """The arithmetic mean. Raises ValueError when there are no values."""
    import numpy as np

    if not values:
        raise ValueError("a mean of nothing")
    return float(np.mean(values))


def bootstrap(values: Sequence[float], *, seed: int) -> Interval | None:
    """The 95 % percentile bootstrap interval (Efron, 1979) of the mean of ``values``, one a question.

    None below ``MIN_QUESTIONS``. With few questions it is a little too narrow.
    """
    return _intervals([values], seed)[0] if len(values) >= MIN_QUESTIONS else None


def wilson(rates: Sequence[float]) -> Interval | None:
    """The 95 % Wilson score interval (Wilson, 1927) of a share, from each question's own share in [0, 1].

    The repeats of a question count as one observation: the interval is never narrower than the questions
    allow. None below ``MIN_QUESTIONS``.
    """
    from statsmodels.stats.proportion import proportion_confint

    if len(rates) < MIN_QUESTIONS:
        return None
    # Not scipy's binomtest: with repeats the count of successes is no whole number.
    low, high = proportion_confint(sum(rates), len(rates), alpha=1 - LEVEL, method="wilson")
    # The share itself is in it; rounding may say otherwise where it is 0 or 1.
    share = mean(rates)
    return Interval(max(0.0, min(share, float(low))), min(1.0, max(share, float(high))))


def paired(pairs: Sequence[tuple[Sequence[float], Sequence[float]]], *, seed: int) -> list[Paired]:
    """Compare models two by two: (first, second), each on the same questions in the same order.

    The interval is the paired bootstrap's: it resamples questions, hence differences. The p-value is that of
    the two-sided sign-flip permutation test of the mean difference (Fisher, 1935; Pitman, 1937): if it did
    not matter which model answers, each question's difference could as well have the other sign. It is exact
    up to 13 questions; beyond, from random flips, so many that a p-value can be small enough to survive the
    correction for all ``pairs``. Raises ValueError when the lengths differ.
    """
    if any(len(first) != len(second) for first, second in pairs):
        raise ValueError("not the same questions")
    rows = [[one - other for one, other in zip(*pair, strict=True)] for pair in pairs]
    found = [Paired(len(row), mean(row) if row else None, None, None) for row in rows]
    for size in {len(row) for row in rows if len(row) >= MIN_QUESTIONS}:
        places = [place for place, row in enumerate(rows) if len(row) == size]
        same = [rows[place] for place in places]
        # All at once: drawing the flips takes longer than applying them.
        tested = zip(places, _intervals(same, seed), _sign_flips(same, seed, len(pairs)), strict=True)
        for place, interval, p_value in tested:
            found[place] = replace(found[place], interval=interval, p_value=p_value)
    return found


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values adjusted by Holm's step-down method (1979), in the same order.

    Whatever the p-values have to do with each other, the chance of any false positive among them is at most
    ``ALPHA``.
    """
    from statsmodels.stats.multitest import multipletests

    if not p_values:
        return []
    return [float(value) for value in multipletests(p_values, alpha=ALPHA, method="holm")[1]]


def questions_needed(tests: int) -> int:
    """The least number of questions with which the smallest possible p survives ``tests`` comparisons."""
    return max(MIN_QUESTIONS, floor(log2(2 * max(1, tests) / ALPHA)) + 1)


def _intervals(rows: Sequence[Sequence[float]], seed: int) -> list[Interval]:
    """The bootstrap's, of the mean of each of ``rows``, which are equally long."""
    import numpy as np
    from scipy import stats

    found = stats.bootstrap(
        (np.asarray(rows, dtype=float),),
        np.mean,
        n_resamples=RESAMPLES,
        batch=_batch(rows),
        axis=-1,
        confidence_level=LEVEL,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return [Interval(float(low), float(high)) for low, high in zip(found.low, found.high, strict=True)]


def _sign_flips(rows: Sequence[Sequence[float]], seed: int, tests: int) -> list[float]:
    """The p-value of each of ``rows``, which are equally long, with flips for so many ``tests``."""
    import numpy as np
    from scipy import stats

    found = stats.permutation_test(
        (np.asarray(rows, dtype=float),),
        np.mean,
        permutation_type="samples",  # of one sample: its signs
        vectorized=True,
        n_resamples=min(_MOST_FLIPS, max(_LEAST_FLIPS, 200 * tests)),
        batch=_batch(rows),
        axis=-1,
        rng=np.random.default_rng(seed),
    )
    return [float(p_value) for p_value in found.pvalue]


def _batch(rows: Sequence[Sequence[float]]) -> int:
    """How many resamples of all ``rows`` to hold at a time."""
    return max(1, _BATCH // (len(rows) * len(rows[0])))
