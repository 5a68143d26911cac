"""Posteriors, the Bayesian reading, and the shares that follow them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from melancia.errors import InputError
from melancia.mlops.decide.bandit import weights
from melancia.mlops.decide.bayes import PRIOR, Posterior, posterior, reading

COUNTS = st.integers(1, 40)


@settings(max_examples=60, deadline=None)
@given(COUNTS, COUNTS, COUNTS, COUNTS)
def test_the_chance_of_being_better_is_the_closed_form(a: int, b: int, c: int, d: int) -> None:
    """Miller, “Formulas for Bayesian A/B Testing” (2014)."""
    base, challenger = Posterior(float(a), float(b)), Posterior(float(c), float(d))
    assert reading(base, challenger).chance_challenger == pytest.approx(_exact(a, b, c, d), abs=2e-3)


@settings(max_examples=30, deadline=None)
@given(COUNTS, COUNTS, COUNTS, COUNTS)
def test_the_losses_are_those_of_draws_and_differ_by_the_means(a: int, b: int, c: int, d: int) -> None:
    base, challenger = Posterior(float(a), float(b)), Posterior(float(c), float(d))
    found = reading(base, challenger)
    rng = np.random.default_rng(1)
    gaps = rng.beta(c, d, 40_000) - rng.beta(a, b, 40_000)
    assert found.loss_base == pytest.approx(np.maximum(gaps, 0).mean(), abs=0.01)
    assert found.loss_challenger == pytest.approx(np.maximum(-gaps, 0).mean(), abs=0.01)
    assert found.loss_base - found.loss_challenger == pytest.approx(challenger.mean - base.mean, abs=1e-9)


def test_a_posterior_is_worth_what_its_estimate_is() -> None:
    """Eighty of a hundred up: with the binomial's variance, all of them; clustered, fewer, never under
    raters."""
    independent = posterior(0.8, 0.8 * 0.2 / 100, 100, 100)
    assert independent.up + independent.down == pytest.approx(102, abs=0.1)
    clustered = posterior(0.8, 4 * 0.8 * 0.2 / 100, 20, 100)
    assert clustered.up + clustered.down == pytest.approx(27, abs=1)
    assert posterior(float("nan"), float("nan"), 0, 0) == PRIOR


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(COUNTS, COUNTS), min_size=2, max_size=5), st.floats(0, 0.2), st.integers(0, 99))
def test_shares_sum_up_to_one_keep_the_floor_and_repeat(
    counts: list[tuple[int, int]], floor: float, seed: int
) -> None:
    beliefs = {str(place): Posterior(float(up), float(down)) for place, (up, down) in enumerate(counts)}
    found = weights(beliefs, floor, seed=seed)
    assert sum(found.values()) == pytest.approx(1)
    assert min(found.values()) >= floor - 1e-12
    assert found == weights(beliefs, floor, seed=seed)


def test_shares_are_the_chances_of_top_two_sampling() -> None:
    """Against the procedure itself, drawn twenty thousand times."""
    beliefs = {"A": Posterior(8, 4), "B": Posterior(9, 4), "C": Posterior(5, 6)}
    rng = np.random.default_rng(5)
    counts = dict.fromkeys(beliefs, 0)
    names = list(beliefs)

    def best() -> str:
        return names[int(np.argmax([rng.beta(one.up, one.down) for one in beliefs.values()]))]

    for _ in range(20_000):
        first = chosen = best()
        if rng.random() > 0.8:
            while chosen == first:
                chosen = best()
        counts[chosen] += 1
    found = weights(beliefs, 0.0, seed=0)
    for name, count in counts.items():
        assert found[name] == pytest.approx(count / 20_000, abs=0.015)


def test_a_sure_best_arm_gets_four_fifths_and_one_arm_all() -> None:
    sure = {"A": Posterior(900, 100), "B": Posterior(100, 900)}
    assert weights(sure, 0.0, seed=0)["A"] == pytest.approx(0.8, abs=0.001)
    assert weights({"A": PRIOR}, 0.1, seed=0) == {"A": 1.0}
    with pytest.raises(InputError):
        weights(sure, 0.6, seed=0)


def _exact(a: int, b: int, c: int, d: int) -> float:
    """P(Beta(c, d) > Beta(a, b)) for whole numbers, by Miller's sum."""
    from scipy.special import betaln

    return float(
        sum(np.exp(betaln(a + i, b + d) - np.log(d + i) - betaln(1 + i, d) - betaln(a, b)) for i in range(c))
    )
