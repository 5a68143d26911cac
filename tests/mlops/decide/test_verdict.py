"""The verdict as a whole: a function of its rows, and what it says when."""

import json
import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from melancia.errors import InputError
from melancia.mlops.decide.configuration import Configuration
from melancia.mlops.decide.verdict import adaptive_weights, course, decide
from melancia.records import Policy, PolicyMode
from tests.mlops.decide.outcomes import experiment, outcome, policy

GUARDED = {"error_rate": 0.1, "p95_latency": 30.0}


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1000), st.integers(0, 150), st.randoms(use_true_random=False))
def test_the_same_rows_give_the_same_verdict_in_whatever_order(
    seed: int, count: int, chance: random.Random
) -> None:
    rows = experiment(count, approval={"A": 0.6, "B": 0.8}, seed=seed, users=30, scores=True)
    shuffled = chance.sample(rows, len(rows))
    one, other = (decide(policy(guardrails=GUARDED), found) for found in (rows, shuffled))
    assert one == other
    assert one.hash == other.hash
    assert json.loads(json.dumps(one.as_dict(), allow_nan=False)) == one.as_dict()


def test_another_row_or_another_constant_is_another_verdict() -> None:
    rows = experiment(100, approval={"A": 0.6, "B": 0.8})
    found = decide(policy(), rows)
    assert decide(policy(), rows[:-1]).hash != found.hash
    assert decide(policy(), rows, Configuration(least_effect=0.1)).hash != found.hash


def test_an_interaction_that_is_there_twice_is_refused() -> None:
    row = outcome(1, "A", "u")
    with pytest.raises(ValueError, match="twice"):
        decide(policy(), [row, row])


def test_nothing_is_said_of_nothing() -> None:
    found = decide(policy(), [])
    assert (found.status, found.recommendation) == ("too_early", "continue")
    assert found.until is None
    assert found.comparisons[0].bayes is None


def test_few_raters_are_too_early_whatever_they_say() -> None:
    rows = [outcome(n, "AB"[n % 2], f"u{n}", thumb=1 if n % 2 else -1) for n in range(18)]
    found = decide(policy(), rows)
    assert found.status == "too_early"
    assert "9 avaliações de 9 pessoas" in found.text


def test_a_better_challenger_is_promoted_and_a_worse_one_is_not() -> None:
    rows = experiment(1500, approval={"A": 0.6, "B": 0.85})
    found = decide(policy(), rows)
    assert (found.status, found.recommendation, found.arm) == ("better", "promote", "B")
    assert (found.comparisons[0].p_value or 1) < 0.05
    assert found.comparisons[0].bayes is not None
    assert found.comparisons[0].bayes.chance_challenger > 0.99
    swapped = decide(policy("B", "A"), rows)
    assert (swapped.status, swapped.recommendation, swapped.arm) == ("better", "keep", "B")


def test_arms_that_cannot_differ_by_what_matters_are_a_tie() -> None:
    rows = [outcome(n, "AB"[n % 2], f"u{n}", thumb=1 if n % 20 < 18 else -1) for n in range(4000)]
    found = decide(policy(), rows)
    assert (found.status, found.recommendation) == ("tie", "keep")
    assert found.comparisons[0].needed_for_least == 0


def test_an_open_question_says_how_many_ratings_are_missing() -> None:
    rows = experiment(400, approval={"A": 0.7, "B": 0.76}, seed=3)
    found = decide(policy(), rows)
    comparison = found.comparisons[0]
    assert found.status == "undecided"
    assert comparison.needed_for_least
    assert f"{comparison.needed_for_least:,}".replace(",", ".") in found.text


def test_a_wrong_sample_ratio_blocks_whatever_the_ratings_say() -> None:
    """A third of B's users were lost: 300 to 200."""
    rows = [outcome(n, "A" if n % 5 < 3 else "B", f"u{n}", thumb=1 if n % 5 >= 3 else -1) for n in range(600)]
    found = decide(policy(), rows)
    assert found.comparisons[0].difference.excludes_zero
    assert (found.status, found.recommendation, found.arm) == ("blocked", "keep", None)
    assert "A: 360 usuários, eram esperados 300" in found.text
    assert "Verifique" in found.text


def test_a_breached_guardrail_takes_the_arm_out_however_well_it_is_liked() -> None:
    rows = [
        outcome(n, "AB"[n % 2], f"u{n}", thumb=1 if n % 2 else -1, failed=n % 4 == 1, fell_back=n % 4 == 1)
        for n in range(400)
    ]
    found = decide(policy(guardrails=GUARDED), rows)
    assert (found.status, found.recommendation, found.arm) == ("guardrail", "rollback", "B")
    assert "50 % de falhas, e o limite é 10 %" in found.text.replace(",0", "")


@pytest.mark.parametrize(
    ("approval", "said"),
    [
        ({"A": 0.6, "B": 0.85, "C": 0.6}, ("better", "promote", "B")),
        ({"A": 0.85, "B": 0.6, "C": 0.99}, ("better", "keep", "A")),
    ],
)
def test_an_arm_that_is_out_has_no_say_while_two_are_left(
    approval: dict[str, float], said: tuple[str, str, str]
) -> None:
    """Neither by what it breached nor by how well it is liked: C was paused, and fails always."""
    rows = [
        replace(row, failed=row.arm == "C", fell_back=row.arm == "C")
        for row in experiment(3000, approval=approval)
    ]
    three = policy("A", "B", "C", guardrails=GUARDED)
    assert decide(three, rows).status == "guardrail"
    found = decide(_without(three, "C"), rows, history=[three])
    assert (found.status, found.recommendation, found.arm) == said
    assert " C" not in found.text
    assert ("C", "breached") in {(bound.arm, bound.state) for bound in found.guardrails}
    # When nobody is left to compare it with, it is what there is to say.
    for out in ("A", "B"):
        assert decide(_without(three, "C", out), rows, history=[three]).status == "guardrail"


