"""The primary figure: what counts for an arm, and what the automatic scores add."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from melancia.mlops.decide.verdict import decide
from melancia.records import Outcome
from tests.mlops.decide.outcomes import experiment, outcome, policy

EQUAL = {"A": 0.75, "B": 0.75}


def test_with_thumbs_alone_the_difference_is_that_of_the_shares_of_thumbs_up() -> None:
    found = decide(policy(), experiment(800, approval={"A": 0.6, "B": 0.8}))
    base, challenger = (arm.up / arm.ratings for arm in found.arms)
    assert found.comparisons[0].difference.value == pytest.approx(challenger - base)
    assert found.comparisons[0].weight_of_scores == 0


def test_a_question_left_without_an_answer_counts_against_its_arm_without_a_rating() -> None:
    """Half of B's questions fail, and what is rated of B is rated like A's."""
    rows = experiment(2000, approval=EQUAL)
    broken = [
        replace(row, failed=True, thumb=None, latency=None)
        if row.arm == "B" and int(row.interaction_id[1:]) % 2
        else row
        for row in rows
    ]
    found = decide(policy(), broken)
    base, challenger = found.arms
    assert challenger.thumbs == pytest.approx(base.thumbs, abs=0.08)
    assert challenger.approval == pytest.approx((challenger.thumbs or 0) / 2, abs=0.03)
    assert (found.status, found.arm) == ("better", "A")


def test_the_rating_of_a_fallback_counts_for_the_arm_that_was_assigned() -> None:
    rows = [outcome(n, "AB"[n % 2], f"u{n}", thumb=1 if n % 2 == 0 else -1) for n in range(200)]
    fell = [replace(row, failed=True, fell_back=True) if row.arm == "B" else row for row in rows]
    found = decide(policy(), fell)
    assert found.arms[1].ratings == 100
    assert found.arms[1].approval == 0
    assert found.arms[1].fell_back == 100


def test_one_user_alone_decides_nothing_however_often_they_rate() -> None:
    rows = [outcome(n, "A", f"a{n}", thumb=1) for n in range(100)]
    rows += [outcome(n, "B", "fã", thumb=-1) for n in range(100, 600)]
    found = decide(policy(), rows)
    assert found.arms[1].effective_raters == pytest.approx(1)
    assert found.comparisons[0].early
    assert found.comparisons[0].difference.low is None


def test_ratings_of_the_same_users_tell_less_than_those_of_different_ones() -> None:
    """Twenty users an arm who say the same ten times over, against two hundred who say it once."""
    many = [outcome(n, "AB"[n % 2], f"u{n}", thumb=1 if n % 10 < 8 - n % 2 else -1) for n in range(400)]
    few = [replace(row, user_id=f"u{int(row.user_id[1:]) % 40}") for row in many]
    wide, narrow = (decide(policy(), rows).comparisons[0].difference for rows in (few, many))
    assert wide.value == pytest.approx(narrow.value)
    assert None not in (wide.high, wide.low, narrow.high, narrow.low)
    assert (wide.high or 0) - (wide.low or 0) > 1.5 * ((narrow.high or 0) - (narrow.low or 0))


def test_scores_that_tell_narrow_the_interval_and_those_that_do_not_leave_it() -> None:
    rows = experiment(3000, approval=EQUAL, rated=0.1, scores=True, users=800)
    helped = decide(policy(), rows).comparisons[0]
    assert helped.weight_of_scores > 0.5
    assert _width(helped.difference) < 0.8 * _width(helped.thumbs_only)

    rng = np.random.default_rng(1)
    useless = [replace(row, scores={"quality": float(rng.random())}) for row in rows]
    alone = decide(policy(), useless).comparisons[0]
    assert alone.weight_of_scores < 0.2
    assert _width(alone.difference) == pytest.approx(_width(alone.thumbs_only), rel=0.03)


def test_scores_that_flatter_one_arm_do_not_move_its_approval() -> None:
    rows = experiment(3000, approval=EQUAL, rated=0.2, scores=True, users=800)
    flattered = [
        replace(row, scores={"quality": row.scores["quality"] + 0.5}) if row.arm == "B" else row
        for row in rows
    ]
    honest, biased = (decide(policy(), found).comparisons[0] for found in (rows, flattered))
    assert biased.difference.value == pytest.approx(honest.difference.value, abs=1e-9)
    assert biased.difference.low == pytest.approx(honest.difference.low, abs=1e-9)


def test_constant_or_other_scores_leave_the_thumbs_alone() -> None:
    rows = experiment(600, approval=EQUAL)
    constant = [replace(row, scores={"quality": 0.5}) for row in rows]
    other = experiment(600, approval=EQUAL, scores=True, score_name="relevance")
    for found in (rows, constant, other):
        comparison = decide(policy(), found).comparisons[0]
        assert comparison.weight_of_scores == 0
        assert comparison.difference == comparison.thumbs_only


def test_changing_shares_do_not_blame_the_arm_that_had_more_users_in_a_bad_week() -> None:
    """Simpson's paradox: both arms please 9 in 10 in the good week and 3 in 10 in the bad one."""
    rows: list[Outcome] = []
    for week, (good, share_b) in enumerate(((0.9, 0.2), (0.3, 0.8))):
        for number in range(1000):
            place = 1000 * week + number
            arm = "B" if number % 10 < 10 * share_b else "A"
            up = (number // 10) % 10 < 10 * good
            share = share_b if arm == "B" else 1 - share_b
            rows.append(outcome(place, arm, f"u{place}", thumb=1 if up else -1, propensity=share))
    comparison = decide(policy(), rows).comparisons[0]
    assert comparison.weighted
    assert comparison.difference.value == pytest.approx(0, abs=1e-9)
    unknown = decide(policy(), [replace(row, propensity=None) for row in rows]).comparisons[0]
    assert not unknown.weighted
    assert unknown.difference.value == pytest.approx(-0.36, abs=0.01)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(20, 200))
def test_swapping_the_arms_turns_the_difference_round(seed: int, count: int) -> None:
    rows = experiment(count, approval={"A": 0.5, "B": 0.7}, seed=seed, users=40, scores=True)
    there, back = (decide(policy(*names), rows).comparisons[0] for names in (("A", "B"), ("B", "A")))
    for one, other in (
        (there.difference.value, back.difference.value),
        (there.difference.low, back.difference.high),
        (there.difference.high, back.difference.low),
    ):
        assert (one is None) == (other is None)
        if one is not None and other is not None:
            assert one == pytest.approx(-other, abs=1e-9)


def _width(span: object) -> float:
    low, high = getattr(span, "low", None), getattr(span, "high", None)
    assert isinstance(low, float)
    assert isinstance(high, float)
    return high - low
