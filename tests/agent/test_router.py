"""Assignment: sticky, proportional, independent between experiments, moving as few as possible."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from melancia.agent.router import Router, propensities
from melancia.records import Arm, Policy, PolicyMode, PolicyState, Variant

A, B, C = (Variant("ollama", name) for name in "abc")
MANY = 1_000_000
SURE = 1e-6  # the chance that a right router fails a test of this file


def policy(*weights: float, **changes: Any) -> Policy:
    """An experiment with arms A, B, C… of these weights."""
    arms = tuple(
        Arm(name, variant, weight) for name, variant, weight in zip("ABC", (A, B, C), weights, strict=False)
    )
    return replace(Policy("modelos", arms, "sal"), **changes)


def arms_of(of: Policy, users: range | list[str]) -> list[str]:
    """Each user's arm."""
    router, found = Router(of), []
    for user in users:
        given_arm = router.assign(str(user))
        assert given_arm is not None
        found.append(given_arm.arm or "")
    return found


@pytest.fixture(scope="module")
def million() -> list[str]:
    """The arms of a million users at 50 : 30 : 20."""
    return arms_of(policy(5, 3, 2), range(MANY))


def test_a_million_users_are_shared_out_by_weight(million: list[str]) -> None:
    counts = [million.count(name) for name in "ABC"]
    assert stats.chisquare(counts, [0.5 * MANY, 0.3 * MANY, 0.2 * MANY]).pvalue > SURE


def test_neighbouring_names_are_as_good_as_any(million: list[str]) -> None:
    """No block of a thousand users in a row is far from its share: at most as far as chance goes."""
    blocks = np.array([name == "A" for name in million]).reshape(-1, 1000).sum(axis=1)
    expected = stats.binom(1000, 0.5)
    assert stats.kstest(expected.cdf(blocks) - expected.pmf(blocks) / 2, "uniform").statistic < 0.06
    assert blocks.min() >= expected.ppf(SURE / 1000)
    assert blocks.max() <= expected.isf(SURE / 1000)


@pytest.mark.parametrize("other", [{"salt": "outro"}, {"experiment": "prompts"}])
def test_experiments_are_independent(million: list[str], other: dict[str, str]) -> None:
    second = arms_of(policy(5, 3, 2, **other), range(MANY // 5))
    table = [
        [sum(a == x and b == y for a, b in zip(million, second, strict=False)) for y in "ABC"] for x in "ABC"
    ]
    assert stats.chi2_contingency(table).pvalue > SURE


@given(st.text(), st.tuples(*[st.floats(0.01, 100)] * 3))
def test_the_same_user_is_given_the_same_arm(user: str, weights: tuple[float, float, float]) -> None:
    one, two = (Router(policy(*weights)).assign(user) for _ in range(2))
    assert one == two
    assert one is not None
    assert one.propensity == pytest.approx(weights["ABC".index(one.arm or "")] / sum(weights))
    assert one.policy == policy(*weights).hash


@given(
    st.lists(st.text(max_size=20), max_size=50),
    st.tuples(*[st.floats(0.1, 10)] * 3),
    st.integers(0, 2),
    st.floats(0.1, 10),
)
def test_a_changed_weight_moves_users_only_to_or_from_that_arm(
    users: list[str], weights: tuple[float, float, float], which: int, weight: float
) -> None:
    after = list(weights)
    after[which] = weight
    changed = "ABC"[which]
    for old, new in zip(arms_of(policy(*weights), users), arms_of(policy(*after), users), strict=True):
        if old != new:
            assert (new if weight > weights[which] else old) == changed


def test_no_more_users_move_than_must() -> None:
    before, after = arms_of(policy(5, 5), range(100_000)), arms_of(policy(5, 7), range(100_000))
    moved = sum(old != new for old, new in zip(before, after, strict=True))
    assert stats.binomtest(moved, 100_000, 7 / 12 - 0.5).pvalue > SURE


def test_a_paused_arm_is_given_to_nobody_and_the_others_stay() -> None:
    whole = policy(1, 1, 1)
    paused = replace(whole, arms=tuple(replace(arm, paused=arm.name == "B") for arm in whole.arms))
    before, after = arms_of(whole, range(3000)), arms_of(paused, range(3000))
    assert "B" not in after
    assert all(old == new for old, new in zip(before, after, strict=True) if old != "B")
    assert propensities(paused) == {"A": 0.5, "C": 0.5}


@pytest.mark.parametrize(
    ("changes", "shares"),
    [
        ({"state": PolicyState.PAUSED}, {}),
        ({"state": PolicyState.ENDED}, {}),
        ({"mode": PolicyMode.FORCED, "forced": "B"}, {"B": 1.0}),
        ({"mode": PolicyMode.SHADOW}, {"A": 1.0}),
        ({"mode": PolicyMode.HYBRID}, {"A": 1.0}),
        ({"mode": PolicyMode.ADAPTIVE}, {"A": 0.25, "B": 0.75}),
    ],
)
def test_modes(changes: dict[str, Any], shares: dict[str, float]) -> None:
    of = policy(1, 3, **changes)
    assert propensities(of) == shares
    given_arm = Router(of).assign("ana")
    assert (given_arm is None) == (not shares)
    assert given_arm is None or given_arm.arm in shares


def test_who_answers_beside_whom() -> None:
    shadow = policy(1, 1, 1, mode=PolicyMode.SHADOW)
    router = Router(shadow)
    given_arm = router.assign("ana")
    assert given_arm is not None
    beside = router.beside(given_arm, PolicyMode.SHADOW)
    assert [one.arm for one in beside] == ["B", "C"]
    assert {(one.experiment, one.policy, one.propensity) for one in beside} == {
        (shadow.experiment, shadow.hash, 1.0)
    }
    # Not in another mode, nor of another version, nor with a paused arm.
    assert router.beside(given_arm, PolicyMode.HYBRID) == ()
    assert Router(policy(1, 2, 1, mode=PolicyMode.SHADOW)).beside(given_arm, PolicyMode.SHADOW) == ()
    arms = tuple(replace(arm, paused=arm.name == "B") for arm in shadow.arms)
    closed = Router(replace(shadow, arms=arms))
    again = closed.assign("ana")
    assert again is not None
    assert [one.arm for one in closed.beside(again, PolicyMode.SHADOW)] == ["C"]


def test_arms_of_no_weight_are_given_to_nobody() -> None:
    assert set(arms_of(policy(1, 0), range(1000))) == {"A"}
    assert Router(policy(0, 0)).assign("ana") is None
