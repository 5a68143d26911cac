"""What verdicts promise, on fewer experiments than ``make bench-stats`` takes, and that it takes the real
thing."""

import numpy as np
import pytest

from bench import verdicts
from bench.pair_simulations import PairState, PairWorld, peek_pairs
from bench.verdict_simulations import CONFIGURATION, State, World, answers, outside, peek, rate
from melancia.mlops.decide.pairs import decided
from melancia.mlops.decide.verdict import decide
from melancia.records import Origin, OriginKind, Outcome, PolicyMode
from tests.mlops.decide.outcomes import outcome, policy

SCALE = verdicts.Scale(experiments=200, questions=2_000)


def test_a_simulated_experiment_is_judged_as_its_rows_would_be() -> None:
    """One experiment, answer by answer: the simulation's state and the verdict of the same outcomes."""
    rng = np.random.default_rng(4)
    state, rows = State(1, 40), []
    for number in range(400):
        user = int(rng.integers(40))
        row = _row(number, user, rng)
        rows.append(row)
        state.add(np.array([user]), np.array([user % 2]), *_features(row))
        if number % 57 == 0 or number == 399:
            found, verdict = state.estimate(), decide(policy(), rows).comparisons[0]
            if verdict.early:
                continue
            assert float(found.difference[0]) == pytest.approx(verdict.difference.value)
            assert bool(outside(found)[0]) == verdict.difference.excludes_zero
            assert float(found.weight_of_scores[0]) == pytest.approx(verdict.weight_of_scores)


def test_peeking_after_every_rating_misleads_in_no_more_than_one_in_twenty() -> None:
    experiments = 400
    seen = peek(
        answers(World((0.8, 0.8), alike=0.1), experiments, 600, np.random.default_rng(1)), experiments
    )
    promised = rate("", seen.when > 0, 0.05)
    assert not promised.exceeded
    assert promised.share < 0.06
    naive = rate("", seen.naive_when > 0, 0.05)
    assert naive.exceeded
    assert naive.share > 0.2


@pytest.mark.parametrize(
    "table",
    [
        verdicts.with_scores,
        verdicts.adaptively,
        verdicts.fallback,
        verdicts.guardrail_alarms,
        verdicts.sample_ratios,
        verdicts.in_the_shadow,
    ],
)
def test_no_promised_bound_is_exceeded(table: object) -> None:
    assert callable(table)
    rows = table(SCALE)
    assert any(row.bound is not None for row in rows)
    assert [row.name for row in rows if row.exceeded] == []


def test_a_better_arm_is_found_and_never_the_worse_one() -> None:
    seen = peek(answers(World((0.6, 0.85)), 100, 500, np.random.default_rng(2)), 100)
    assert (seen.way > 0).mean() > 0.9
    assert not (seen.way < 0).any()


def test_giving_up_on_hard_questions_misleads_only_who_looks_at_what_was_answered() -> None:
    world = World((0.85, 0.85), hard=0.4, hard_approval=0.4, rated=0.5)
    by_exposure, by_intention = (
        peek(answers(world, 60, 1500, np.random.default_rng(3), exposure=exposure), 60)
        for exposure in (True, False)
    )
    assert (by_exposure.way > 0).mean() > 0.5
    assert not (by_intention.way > 0).any()


def test_a_bad_arm_is_paused_sooner_the_worse_it_is() -> None:
    from bench.verdict_simulations import bets

    rng = np.random.default_rng(6)
    delays = []
    for chance in (0.2, 0.4):
        caught = bets((rng.random((100, 1500)) < chance).astype(float), 0.1) >= 80
        assert caught[:, -1].all()
        delays.append(float(np.median(caught.argmax(axis=1) + 1)))
    assert delays[1] < delays[0] < 300
    assert delays[1] < 40


def _row(number: int, user: int, rng: np.random.Generator) -> Outcome:
    left = rng.random() < 0.1
    thumb = None if left or rng.random() < 0.5 else 1 if rng.random() < (0.7 if user % 2 else 0.5) else -1
    scores = {} if left or rng.random() < 0.1 else {"quality": float(rng.random() / 2 + (thumb == 1) / 2)}
    return outcome(number, "AB"[user % 2], f"u{user}", failed=bool(left), thumb=thumb, scores=scores)


def _features(row: Outcome) -> tuple[np.ndarray, np.ndarray]:
    """``approval.FEATURES`` and ``LINKS`` of one answer, in the simulation's way."""
    rated, up, has = row.thumb is not None, row.thumb == 1, bool(row.scores)
    score = row.scores.get("quality", 0.0)
    both = rated and has
    features = [not row.failed, row.failed, rated, up, has, score, both, both * score]
    links = [both * up * score, both * score**2, both * up]
    return np.array([features], dtype=float), np.array([links], dtype=float)


def test_a_simulated_shadow_is_judged_as_its_rows_would_be() -> None:
    rng = np.random.default_rng(4)
    state, rows = PairState.empty(1, 30), []
    for number in range(200):
        user, scores = int(rng.integers(30)), rng.uniform(0, 1, 2)
        shown = outcome(2 * number, "A", f"u{user}", propensity=1.0, scores={"quality": scores[0]})
        origin = Origin(OriginKind.SHADOW, shown.interaction_id)
        beside = outcome(2 * number + 1, "B", f"u{user}", origin=origin, scores={"quality": scores[1]})
        rows += [shown, beside]
        state.add(np.array([user]), np.array([scores[1] - scores[0]]), np.array([True]))
    found = state.estimate(shares=False)
    span = decide(policy(mode=PolicyMode.SHADOW), rows).comparisons[0].difference
    half = float(decided(found, CONFIGURATION)[0])
    assert float(found.difference[0]) == pytest.approx(span.value)
    assert span.high == pytest.approx(float(found.difference[0]) + half)


def test_a_better_challenger_is_found_in_the_shadow_and_naive_looks_mislead() -> None:
    seen = peek_pairs(PairWorld(gain=0.05), 100, 400, np.random.default_rng(2))
    assert (seen.way > 0).mean() > 0.9
    assert not (seen.way < 0).any()
    equal = peek_pairs(PairWorld(), 200, 400, np.random.default_rng(3))
    assert rate("", equal.naive_when > 0, 0.05).exceeded
