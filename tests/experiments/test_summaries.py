"""From answers to figures, comparisons and places: against values computed by hand."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from melancia.experiments.figures import FIGURES
from melancia.experiments.ranking import rank
from melancia.experiments.results import Comparison, Measured, Summary
from melancia.experiments.statistics import MIN_QUESTIONS
from melancia.experiments.summaries import compare, control, pairwise, ranked, summarise
from melancia.experiments.words import written
from melancia.records import Variant
from tests.experiments.measurements import CLOUD, CONTROL, LOCAL, answer, failure, sampled

OTHER = Variant("ollama", "mistral:7b")


def told(answers: Sequence[Measured], variants: Sequence[Variant]) -> list[Summary]:
    """The summaries of ``variants``."""
    return [summarise(variant, answers, seed=1) for variant in variants]


def test_every_figure_is_the_one_computed_by_hand() -> None:
    names = ("quality", "relevance", "correctness", "groundedness", "citation_precision", "citation_recall")
    first = dict.fromkeys((*names, "refusal", "language"), 0.5)
    common = {"tokens_per_second": 50.0, "judge_score": 0.6}
    answers = [
        answer(
            CLOUD, 1, latency_seconds=1.0, time_to_first_token_seconds=0.2, tokens=100, cost=0.001, **common
        ),
        answer(
            CLOUD, 2, latency_seconds=2.0, time_to_first_token_seconds=0.4, tokens=300, cost=0.003, **common
        ),
        failure(CLOUD, 3),
    ]
    answers[0] = replace(answers[0], scores=first)
    answers[1] = replace(answers[1], scores=dict.fromkeys(first, 1.0))
    found = summarise(CLOUD, [*answers, answer(LOCAL, 1, quality=0.0)]).figures
    assert list(found) == list(FIGURES)
    assert found == pytest.approx(
        {
            "latency_avg": 1.5,
            "latency_std": 0.5**0.5,
            "latency_p50": 1.5,
            "latency_p95": 1.95,
            "ttft_avg": 0.3,
            "ttft_p50": 0.3,
            "ttft_p95": 0.39,
            "tokens_avg": 200.0,
            "tokens_per_second_avg": 50.0,
            "cost_total": 0.004,
            "cost_avg": 0.002,
            "success_rate": 2 / 3,
            **{f"{name}_avg": 0.75 for name in first},
            "judge_avg": 0.6,
            "answers": 3,
            "successes": 2,
            "quarantined": 0,
        }
    )


def test_every_figure_has_a_portuguese_title_and_a_unit_that_can_be_written() -> None:
    assert all(figure.title and written(1.5, figure.unit) for figure in FIGURES.values())


def test_a_failure_enters_no_mean() -> None:
    good = [answer(CLOUD, number, quality=0.8, tokens=100) for number in range(8)]
    bad = [
        failure(CLOUD, number, latency_seconds=99.0, tokens=9, scores={"quality": 0.0})
        for number in range(8, 12)
    ]
    alone, both = summarise(CLOUD, good), summarise(CLOUD, good + bad)
    about = {"success_rate", "answers"}
    assert {name: value for name, value in both.figures.items() if name not in about} == {
        name: value for name, value in alone.figures.items() if name not in about
    }
    assert both.figures["success_rate"] == pytest.approx(8 / 12)
    assert {**both.intervals, "success_rate": None} == {**alone.intervals, "success_rate": None}
    assert (both.asked, both.successes, both.counted, both.failures) == (12, 8, 8, {"O servidor falhou.": 4})


def test_a_quarantined_answer_is_only_counted() -> None:
    good = [answer(LOCAL, 1, quality=0.8), failure(LOCAL, 2)]
    found = summarise(
        LOCAL, [*good, answer(LOCAL, 3, quality=0.1, latency_seconds=50.0, quarantine="Na CPU.")]
    )
    assert (found.figures["quality_avg"], found.figures["latency_avg"]) == (0.8, 1.0)
    assert found.figures["success_rate"] == 0.5
    assert (found.figures["quarantined"], found.quarantines) == (1, {"Na CPU.": 1})
    assert (found.asked, found.successes, found.counted, found.failures) == (
        3,
        2,
        1,
        {"O servidor falhou.": 1},
    )


def test_a_model_that_answered_nothing_has_no_averages() -> None:
    found = summarise(CLOUD, [failure(CLOUD, number) for number in range(8)])
    assert found.figures == {"success_rate": 0.0, "answers": 8.0, "successes": 0.0, "quarantined": 0.0}
    assert set(found.intervals) == {"success_rate"}
    assert set(summarise(CLOUD, []).figures) == {"answers", "successes", "quarantined"}


def test_a_question_counts_once_however_often_it_was_asked() -> None:
    answers = [answer(LOCAL, 1, quality=1.0, repeat=1, latency_seconds=1.0)]
    answers += [answer(LOCAL, 2, quality=0.0, repeat=turn, latency_seconds=4.0) for turn in (1, 2, 3)]
    found = summarise(LOCAL, [*answers, failure(LOCAL, 1, repeat=2)]).figures
    assert found["quality_avg"] == 0.5
    assert found["latency_avg"] == 2.5
    assert found["success_rate"] == 0.75
    assert found["latency_p50"] == 4.0  # of single answers


def test_the_latencies_of_a_batch_are_no_figures() -> None:
    batch = {"comparable_latency": False, "time_to_first_token_seconds": 0.1, "tokens_per_second": 9.0}
    found = summarise(CLOUD, [answer(CLOUD, number, quality=0.7, **batch) for number in range(8)])
    assert not [
        name for name in found.metrics() if "latency" in name or "ttft" in name or "per_second" in name
    ]
    assert found.figures["quality_avg"] == pytest.approx(0.7)


def test_a_cost_that_was_due_and_is_unknown_leaves_no_total() -> None:
    paid = [answer(CLOUD, 1, cost=0.001), failure(CLOUD, 2, cost=0.002, answer="Pela meta")]
    assert summarise(CLOUD, paid).figures["cost_total"] == pytest.approx(0.003)
    assert summarise(CLOUD, paid).figures["cost_avg"] == pytest.approx(0.001)
    refused = summarise(CLOUD, [*paid, failure(CLOUD, 3)]).figures
    assert refused["cost_total"] == pytest.approx(0.003)  # whoever does not answer charges nothing
    broken = summarise(CLOUD, [*paid, failure(CLOUD, 3, answer="Um começo")]).figures
    assert "cost_total" not in broken
    assert "cost_avg" in broken
    assert (
        not {"cost_total", "cost_avg"} & summarise(CLOUD, [*paid, answer(CLOUD, 3, cost=None)]).figures.keys()
    )


def test_an_answer_without_a_score_is_left_out_of_that_score_alone() -> None:
    found = summarise(CLOUD, [answer(CLOUD, 1, quality=0.6), answer(CLOUD, 2)]).figures
    assert (found["quality_avg"], found["latency_avg"]) == (0.6, 1.0)


def test_intervals_begin_with_enough_questions() -> None:
    answers = [answer(CLOUD, number, quality=number / 10) for number in range(MIN_QUESTIONS)]
    assert summarise(CLOUD, answers[1:]).intervals == {}
    intervals = summarise(CLOUD, answers).intervals
    assert {"quality_avg", "latency_avg", "success_rate", "cost_avg"} <= set(intervals)
    assert intervals["quality_avg"].low < 0.25 < intervals["quality_avg"].high


def test_categories_have_their_own_figures_when_there_are_several() -> None:
    answers = [
        answer(CLOUD, 1, quality=0.4, category="how-to"),
        answer(CLOUD, 2, quality=0.8, category="how-to", latency_seconds=3.0),
        failure(CLOUD, 3, category="definition"),
    ]
    found = summarise(CLOUD, answers).categories
    assert found["how-to"] == pytest.approx(
        {"quality_avg": 0.6, "latency_avg": 2.0, "success_rate": 1.0, "answers": 2}
    )
    assert found["definition"] == {"success_rate": 0.0, "answers": 1.0}
    assert summarise(CLOUD, answers[:2]).categories == {}


def test_the_control_is_the_extractive_answerer() -> None:
    summaries = told([answer(CLOUD), answer(CONTROL)], [CLOUD, CONTROL])
    assert control(summaries) is summaries[1]
    assert control(summaries[:1]) is None


LEVELS = {
    CONTROL: {"quality": 0.5, "latency": 0.05, "cost": 0.0},
    CLOUD: {"quality": 0.85, "latency": 1.0, "cost": 0.0002},
    LOCAL: {"quality": 0.7, "latency": 3.0, "cost": 0.0},
}


def found_in(answers: Sequence[Measured], metric: str) -> dict[tuple[str, str, str], Comparison]:
    """(against, model, other), by provider → comparison in ``metric``."""
    summaries = told(answers, list(LEVELS))
    provider = {item.variant.hash: item.variant.provider for item in summaries}
    return {
        (item.against, provider[item.model], provider[item.other]): item
        for item in compare(summaries, answers, seed=1)
        if item.metric == metric
    }


def test_each_model_is_compared_with_the_control_and_the_next_one() -> None:
    answers = sampled(LEVELS, 30)
    quality, latency = found_in(answers, "quality"), found_in(answers, "latency_seconds")
    assert {key: item.verdict for key, item in quality.items()} == {
        ("control", "openai", "extractive"): "better",
        ("control", "ollama", "extractive"): "better",
        ("next", "openai", "ollama"): "better",
        ("next", "ollama", "extractive"): "better",
    }
    assert {key: item.verdict for key, item in latency.items()} == {
        ("control", "openai", "extractive"): "worse",  # slower
        ("control", "ollama", "extractive"): "worse",
        ("next", "extractive", "openai"): "better",
        ("next", "openai", "ollama"): "better",
    }
    first = quality["next", "openai", "ollama"]
    means = {item.variant: item.figures["quality_avg"] for item in told(answers, list(LEVELS))}
    assert first.difference == pytest.approx(means[CLOUD] - means[LOCAL])
    assert first.questions == 30
    assert first.interval is not None
    assert first.interval.low < means[CLOUD] - means[LOCAL] < first.interval.high
    assert first.p_value is not None
    assert first.adjusted_p is not None
    assert first.p_value < first.adjusted_p < 0.05


def test_only_questions_that_both_answered_are_compared() -> None:
    """The cloud model failed on the easy questions: its average is lower, not its answers."""
    answers = []
    for number in range(20):
        easy = number < 10
        answers.append(answer(LOCAL, number, quality=0.9 if easy else 0.3))
        answers.append(failure(CLOUD, number) if easy else answer(CLOUD, number, quality=0.3))
    summaries = told(answers, [LOCAL, CLOUD])
    (item,) = [one for one in compare(summaries, answers, seed=1) if one.metric == "quality"]
    assert (item.questions, item.difference, item.verdict, item.p_value) == (10, 0.0, "tie", 1.0)


def test_three_questions_say_nothing_however_large_the_difference() -> None:
    answers = [answer(CLOUD, n, quality=1.0) for n in range(3)] + [
        answer(LOCAL, n, quality=0.0) for n in range(3)
    ]
    items = compare(told(answers, [CLOUD, LOCAL]), answers, seed=1)
    assert {item.verdict for item in items} == {"unknown"}
    assert {item.adjusted_p for item in items} == {None}
    assert {item.difference for item in items if item.metric == "quality"} == {1.0}


def test_the_correction_is_for_all_pairs_and_metrics_of_the_report() -> None:
    """A fourth model makes the same two models harder to tell apart."""
    rng = np.random.default_rng(3)
    answers = [answer(CLOUD, number, quality=0.7 + rng.normal(0, 0.1)) for number in range(9)]
    answers += [answer(LOCAL, number, quality=0.5 + rng.normal(0, 0.1)) for number in range(9)]
    more = [
        answer(variant, number, quality=rng.uniform()) for variant in (OTHER, CONTROL) for number in range(9)
    ]
    key = ("quality", CLOUD.hash, LOCAL.hash)
    few = pairwise(told(answers, [CLOUD, LOCAL]), answers, seed=1)[key]
    many = pairwise(told(answers + more, [CLOUD, LOCAL, OTHER, CONTROL]), answers + more, seed=1)[key]
    assert few.paired == many.paired
    assert few.adjusted_p is not None
    assert many.adjusted_p is not None
    assert few.adjusted_p < many.adjusted_p


def test_a_pair_reads_the_same_from_both_sides() -> None:
    answers = sampled(LEVELS, 20)
    pairs = pairwise(told(answers, list(LEVELS)), answers, seed=1)
    for (metric, model, other), pair in pairs.items():
        back = pairs[metric, other, model]
        assert pair.paired.difference is not None
        assert back.paired.difference == -pair.paired.difference
        assert back.adjusted_p == pair.adjusted_p
        assert {pair.verdict, back.verdict} in ({"better", "worse"}, {"tie"})


def places(answers: Sequence[Measured], variants: Sequence[Variant]) -> dict[str, list[set[str]]]:
    """The ranking, by model name."""
    summaries = told(answers, variants)
    names = {variant.hash: variant.model for variant in variants}
    ranking = rank(summaries, pairwise(summaries, answers, seed=1))
    return {key: [{names[one] for one in place} for place in found] for key, found in ranking.items()}


def test_who_can_be_told_apart_has_a_place_of_ones_own() -> None:
    found = places(sampled(LEVELS, 40), list(LEVELS))
    assert found["quality"] == [{CLOUD.model}, {LOCAL.model}, {CONTROL.model}]
    assert found["latency"] == [{CONTROL.model}, {CLOUD.model}, {LOCAL.model}]
    assert found["value"] == found["quality"]


def test_of_equally_good_models_the_cheapest_is_worth_most_and_of_those_the_fastest() -> None:
    levels = {
        CLOUD: {"quality": 0.8, "latency": 1.0, "cost": 0.0002},
        LOCAL: {"quality": 0.8, "latency": 4.0, "cost": 0.0},
        OTHER: {"quality": 0.8, "latency": 2.0, "cost": 0.0},
    }
    found = places(sampled(levels, 40), list(levels))
    assert found["quality"] == [{CLOUD.model, LOCAL.model, OTHER.model}]
    assert found["value"] == [{OTHER.model}, {LOCAL.model}, {CLOUD.model}]


def test_few_questions_leave_one_place_for_all() -> None:
    found = places(sampled(LEVELS, 3), list(LEVELS))
    assert found["quality"] == found["latency"] == [{CLOUD.model, LOCAL.model, CONTROL.model}]
    assert found["value"] == [{LOCAL.model, CONTROL.model}, {CLOUD.model}]


def test_who_leads_a_shared_place_is_named_first() -> None:
    answers = sampled(LEVELS, 3)
    summaries = told(answers, list(LEVELS))
    ranking = rank(summaries, pairwise(summaries, answers, seed=1))
    assert ranking["quality"] == [[CLOUD.hash, LOCAL.hash, CONTROL.hash]]
    assert ranking["latency"] == [[CONTROL.hash, CLOUD.hash, LOCAL.hash]]
    assert ranking["value"] == [[CONTROL.hash, LOCAL.hash], [CLOUD.hash]]


def test_ties_are_with_the_leader_and_not_passed_on() -> None:
    """The second cannot be told from the first, nor the third from the second; the third is not first."""
    third = [0.5 + 0.01 * (number % 3) for number in range(12)]
    second = [value + (0.2 if number % 2 else -0.1) for number, value in enumerate(third)]
    first = [value + 0.1 for value in third]
    answers = [
        answer(variant, number, quality=value)
        for variant, values in ((CLOUD, first), (LOCAL, second), (OTHER, third))
        for number, value in enumerate(values)
    ]
    pairs = pairwise(told(answers, [CLOUD, LOCAL, OTHER]), answers, seed=1)
    assert pairs["quality", LOCAL.hash, OTHER.hash].verdict == "tie"
    assert places(answers, [CLOUD, LOCAL, OTHER])["quality"] == [{CLOUD.model, LOCAL.model}, {OTHER.model}]


def test_a_lucky_answer_among_failures_makes_no_leader() -> None:
    answers = sampled(LEVELS, 20)
    answers += [answer(OTHER, 0, quality=1.0, latency_seconds=0.001)]
    answers += [failure(OTHER, number) for number in range(1, 20)]
    found = places(answers, [*LEVELS, OTHER])
    assert not any(OTHER.model in place for ranking in found.values() for place in ranking)


def test_the_leader_is_not_who_skipped_the_hard_questions() -> None:
    """The local model answers only the easy half, and there the cloud model is better."""
    answers = []
    for number in range(40):
        easy = number < 20
        answers.append(answer(CLOUD, number, quality=0.9 if easy else 0.2))
        answers.append(answer(LOCAL, number, quality=0.8) if easy else failure(LOCAL, number))
    summaries = told(answers, [LOCAL, CLOUD])
    assert [item.variant for item in ranked(summaries, "quality")] == [LOCAL, CLOUD]
    assert places(answers, [LOCAL, CLOUD])["quality"] == [{CLOUD.model}, {LOCAL.model}]


def test_without_a_price_or_quality_there_is_no_value() -> None:
    answers = [
        replace(item, cost=None) if item.provider == "openai" else item for item in sampled(LEVELS, 20)
    ]
    assert places(answers, list(LEVELS))["value"] == [{LOCAL.model}, {CONTROL.model}]
    unscored = [replace(item, scores={}) for item in answers]
    found = places(unscored, list(LEVELS))
    assert (found["quality"], found["value"]) == ([], [])
    assert found["latency"][0] == {CONTROL.model}
