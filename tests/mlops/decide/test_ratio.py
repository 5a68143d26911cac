"""The sample-ratio check against its published form, and how it takes changing shares."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from bench.verdict_simulations import ratios
from melancia.mlops.decide.configuration import Configuration
from melancia.mlops.decide.ratio import sample_ratio
from melancia.records import Outcome
from tests.mlops.decide.outcomes import START, outcome, policy

CONFIGURATION = Configuration()


def _users(arms: str, share: float | None = None) -> list[Outcome]:
    return [outcome(place, arm, f"u{place}", propensity=share) for place, arm in enumerate(arms)]


@settings(max_examples=50, deadline=None)
@given(st.text("ABC", min_size=1, max_size=200))
def test_it_is_the_dirichlet_multinomial_martingale_of_lindon_and_malek(arms: str) -> None:
    """Equation 5 of the paper at its maximum over time, by Beta functions of the counts."""
    shares = np.array([0.5, 0.3, 0.2])
    prior = CONFIGURATION.concentration * shares
    best, counts = 0.0, np.zeros(3)
    for arm in arms:
        counts["ABC".index(arm)] += 1
        evidence = _log_beta(prior + counts) - _log_beta(prior) - float(counts @ np.log(shares))
        best = max(best, evidence)
    found = sample_ratio(_users(arms), policy("A", "B", "C", weights=[5, 3, 2]), CONFIGURATION)
    assert found.p_value == pytest.approx(np.exp(-best), rel=1e-9)


def test_users_count_once_at_their_first_exposure() -> None:
    """One of A's users asks five hundred times: no mismatch."""
    rows = [outcome(n, "AB"[n % 2], f"u{n}") for n in range(100)]
    rows += [outcome(n, "A", "u0") for n in range(100, 600)]
    found = sample_ratio(rows, policy(), CONFIGURATION)
    assert found.users == {"A": 50, "B": 50}
    assert not found.fails


def test_a_change_of_shares_is_no_mismatch_and_hiding_it_is() -> None:
    """Half to B, then a tenth, exactly as drawn; the policy of today knows only the tenth."""
    rows = [outcome(n, "AB"[n % 2], f"u{n}", propensity=0.5) for n in range(400)]
    rows += [
        outcome(n, "B" if n % 10 == 0 else "A", f"u{n}", propensity=0.1 if n % 10 == 0 else 0.9)
        for n in range(400, 1000)
    ]
    today = policy(weights=[9, 1])
    found = sample_ratio(rows, today, CONFIGURATION)
    assert not found.fails
    assert found.expected["B"] == pytest.approx(260)
    hidden = [outcome(n, row.arm, row.user_id, propensity=None) for n, row in enumerate(rows)]
    assert sample_ratio(hidden, today, CONFIGURATION).fails


def test_an_arm_that_is_paused_is_no_mismatch_where_the_versions_are_known() -> None:
    """Thirds, then halves of A and B, exactly as drawn: of today's weights C has none."""
    before = policy("A", "B", "C")
    (first, second, third) = before.arms
    today = replace(
        before,
        arms=(first, second, replace(third, paused=True)),
        version=2,
        created_at=START + timedelta(minutes=300),
    )
    rows = [outcome(n, "ABC"[n % 3], f"u{n}", propensity=1 / 3) for n in range(300)]
    rows += [outcome(n, "AB"[n % 2], f"u{n}", propensity=1 / 2) for n in range(300, 600)]
    # A page that learns of it a little late draws as before.
    late = [outcome(n, "ABC"[n % 3], f"u{n}", propensity=1 / 3) for n in range(600, 603)]
    found = sample_ratio(rows + late, today, CONFIGURATION, [today, before])
    assert not found.fails
    assert found.expected == pytest.approx({"A": 251, "B": 251, "C": 101})
    assert sample_ratio(rows, today, CONFIGURATION).fails
    lost = [row for row in rows if row.arm != "C" or row.created_at.minute % 2]
    assert sample_ratio(lost, today, CONFIGURATION, [before, today]).fails


def test_a_tenth_of_the_users_lost_by_one_arm_is_found() -> None:
    rng = np.random.default_rng(1)
    arms = "".join("B" if draw < 0.45 / 0.95 else "A" for draw in rng.random(12_000))
    assert sample_ratio(_users(arms, 0.5), policy(), CONFIGURATION).fails


def test_the_simulated_twin_is_the_same() -> None:
    rng = np.random.default_rng(2)
    shares = np.where(np.arange(300) < 150, 0.5, 0.2)
    challenger = rng.random(300) < shares
    rows = [
        outcome(n, "B" if mine else "A", f"u{n}", propensity=float(share if mine else 1 - share))
        for n, (mine, share) in enumerate(zip(challenger, shares, strict=True))
    ]
    twin = ratios(challenger[None, :], shares[None, :], CONFIGURATION.concentration)
    for count in (1, 150, 300):
        found = sample_ratio(rows[:count], policy(), CONFIGURATION)
        assert found.p_value == pytest.approx(twin[0, count - 1])


def _log_beta(values: np.ndarray) -> float:
    return float(special.gammaln(values).sum() - special.gammaln(values.sum()))
