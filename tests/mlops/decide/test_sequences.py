"""Confidence sequences: the published formula, and what holds for any numbers."""

from math import log, sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from melancia.mlops.decide.sequences import (
    certainty,
    further,
    growth_needed,
    paired_certainty,
    paired_radius,
    radius,
)

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


@given(VARIANCE, SPREAD, st.integers(3, 5000), LEVEL, st.floats(-5, 5))
def test_of_pairs_too_the_p_value_is_below_alpha_just_when_the_interval_leaves_out_zero(
    variance: float, spread: float, users: int, alpha: float, difference: float
) -> None:
    half = paired_radius(variance, spread, users, alpha, 0.25)
    if abs(abs(difference) - half) < 1e-6 * (1 + half):
        return
    p_value = paired_certainty(difference, variance, spread, users, 0.25)
    assert (p_value < alpha) == (abs(difference) > half)


@given(VARIANCE, SPREAD, st.integers(3, 500), LEVEL)
def test_few_users_make_it_wider_and_many_make_no_difference(
    variance: float, spread: float, users: int, alpha: float
) -> None:
    wide = paired_radius(variance, spread, users, alpha, 0.25)
    assert wide >= radius(variance, spread, alpha, 0.25) * (1 - 1e-9)
    assert paired_radius(variance, spread, 1e11, alpha, 0.25) == pytest.approx(
        radius(variance, spread, alpha, 0.25), rel=1e-3
    )


@pytest.mark.parametrize("count", [15, 40, 80])
def test_the_e_value_of_pairs_is_the_ratio_of_the_integrals(count: int) -> None:
    """In its own words: noncentral t mixed over effects N(0, 0.25²) against the central t."""
    mean, deviation = 0.3, 1.0
    t = mean / (deviation / sqrt(count))

    def likelihood(effect: float) -> float:
        weight = stats.norm.pdf(effect, 0, 0.25)
        return float(stats.nct.pdf(t, count - 1, effect * sqrt(count)) * weight)

    mixed, _ = integrate.quad(likelihood, -1.5, 1.5, points=[0.0, 0.3], limit=200)
    expected = stats.t.pdf(t, count - 1) / mixed
    found = paired_certainty(mean, deviation**2 / count, deviation**2, count, 0.25)
    assert float(found) == pytest.approx(min(1.0, expected), rel=1e-4)
