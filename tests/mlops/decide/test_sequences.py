"""Confidence sequences: the published formula, and what holds for any numbers."""

from math import log, sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from melancia.mlops.decide.sequences import certainty, further, growth_needed, radius

VARIANCE = st.floats(1e-6, 10)
SPREAD = st.floats(1e-3, 10)
LEVEL = st.floats(1e-4, 0.5)


@pytest.mark.parametrize("count", [1, 10, 500, 10_000])
def test_the_radius_is_that_of_waudby_smith_and_others(count: int) -> None:
    """Theorem 2.2 in its own letters, for ``count`` observations of variance 4 and ρ = 0.25 ÷ 2."""
    variance, rho, alpha = 4.0, 0.25, 0.05
    inner = count * rho**2 + 1
    published = sqrt(variance) * sqrt(2 * inner / (count**2 * rho**2) * log(sqrt(inner) / alpha))
    assert radius(variance / count, variance, alpha, rho) == pytest.approx(published, rel=1e-12)


@given(VARIANCE, SPREAD, LEVEL, st.floats(-5, 5))
def test_the_p_value_is_below_alpha_just_when_the_interval_leaves_out_zero(
    variance: float, spread: float, alpha: float, difference: float
) -> None:
    half = radius(variance, spread, alpha, 0.25)
    if abs(abs(difference) - half) < 1e-9 * (1 + half):
        return
    assert (certainty(difference, variance, spread, 0.25) < alpha) == (abs(difference) > half)


@given(VARIANCE, SPREAD, LEVEL)
def test_it_is_wider_than_an_interval_for_one_look(variance: float, spread: float, alpha: float) -> None:
    from scipy import stats

    assert radius(variance, spread, alpha, 0.25) > stats.norm.isf(alpha / 2) * sqrt(variance)


@given(VARIANCE, SPREAD, LEVEL, st.floats(0.01, 1))
def test_a_sample_grown_as_said_has_an_interval_of_the_width_asked(
    variance: float, spread: float, alpha: float, distance: float
) -> None:
    growth = growth_needed(distance, variance, spread, alpha, 0.25)
    if growth is None:
        assert radius(variance / 1e7, spread, alpha, 0.25) > distance * (1 - 1e-9)
    elif growth == 1:
        assert radius(variance, spread, alpha, 0.25) <= distance * (1 + 1e-9)
    else:
        assert radius(variance / growth, spread, alpha, 0.25) == pytest.approx(distance, rel=1e-6)


def test_no_forecast_of_a_difference_of_nothing_and_round_ones_otherwise() -> None:
    assert growth_needed(0.0, 0.01, 0.2, 0.05, 0.25) is None
    assert further(None, 100) is None
    assert further(1.0, 100) == 0
    assert further(3.217, 100) == 220
