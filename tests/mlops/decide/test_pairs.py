"""Both arms on the same questions: what shadow and hybrid modes may say, and what they must not."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from melancia.mlops.decide.pairs import estimate, summed
from melancia.mlops.decide.results import Verdict
from melancia.mlops.decide.verdict import adaptive_weights, decide
from melancia.records import Origin, OriginKind, Outcome, Policy, PolicyMode
from tests.mlops.decide.outcomes import outcome, policy

SHADOW, HYBRID = policy(mode=PolicyMode.SHADOW), policy(mode=PolicyMode.HYBRID)


def beside(number: int, of: Outcome, kind: OriginKind = OriginKind.SHADOW, **changes: object) -> Outcome:
    """What B said to the question of ``of``."""
    origin = Origin(kind, of.interaction_id)
    return outcome(number, "B", of.user_id, propensity=1.0, origin=origin, **changes)


def both(
    count: int,
    *,
    gain: float = 0.0,
    noise: float = 0.05,
    users: int = 60,
    kind: OriginKind = OriginKind.SHADOW,
    seed: int = 0,
) -> list[Outcome]:
    """``count`` questions, hard and easy, that A answers and then B, whose scores are ``gain`` higher."""
    rng = np.random.default_rng(seed)
    found: list[Outcome] = []
    for number in range(count):
        ease = float(rng.uniform(0.1, 0.8))
        quality = [min(1.0, max(0.0, ease + extra + rng.normal(0, noise))) for extra in (0.0, gain)]
        shown = outcome(
            2 * number,
            "A",
            f"u{rng.integers(users)}",
            propensity=1.0,
            latency=2.0,
            cost=0.0,
            thumb=-1 if number % 3 else 1,
            scores={"quality": quality[0]},
        )
        found.append(shown)
        found.append(
            beside(2 * number + 1, shown, kind, latency=3.0, cost=0.001, scores={"quality": quality[1]})
        )
    return found


def contrasts(found: Verdict) -> dict[str, tuple[float | None, float | None]]:
    return {one.name: (one.base, one.challenger) for one in found.comparisons[0].secondary}


def test_a_better_challenger_is_to_be_shown_to_people_and_not_promoted() -> None:
    found = decide(SHADOW, both(300, gain=0.08))
    assert (found.status, found.recommendation, found.arm) == ("ahead", "try", "B")
    (comparison,) = found.comparisons
    assert (comparison.paired, comparison.pairs, comparison.asked) == ("shadow", 300, 300)
    assert comparison.difference.value == pytest.approx(0.08, abs=0.02)
    assert "A/B" in found.text
    assert "não há polegares a comparar" in found.text
    assert (found.sample_ratio.known, found.sample_ratio.fails) == (False, False)
    assert comparison.raters.rates.count == (0, 0)
    assert comparison.bayes is None


def test_a_worse_challenger_leaves_the_first_arm_in_place() -> None:
    found = decide(SHADOW, both(300, gain=-0.08))
    assert (found.status, found.recommendation, found.arm) == ("ahead", "keep", "A")
    assert "fique com A" in found.text


def test_arms_that_say_the_same_are_a_tie_and_few_users_are_too_early() -> None:
    assert decide(SHADOW, both(600)).status == "tie"
    few = decide(SHADOW, both(300, gain=0.2, users=5))
    assert few.status == "too_early"
    assert "B respondeu a 300 de 300 perguntas" in few.text
    assert decide(SHADOW, []).status == "too_early"


def test_the_same_questions_need_fewer_than_a_draw_would() -> None:
    """Questions differ much more than arms do: the pairs see it, the arms apart do not."""
    rows = both(150, gain=0.04)
    span = decide(SHADOW, rows).comparisons[0].difference
    apart = [replace(row, propensity=0.5, origin=None, user_id=f"{row.user_id}{row.arm}") for row in rows]
    drawn = {one.name: one.difference for one in decide(policy(), apart).comparisons[0].secondary}
    assert span.excludes_zero
    assert not drawn["score:quality"].excludes_zero


def test_giving_up_on_hard_questions_does_not_look_better() -> None:
    """B fails wherever A's score is low; where both answer they are equal, and B's failures are said."""
    rows = both(400)
    hard = {row.interaction_id for row in rows if row.arm == "A" and row.scores["quality"] < 0.3}
    found = decide(
        SHADOW,
        [
            replace(row, failed=True, scores={}, latency=60.0)
            if row.origin and row.origin.interaction_id in hard
            else row
            for row in rows
        ],
    )
    assert found.status in ("tie", "undecided")
    assert contrasts(found)["latency"] == (2.0, 3.0)
    failed = next(one for one in found.comparisons[0].secondary if one.name == "failed")
    assert failed.difference.excludes_zero
    assert failed.challenger == pytest.approx(len(hard) / 400)


def test_a_challenger_with_better_scores_that_fails_more_is_not_recommended() -> None:
    rows = both(400, gain=0.1)
    failing = [
        replace(row, failed=True, scores={}) if row.arm == "B" and number % 8 == 1 else row
        for number, row in enumerate(rows)
    ]
    found = decide(SHADOW, failing)
    assert (found.status, found.recommendation) == ("undecided", "continue")
    assert "falha mais (25 % contra 0 %)" in found.text.replace(",0", "")


def test_an_answer_without_its_pair_counts_for_nothing_but_coverage() -> None:
    rows = both(200, gain=0.08)
    alone = [outcome(n, "A", "só", propensity=1.0, scores={"quality": 0.9}) for n in range(1000, 1050)]
    orphan = beside(2000, outcome(1999, "A", "x"), scores={"quality": 0.1})
    whole, more = decide(SHADOW, rows), decide(SHADOW, [*rows, *alone, orphan])
    assert more.comparisons[0].difference == whole.comparisons[0].difference
    assert (more.comparisons[0].pairs, more.comparisons[0].asked, more.skipped) == (200, 250, 51)


def test_out_of_sight_answers_have_no_part_in_an_ab_test() -> None:
    """The experiment was in shadow mode before it became an A/B: the draw alone decides."""
    drawn = [outcome(n, "AB"[n % 2], f"u{n}", thumb=1 if n % 4 < 2 else -1) for n in range(10_000, 10_400)]
    alone, mixed = decide(policy(), drawn), decide(policy(), both(200, gain=0.3) + drawn)
    assert mixed.comparisons == alone.comparisons
    assert mixed.sample_ratio == alone.sample_ratio
    assert mixed.arms == alone.arms
    assert adaptive_weights(policy(), drawn) == adaptive_weights(policy(), both(200) + drawn)


def test_a_promoted_arm_keeps_what_the_shadow_said_of_it() -> None:
    promoted = replace(SHADOW, mode=PolicyMode.FORCED, forced="B")
    later = [outcome(n, "B", f"u{n}", propensity=1.0, thumb=1) for n in range(1000, 1100)]
    found = decide(promoted, both(300, gain=0.08) + later)
    assert (found.status, found.arm) == ("ahead", "B")


def test_a_guardrail_watches_what_nobody_sees() -> None:
    rows = [replace(row, failed=row.arm == "B") for row in both(100)]
    guarded = policy(mode=PolicyMode.SHADOW, guardrails={"error_rate": 0.1})
    found = decide(guarded, rows)
    assert (found.status, found.recommendation, found.arm) == ("guardrail", "rollback", "B")


def test_hybrid_names_no_winner_however_much_better_the_final_answers_are() -> None:
    found = decide(HYBRID, both(300, gain=0.3, kind=OriginKind.FINAL))
    assert (found.status, found.recommendation, found.arm) == ("described", "continue", None)
    assert "não se aponta vencedor" in found.text
    assert "300 de 300 perguntas" in found.text
    assert found.comparisons[0].difference.excludes_zero
    assert decide(HYBRID, []).status == "described"


def test_three_arms_share_the_error_and_the_best_is_tried() -> None:
    rows = both(300, gain=0.05)
    third = [
        replace(
            row,
            arm="C",
            interaction_id=f"{row.interaction_id}c",
            scores={"quality": row.scores["quality"] + 0.05},
        )
        for row in rows
        if row.arm == "B"
    ]
    wanted = policy("A", "B", "C", mode=PolicyMode.SHADOW)
    found = decide(wanted, rows + third)
    assert (found.status, found.arm) == ("ahead", "C")
    two = decide(SHADOW, rows).comparisons[0].difference
    three = found.comparisons[0].difference
    assert (two.low or 0) > (three.low or 0)
    assert {one.arm: one.questions for one in found.arms} == {"A": 300, "B": 300, "C": 300}


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 5), st.floats(-1, 1, allow_nan=False, width=16)), min_size=2, max_size=40
    )
)
def test_the_estimate_is_the_mean_and_its_variance_is_a_users(rows: list[tuple[int, float]]) -> None:
    """Against the sums written out: a user's differences count together."""
    users, values = [str(user) for user, _ in rows], np.array([value for _, value in rows])
    found = estimate(summed(users, values), shares=False)
    mean = values.mean()
    totals = [sum(value - mean for one, value in rows if str(one) == user) for user in dict.fromkeys(users)]
    effective = len(rows) ** 2 / sum(users.count(user) ** 2 for user in set(users))
    expected = sum(total**2 for total in totals) / len(rows) ** 2 * effective / max(effective - 1, 0.5)
    assert float(found.difference) == pytest.approx(mean)
    assert float(found.variance) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("mode", [SHADOW, HYBRID])
def test_a_verdict_of_pairs_is_a_function_of_its_rows(mode: Policy) -> None:
    kind = OriginKind.SHADOW if mode is SHADOW else OriginKind.FINAL
    rows: Sequence[Outcome] = both(80, gain=0.05, kind=kind)
    assert decide(mode, rows).hash == decide(mode, list(reversed(rows))).hash
    assert decide(mode, rows[:-1]).hash != decide(mode, rows).hash


def test_verdicts_that_were_kept_before_there_were_pairs_keep_their_hash() -> None:
    kept = decide(policy(), []).as_dict()
    assert not {"paired", "pairs", "asked"} & set(kept["comparisons"][0])
    assert {"paired", "pairs", "asked"} <= set(decide(SHADOW, both(3)).as_dict()["comparisons"][0])
