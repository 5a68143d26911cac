"""Confidence sequences: intervals that hold at all times at once, so that one may look whenever one likes.

The asymptotic confidence sequence of Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, “Time-uniform central
limit theory and asymptotic confidence sequences” (Annals of Statistics, 2024; arXiv:2103.06476, Theorem 2.2):
Robbins' normal mixture (1970) over a strongly approximated sum. Written here in the standard error *s* of the
estimate: their σ√(2(tρ²+1)/(t²ρ²)·log(√(tρ²+1)/α)) is s·√((1+1/r)(log(1+r)+2·log(1/α))) with r = tρ².

With few users the estimated variance is itself a guess, which the asymptotic sequence does not know. For
differences within pairs there is the same mixture without that: the scale-invariant *t* mixture, exact for
Gaussian differences of any variance (Pérez-Ortiz, Lardy, de Heide and Grünwald, “E-statistics, group
invariance and anytime-valid testing”, Annals of Statistics 52, 2024; Wang and Ramdas, “Anytime-valid t-tests
and confidence sequences for Gaussian means with unknown variance”, Sequential Analysis 44, 2025). With ν
degrees of freedom its e-value is (1+r)^−½ · ((1 + t²/ν) ÷ (1 + t²/(ν(1+r))))^((ν+1)/2), which tends to the
above as ν grows.

All functions take numbers or arrays of them.
"""

from math import exp, log
from typing import Any

import numpy as np

from melancia.mlops.decide.configuration import Configuration

_MOST = 1e7  # ratings: beyond, nobody waits


def information(variance: Any, spread: Any, expected_effect: float) -> Any:
    """r = tρ²: how much is known (``spread`` ÷ ``variance``, an effective sample size) against what it takes
    for the interval to be tightest. ``spread``: the variance of one observation; ``expected_effect``: in its
    standard deviations.
    """
    return expected_effect**2 * spread / variance


def radius(variance: Any, spread: Any, alpha: float, expected_effect: float) -> Any:
    """Half the width of the 1 − ``alpha`` confidence sequence around an estimate of that ``variance``."""
    r = information(variance, spread, expected_effect)
    return np.sqrt(variance * (1 + 1 / r) * (np.log1p(r) + 2 * log(1 / alpha)))


def certainty(difference: Any, variance: Any, spread: Any, expected_effect: float) -> Any:
    """The anytime-valid p-value of “no difference”: the least ``alpha`` whose interval leaves out 0."""
    r = information(variance, spread, expected_effect)
    exponent = np.log1p(r) / 2 - difference**2 / variance * r / (2 * (1 + r))
    return np.minimum(1.0, np.exp(np.minimum(exponent, 0.0)))


def paired_radius(variance: Any, spread: Any, users: Any, alpha: float, expected_effect: float) -> Any:
    """``radius`` where ``variance`` was estimated from so many users; infinite while that is too few."""
    r = information(variance, spread, expected_effect)
    growth = (np.log1p(r) + 2 * log(1 / alpha)) / users
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        square = (users - 1) * np.expm1(growth) / -np.expm1(growth - np.log1p(r))
        return np.where(growth < np.log1p(r), np.sqrt(variance * np.maximum(0.0, square)), np.inf)


def paired_certainty(difference: Any, variance: Any, spread: Any, users: Any, expected_effect: float) -> Any:
    """``certainty`` where ``variance`` was estimated from so many users: the e-value's reciprocal."""
    r = information(variance, spread, expected_effect)
    x = difference**2 / variance / (users - 1)
    exponent = np.log1p(r) / 2 - users / 2 * (np.log1p(x) - np.log1p(x / (1 + r)))
    return np.minimum(1.0, np.exp(np.minimum(exponent, 0.0)))


def growth_needed(
    distance: float, variance: float, spread: float, alpha: float, expected_effect: float
) -> float | None:
    """By which factor the sample has to grow until the interval is no wider than ``distance`` to each side.

    1 when it is so already; None when that is beyond ten million times the information at hand, or
    ``distance`` is 0. The variance is taken to fall with the sample.
    """
    from scipy.optimize import brentq

    if distance <= 0:
        return None

    def excess(log_growth: float) -> float:
        return float(radius(variance / exp(log_growth), spread, alpha, expected_effect)) - distance

    if excess(0.0) <= 0:
        return 1.0
    if excess(log(_MOST)) > 0:
        return None
    return exp(float(brentq(excess, 0.0, log(_MOST))))


def still_needed(found: Any, seen: float, configuration: Configuration) -> tuple[int | None, int | None]:
    """Further observations beyond ``seen``: for the present difference, and for the least one that matters.

    ``found`` has ``difference``, its ``variance``, and the ``spread`` of one observation.
    """
    present, least = (
        further(
            growth_needed(
                distance,
                float(found.variance),
                float(found.spread),
                configuration.alpha,
                configuration.expected_effect,
            ),
            seen,
        )
        for distance in (abs(float(found.difference)), configuration.least_effect)
    )
    return present, least


def further(growth: float | None, ratings: float) -> int | None:
    """How many further ratings that ``growth`` is, to two significant digits (it is a forecast)."""
    if growth is None:
        return None
    more = (growth - 1) * ratings
    return None if more > _MOST else round(float(f"{more:.2g}"))