def test_answers_that_no_draw_decided_are_left_out() -> None:
    """After a promotion B answers everybody, and everybody is delighted that week."""
    drawn = [outcome(n, "AB"[n % 2], f"u{n}", thumb=1 if n % 4 < 2 else -1) for n in range(400)]
    after = [outcome(n, "B", f"u{n}", thumb=1, propensity=1.0) for n in range(400, 900)]
    alone, both = decide(policy(), drawn), decide(policy(), drawn + after)
    assert both.skipped == 500
    assert both.comparisons == alone.comparisons
    assert both.sample_ratio == alone.sample_ratio
    unknown = [replace(row, propensity=None) for row in drawn]
    assert decide(policy(mode=PolicyMode.SHADOW), unknown).skipped == 400


def test_with_three_arms_each_challenger_is_compared_more_cautiously() -> None:
    rows = experiment(3000, approval={"A": 0.6, "B": 0.62, "C": 0.85})
    found = decide(policy("A", "B", "C"), rows)
    assert (found.status, found.recommendation, found.arm) == ("better", "promote", "C")
    two = decide(policy("A", "C"), [replace(row, propensity=0.5) for row in rows if row.arm != "B"])
    wide, narrow = found.comparisons[1].difference, two.comparisons[0].difference
    assert wide.value == pytest.approx(narrow.value)
    assert wide.low is not None
    assert narrow.low is not None
    assert wide.low < narrow.low


def test_secondary_figures_have_their_own_intervals() -> None:
    rows = [
        replace(
            row, latency=(row.latency or 0) + 2 * (row.arm == "B"), cost=0.002 if row.arm == "B" else 0.001
        )
        for row in experiment(1500, approval={"A": 0.7, "B": 0.7}, scores=True)
    ]
    found = {one.name: one for one in decide(policy(), rows).comparisons[0].secondary}
    assert set(found) == {"latency", "cost", "failed", "fell_back", "refused", "score:quality"}
    assert found["latency"].difference.value == pytest.approx(2, abs=0.4)
    assert found["latency"].difference.excludes_zero
    assert not found["score:quality"].difference.excludes_zero
    assert not found["failed"].difference.excludes_zero


def test_it_says_who_rates_when_ratings_are_not_like_the_answers() -> None:
    """In B only good answers are rated, and the prompt draws kinder ratings."""
    rows = []
    for row in experiment(4000, approval={"A": 0.6, "B": 0.6}, rated=1.0, scores=True, users=400):
        good = row.thumb == 1
        number = int(row.interaction_id[1:])
        rates = good if row.arm == "B" else number % 3 == 0
        rows.append(replace(row, thumb=row.thumb if rates else None, asked=good and number % 2 == 0))
    found = decide(policy(), rows).comparisons[0].raters
    assert found.rates.difference.excludes_zero
    assert [one.difference.excludes_zero for one in found.scores] == [False, True]
    assert (found.asked.difference.value or 0) > 0.2
    assert len(found.warnings) == 3
    assert "No braço B, as respostas avaliadas são melhores" in " ".join(found.warnings)


def test_the_paragraph_has_two_to_five_sentences_and_the_figures() -> None:
    found = decide(policy(), experiment(1500, approval={"A": 0.6, "B": 0.85}))
    sentences = [one for one in found.text.split(". ") if one]
    assert 2 <= len(sentences) <= 5
    assert "intervalo de 95 %" in found.text
    assert "promova B" in found.text
    for arm in found.arms:
        assert f"{arm.ratings} avaliações" in found.text


def test_its_course_ends_where_the_verdict_is() -> None:
    rows = experiment(500, approval={"A": 0.6, "B": 0.8}, scores=True)
    moments = course(policy(), rows, points=20)["B"]
    assert len(moments) == 20
    assert [moment.ratings for moment in moments] == sorted(moment.ratings for moment in moments)
    assert moments[-1].difference == decide(policy(), rows).comparisons[0].difference


def test_adaptive_shares_follow_the_ratings_down_to_the_floor() -> None:
    even = adaptive_weights(policy(mode=PolicyMode.ADAPTIVE), [])
    assert even == pytest.approx({"A": 0.5, "B": 0.5}, abs=0.02)
    rows = experiment(1000, approval={"A": 0.4, "B": 0.9})
    learnt = adaptive_weights(policy(mode=PolicyMode.ADAPTIVE, floor=0.15), rows)
    assert learnt["B"] > 0.65
    assert learnt["A"] >= 0.15
    assert learnt == adaptive_weights(policy(mode=PolicyMode.ADAPTIVE, floor=0.15), rows[::-1])


def test_an_unknown_guardrail_or_metric_is_refused() -> None:
    with pytest.raises(InputError, match="humor"):
        decide(policy(guardrails={"humor": 1.0}), [])
    with pytest.raises(InputError, match="cliques"):
        decide(replace(policy(), primary_metric="cliques"), [])


def _without(whole: Policy, *out: str) -> Policy:
    """The next version, in which the arms ``out`` are paused."""
    return replace(whole, arms=tuple(replace(arm, paused=arm.name in out) for arm in whole.arms), version=2)
