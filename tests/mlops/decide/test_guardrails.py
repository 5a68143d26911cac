"""Guardrails: a breach is found, a healthy arm is left alone, and streaming is the same as all at once."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.verdict_simulations import bets
from melancia.errors import InputError
from melancia.mlops.decide.guardrails import batch, bet, bounds, check, watches
from melancia.records import Outcome
from tests.mlops.decide.outcomes import outcome

ALL = {
    "p95_latency": 8.0,
    "error_rate": 0.1,
    "refusal_rate": 0.3,
    "groundedness": 0.5,
    "daily_spend": 5.0,
}
ALPHA = 0.05


def _state(rows: list[Outcome], **guardrails: float) -> str:
    (found,) = batch(rows, ["A"], guardrails, ALPHA)
    return found.state


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_one_outcome_at_a_time_is_the_same_as_all_at_once(data: st.DataObject) -> None:
    rows = [
        outcome(
            number,
            data.draw(st.sampled_from("AB")),
            "u",
            failed=data.draw(st.booleans()),
            refused=data.draw(st.booleans()),
            latency=data.draw(st.none() | st.floats(0, 20)),
            cost=data.draw(st.none() | st.floats(0, 1)),
            scores=data.draw(st.sampled_from([{}, {"groundedness": 0.2}, {"groundedness": 0.9}])),
        )
        for number in range(data.draw(st.integers(0, 25)))
    ]
    state = watches(["A", "B"], ALL, ALPHA)
    for row in rows:
        state = state.after(row)
    assert state.results() == batch(rows[::-1], ["A", "B"], ALL, ALPHA)


@pytest.mark.parametrize(
    ("name", "bad", "good"),
    [
        ("p95_latency", {"latency": 9.0}, {"latency": 2.0}),
        ("error_rate", {"failed": True}, {"failed": False}),
        ("refusal_rate", {"refused": True}, {"refused": False}),
        ("groundedness", {"scores": {"groundedness": 0.1}}, {"scores": {"groundedness": 0.9}}),
        ("daily_spend", {"cost": 1.0}, {"cost": 0.001}),
    ],
)
def test_each_finds_a_bad_arm_within_30_answers_and_calls_a_good_one_fine(
    name: str, bad: dict[str, object], good: dict[str, object]
) -> None:
    assert _state([], **{name: ALL[name]}) == "unknown"
    assert _state([outcome(n, "A", "u", **bad) for n in range(30)], **{name: ALL[name]}) == "breached"
    assert _state([outcome(n, "A", "u", **good) for n in range(300)], **{name: ALL[name]}) == "fine"


def test_an_arm_that_was_good_for_long_is_found_soon_when_it_turns_bad() -> None:
    """Three thousand answers without an error, then one in two: within forty."""
    rows = [outcome(n, "A", "u", failed=n >= 3000 and n % 2 == 0) for n in range(3040)]
    assert _state(rows[:3000], error_rate=0.1) == "fine"
    assert _state(rows, error_rate=0.1) == "breached"


def test_a_breach_stays_one() -> None:
    rows = [outcome(n, "A", "u", failed=n < 30) for n in range(2000)]
    assert _state(rows, error_rate=0.1) == "breached"


def test_what_is_not_known_is_not_counted() -> None:
    rows = [outcome(n, "A", "u", failed=True) for n in range(50)]
    for name in ("p95_latency", "groundedness", "daily_spend"):
        (found,) = batch(rows, ["A"], {name: ALL[name]}, ALPHA)
        assert (found.state, found.count) == ("unknown", 0)


def test_spend_is_by_day() -> None:
    """Four dollars a day keep to five; a fifth and a sixth on one day do not."""
    rows = [
        replace(outcome(day, "A", "u", cost=4.0), created_at=outcome(0, "A", "u").created_at + timedelta(day))
        for day in range(10)
    ]
    assert _state(rows, daily_spend=5.0) == "fine"
    assert _state([*rows, outcome(99, "A", "u", cost=2.0)], daily_spend=5.0) == "breached"


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 3000), st.floats(0, 1), st.floats(0.001, 0.2))
def test_the_bounds_hold_the_mean_and_close_in(count: int, mean: float, alpha: float) -> None:
    low, high = bounds(count, mean * count, alpha)
    assert 0 <= low <= mean + 1e-9
    assert mean - 1e-9 <= high <= 1
    wider_low, wider_high = bounds(count, mean * count, alpha / 10)
    assert wider_low <= low + 1e-9
    assert wider_high >= high - 1e-9
    later_low, later_high = bounds(count * 20, mean * count * 20, alpha)
    assert later_high - later_low <= high - low + 1e-9


def test_the_capital_is_fair_at_the_bound_and_shrinks_below_it() -> None:
    """A supermartingale: at a mean equal to the bound, the expectation of the next capital is the present
    one."""
    for bound in (0.05, 0.4, 0.95):
        now = bet(bound)
        for value in (1.0, 0.0, 0.0, 1.0, 0.0):
            worth = now.waiting + sum(now.stakes)
            ones, zeros = now.after(1.0), now.after(0.0)
            expected = bound * (ones.waiting + sum(ones.stakes)) + (1 - bound) * (
                zeros.waiting + sum(zeros.stakes)
            )
            assert expected == pytest.approx(worth, rel=1e-12)
            now = ones if value else zeros


def test_the_simulated_twin_is_the_same() -> None:
    values = np.random.default_rng(3).random((1, 200)) ** 3
    now = bet(0.2)
    for value in values[0]:
        now = now.after(float(value))
    assert bets(values, 0.2)[0, -1] == pytest.approx(now.highest)


@pytest.mark.parametrize(
    ("name", "bound"), [("error_rate", 0.0), ("groundedness", 1.0), ("p95_latency", 0.0), ("outra", 1.0)]
)
def test_an_impossible_bound_is_refused(name: str, bound: float) -> None:
    with pytest.raises(InputError):
        check(name, bound)
