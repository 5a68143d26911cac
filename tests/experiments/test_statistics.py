"""The statistics of a benchmark: their properties on any numbers, and how often they are wrong."""

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from melancia.experiments.statistics import (
    ALPHA,
    MIN_QUESTIONS,
    bootstrap,
    holm,
    mean,
    paired,
    questions_needed,
    wilson,
)
from melancia.experiments.summaries import pairwise, summarise
from melancia.records import Variant
from tests.experiments.measurements import answer

VALUES = st.floats(0, 100, allow_nan=False)
SAMPLES = st.lists(VALUES, min_size=MIN_QUESTIONS, max_size=30)
PAIRS = st.lists(st.tuples(VALUES, VALUES), min_size=MIN_QUESTIONS, max_size=20)
FEW = settings(max_examples=40, deadline=None)


@pytest.fixture(scope="module", autouse=True)
def _no_sweeping() -> Iterator[None]:
    """statsmodels collects all garbage at every correction: a tenth of a second, hundreds of times here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gc.collect", lambda *_: 0)
        yield


@FEW
@given(SAMPLES)
def test_the_bootstrap_interval_holds_the_mean_and_stays_within_the_values(values: list[float]) -> None:
    interval = bootstrap(values, seed=1)
    assert interval is not None
    assert interval.low - 1e-9 <= mean(values) <= interval.high + 1e-9
    assert min(values) - 1e-9 <= interval.low
    assert interval.high <= max(values) + 1e-9


@pytest.mark.parametrize("size", [0, 1, MIN_QUESTIONS - 1])
def test_too_few_questions_have_no_interval(size: int) -> None:
    assert bootstrap([0.5] * size, seed=1) is None
    assert wilson([1.0] * size) is None


def test_the_bootstrap_covers_the_truth_about_as_often_as_it_says() -> None:
    """400 samples of 30: 95 % less its known shortfall, more than three standard errors of slack."""
    rng = np.random.default_rng(5)
    intervals = [bootstrap(list(rng.normal(0.7, 0.2, 30)), seed=run) for run in range(400)]
    covered = [one is not None and one.low <= 0.7 <= one.high for one in intervals]
    assert 0.89 <= mean(covered) <= 0.98


def test_an_interval_is_the_same_for_the_same_seed_and_another_for_another() -> None:
    values = [0.1, 0.5, 0.9, 0.3, 0.7, 0.35, 0.8]
    assert bootstrap(values, seed=1) == bootstrap(values, seed=1) != bootstrap(values, seed=2)


@FEW
@given(st.integers(MIN_QUESTIONS, 400), st.data())
def test_wilsons_interval_is_scipys_within_0_and_1_and_holds_the_share(
    total: int, data: st.DataObject
) -> None:
    good = data.draw(st.integers(0, total))
    interval = wilson([1.0] * good + [0.0] * (total - good))
    assert interval is not None
    assert 0 <= interval.low <= good / total <= interval.high <= 1
    known = stats.binomtest(good, total).proportion_ci(method="wilson")
    assert (interval.low, interval.high) == pytest.approx((known.low, known.high), abs=1e-9)


def test_repeats_do_not_narrow_wilsons_interval() -> None:
    """Ten questions asked three times are ten questions, of which one succeeded in two of three."""
    interval, fewer = wilson([1.0] * 9 + [2 / 3]), wilson([1.0] * 9 + [0.0])
    assert interval is not None
    assert fewer is not None
    assert fewer.low < interval.low < interval.high <= 1


@FEW
@given(PAIRS)
def test_swapping_the_models_negates_the_difference_and_keeps_the_p(pairs: list[tuple[float, float]]) -> None:
    first, second = ([pair[side] for pair in pairs] for side in (0, 1))
    there, back = paired([(first, second), (second, first)], seed=3)
    assert there.difference is not None
    assert back.difference == -there.difference
    assert back.p_value == there.p_value
    assert there.interval is not None
    assert back.interval is not None
    turned = (-back.interval.high, -back.interval.low)
    assert (there.interval.low, there.interval.high) == pytest.approx(turned, abs=1e-6)


def test_the_p_value_is_that_of_all_sign_flips_counted_by_hand() -> None:
    """Of the 64 sign patterns of 1, …, 6 only two have a sum as far from 0 as 21; as far as 19, four."""
    ones = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    found = paired([(ones, [0.0] * 6), ([-1.0, *ones[1:]], [0.0] * 6)], seed=0)
    assert [one.p_value for one in found] == pytest.approx([2 / 64, 4 / 64])


def test_equal_answers_have_no_difference_at_all() -> None:
    values = [0.3, 0.8, 0.5, 0.9, 0.1, 0.6, 0.7]
    (found,) = paired([(values, values)], seed=0)
    assert (found.difference, found.p_value) == (0.0, 1.0)
    assert found.interval is not None
    assert (found.interval.low, found.interval.high) == (0.0, 0.0)


def test_too_few_questions_have_a_difference_but_no_p() -> None:
    found, none = paired([([0.9] * 5, [0.1] * 5), ([], [])], seed=0)
    assert found.difference == pytest.approx(0.8)
    assert (found.questions, found.p_value, found.interval) == (5, None, None)
    assert none.difference is None


def test_other_questions_cannot_be_paired() -> None:
    with pytest.raises(ValueError, match="same questions"):
        paired([([0.5], [0.5, 0.6])], seed=0)


@FEW
@given(st.lists(st.floats(0, 1), max_size=30))
def test_holm_never_lowers_a_p_and_keeps_their_order(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    assert all(p <= after <= 1 for p, after in zip(p_values, adjusted, strict=True))
    ordered = [after for _, after in sorted(zip(p_values, adjusted, strict=True))]
    assert ordered == sorted(ordered)


def test_holms_adjustment_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])


@pytest.mark.parametrize("tests", [1, 3, 9, 84])
def test_the_questions_needed_are_the_fewest_whose_smallest_p_survives(tests: int) -> None:
    needed = questions_needed(tests)
    assert tests * 2 / 2**needed < ALPHA
    assert needed == MIN_QUESTIONS or tests * 2 / 2 ** (needed - 1) >= ALPHA


def test_with_many_comparisons_the_largest_difference_is_still_found() -> None:
    """The random flips are enough for the least p to survive 300 comparisons."""
    largest, equal = ([1.0] * 16, [0.0] * 16), ([0.5, 0.6] * 8, [0.6, 0.5] * 8)
    found = paired([largest] * 5 + [equal] * 295, seed=0)
    adjusted = holm([one.p_value for one in found if one.p_value is not None])
    assert max(adjusted[:5]) < ALPHA
    assert min(adjusted[5:]) == 1


def test_what_else_is_compared_changes_no_interval_and_no_exact_p() -> None:
    values = ([0.9, 0.7, 0.8, 0.6, 0.9, 0.5, 0.8], [0.4, 0.7, 0.6, 0.6, 0.5, 0.1, 0.9])
    longer = ([0.5, 0.2] * 5, [0.1, 0.4] * 5)
    (alone,) = paired([values], seed=4)
    assert paired([longer, values, (values[1], values[0])], seed=4)[1] == alone


MODELS = [Variant("ollama", f"m{number}:1b") for number in range(3)]


def _verdicts(seed: int, better: float = 0.0, questions: int = 10) -> list[str]:
    """All verdicts of a benchmark of three models, the last one's quality better by so much."""
    rng = np.random.default_rng(seed)
    hardness = rng.normal(0.6, 0.15, questions)
    answers = []
    for place, model in enumerate(MODELS):
        for number in range(questions):
            quality = hardness[number] + rng.normal(0, 0.1) + (better if place == 2 else 0)
            # Latencies are skewed, unlike qualities.
            latency = float(rng.lognormal(0, 0.6))
            scores = {"quality": float(quality), "relevance": float(quality + rng.normal(0, 0.05))}
            answers.append(answer(model, number, latency_seconds=latency, scores=scores))
    summaries = [summarise(model, answers) for model in MODELS]
    found = pairwise(summaries, answers, seed=seed)
    return [
        found["quality", MODELS[2].hash, MODELS[0].hash].verdict,
        *(one.verdict for one in found.values()),
    ]


def test_equal_models_are_seldom_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """In at most 5 % of reports is any of the nine comparisons wrong; 300 reports, two standard errors."""
    monkeypatch.setattr("melancia.experiments.summaries.bootstrap", lambda *_, **__: None)
    monkeypatch.setattr("melancia.experiments.statistics._intervals", lambda rows, _: [None] * len(rows))
    wrong = [any(one in ("better", "worse") for one in _verdicts(seed)) for seed in range(300)]
    assert mean(wrong) <= 0.05 + 2 * (0.05 * 0.95 / 300) ** 0.5


def test_a_true_difference_is_found() -> None:
    found = [_verdicts(seed, better=0.25, questions=12)[0] for seed in range(20)]
    assert found.count("better") >= 18
