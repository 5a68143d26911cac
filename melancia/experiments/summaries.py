"""From single answers to one summary a model, and to what may be said of two models.

Only answers that count enter an average (``Measured.counted``): failures lower the success rate, quarantined
answers are counted, and neither is ever a 0. Averages are of each question's repeats first, then over
questions.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

from melancia.evals.case import SCORES
from melancia.experiments.figures import FIGURES, METRICS
from melancia.experiments.results import Comparison, Interval, Measured, Summary, Verdict
from melancia.experiments.statistics import ALPHA, Paired, bootstrap, holm, mean, paired, wilson
from melancia.records import Variant

__all__ = [
    "CONTROL",
    "COVERAGE",
    "FIGURES",
    "METRICS",
    "Pair",
    "Pairs",
    "compare",
    "control",
    "latencies",
    "pairwise",
    "ranked",
    "summarise",
]

CONTROL = "extractive"
"""The provider of the control: a model that does not beat it is not worth its cost."""
COVERAGE = 0.5
"""Share of the answers of whoever has most that a model needs for a rank: the mean of a few says little."""
Read = Callable[[Measured], float | None]
Against = Literal["control", "next"]
_OF_CATEGORIES = ("quality_avg", "relevance_avg", "latency_avg", "success_rate", "answers")


def _timed(read: Read) -> Read:
    return lambda answer: read(answer) if answer.comparable_latency else None


def _score(name: str) -> Read:
    return lambda answer: answer.scores.get(name)


_latency = _timed(lambda answer: answer.latency_seconds)
_ttft = _timed(lambda answer: answer.time_to_first_token_seconds)
_AVERAGES: Mapping[str, Read] = {
    "latency_avg": _latency,
    "ttft_avg": _ttft,
    "tokens_avg": lambda answer: answer.tokens,
    "tokens_per_second_avg": _timed(lambda answer: answer.tokens_per_second),
    "cost_avg": lambda answer: answer.cost,
    **{f"{name}_avg": _score(name) for name in SCORES},
    "judge_avg": lambda answer: answer.judge_score,
}


def summarise(variant: Variant, answers: Iterable[Measured], *, seed: int = 0) -> Summary:
    """The summary of ``variant`` over its own among ``answers``; its intervals are drawn with ``seed``.

    Spread and percentiles are those of single answers (averaging repeats would hide the slow ones). The
    success rate is of the answers that are not quarantined. What was paid for failures and quarantined
    answers is in ``cost_total``; both costs are left out when one that was due is unknown.
    """
    own = [answer for answer in answers if answer.variant_hash == variant.hash]
    figures, intervals = _figures(own, seed)
    groups: dict[str, list[Measured]] = {}
    for answer in own:
        groups.setdefault(answer.category, []).append(answer)
    return Summary(
        variant=variant,
        asked=len(own),
        successes=sum(answer.success for answer in own),
        counted=sum(answer.counted for answer in own),
        figures=figures,
        intervals=intervals,
        categories={name: _category(group) for name, group in groups.items()} if len(groups) > 1 else {},
        failures=dict(Counter(item.error for item in own if not item.success and not item.quarantine)),
        quarantines=dict(Counter(item.quarantine for item in own if item.quarantine)),
    )


def by_question(answers: Iterable[Measured], read: Read) -> dict[str, float]:
    """Question id → the mean over the repeats that count and are known; without the other questions."""
    found: dict[str, list[float]] = {}
    for answer in answers:
        if answer.counted and (value := read(answer)) is not None:
            found.setdefault(answer.question_id, []).append(value)
    return {question: mean(values) for question, values in found.items()}


def latencies(answers: Iterable[Measured], variant_hash: str) -> list[float]:
    """A model's latencies that count and say something of its speed, in seconds."""
    return _known((answer for answer in answers if answer.variant_hash == variant_hash), _latency)


def control(summaries: Iterable[Summary]) -> Summary | None:
    """The control's summary, if it took part."""
    return next((item for item in summaries if item.variant.provider == CONTROL), None)


def ranked(summaries: Sequence[Summary], metric: str) -> list[Summary]:
    """The models that have a rank in ``metric`` of ``METRICS``, the best average first.

    Those with less than ``COVERAGE`` of the answers of whoever has most have none.
    """
    name = METRICS[metric]
    most = max((summary.counted for summary in summaries), default=0)
    known = [item for item in summaries if name in item.figures and item.counted >= COVERAGE * most]
    return sorted(known, key=lambda item: item.figures[name], reverse=not FIGURES[name].lower_is_better)


@dataclass(frozen=True, slots=True)
class Pair:
    """What is known of two models in one metric; ``adjusted_p`` is Holm's over all pairs and metrics."""

    paired: Paired
    adjusted_p: float | None
    verdict: Verdict

    def swapped(self) -> "Pair":
        """The same from the other model's side."""
        found, span = self.paired, self.paired.interval
        turned = Paired(
            questions=found.questions,
            difference=None if found.difference is None else -found.difference,
            interval=Interval(-span.high, -span.low) if span else None,
            p_value=found.p_value,
        )
        opposite: dict[Verdict, Verdict] = {"better": "worse", "worse": "better"}
        return Pair(turned, self.adjusted_p, opposite.get(self.verdict, self.verdict))


Pairs = Mapping[tuple[str, str, str], Pair]
"""(metric, a variant hash, another's) → the pair from the first one's side; both ways round."""


def pairwise(summaries: Sequence[Summary], answers: Sequence[Measured], *, seed: int) -> Pairs:
    """Every model against every other in each of ``METRICS``, on the questions that both answered.

    All of them are one family for Holm's correction: a ranking looks at every pair, whatever of it is
    printed. A pair with too few questions was not tested and is not part of it.
    """
    hashes = [summary.variant.hash for summary in summaries]
    samples: dict[tuple[str, str, str], tuple[list[float], list[float]]] = {}
    for metric, figure in METRICS.items():
        values = {
            one: by_question((item for item in answers if item.variant_hash == one), _AVERAGES[figure])
            for one in hashes
        }
        for one, other in combinations(hashes, 2):
            both = [question for question in values[one] if question in values[other]]
            first, second = ([values[model][question] for question in both] for model in (one, other))
            samples[metric, one, other] = first, second
    tested = dict(zip(samples, paired(list(samples.values()), seed=seed), strict=True))
    return _judged(tested)


def compare(
    summaries: Sequence[Summary], answers: Sequence[Measured], *, seed: int, pairs: Pairs | None = None
) -> list[Comparison]:
    """Each model against the control, and against the one that ranks just below it ("next"), in each metric.

    ``difference`` is the mean over questions of model − other, ``interval`` its 95 % paired bootstrap
    interval over questions, of this comparison alone: it is not widened for the number of comparisons.
    ``p_value`` is the sign-flip test's, ``adjusted_p`` the same after Holm's correction over all pairs of the
    report, and only it makes a verdict: "better" or "worse" below 0.05, else "tie"; hence an interval without
    0 may be a tie. Below ``statistics.MIN_QUESTIONS`` shared questions it is "unknown". Less latency is
    better.

    ``pairs`` is what ``pairwise`` gave for the same, if it is at hand.
    """
    pairs = pairwise(summaries, answers, seed=seed) if pairs is None else pairs
    found = []
    base = control(summaries)
    for metric in METRICS:
        order = ranked(summaries, metric)
        for model in summaries:
            if base is not None and model is not base:
                found.append(_comparison(pairs, metric, model, base, "control"))
            if model in order[:-1]:
                found.append(_comparison(pairs, metric, model, order[order.index(model) + 1], "next"))
    return found


def _comparison(pairs: Pairs, metric: str, model: Summary, other: Summary, against: Against) -> Comparison:
    pair = pairs[metric, model.variant.hash, other.variant.hash]
    return Comparison(
        metric=metric,
        model=model.variant.hash,
        other=other.variant.hash,
        against=against,
        questions=pair.paired.questions,
        difference=pair.paired.difference,
        interval=pair.paired.interval,
        p_value=pair.paired.p_value,
        adjusted_p=pair.adjusted_p,
        verdict=pair.verdict,
    )


def _judged(tested: Mapping[tuple[str, str, str], Paired]) -> Pairs:
    counted = {key: one.p_value for key, one in tested.items() if one.p_value is not None}
    adjusted = dict(zip(counted, holm(list(counted.values())), strict=True))
    found: dict[tuple[str, str, str], Pair] = {}
    for key, one in tested.items():
        metric, model, other = key
        pair = Pair(one, adjusted.get(key), _verdict(metric, one.difference, adjusted.get(key)))
        found[key], found[metric, other, model] = pair, pair.swapped()
    return found


def _verdict(metric: str, difference: float | None, adjusted_p: float | None) -> Verdict:
    if difference is None or adjusted_p is None:
        return "unknown"
    if adjusted_p >= ALPHA or difference == 0:
        return "tie"
    lower = difference < 0
    return "better" if lower == bool(FIGURES[METRICS[metric]].lower_is_better) else "worse"


def _figures(own: Sequence[Measured], seed: int) -> tuple[dict[str, float], dict[str, Interval]]:
    """The figures in the order of the table, without the unknown ones, and the intervals of averages."""
    values = {name: list(by_question(own, read).values()) for name, read in _AVERAGES.items()}
    if any(answer.cost is None for answer in own if answer.counted):
        values["cost_avg"] = []
    values["success_rate"] = list(_success(own).values())
    found: dict[str, float | None] = {name: mean(known) for name, known in values.items() if known}
    found |= _spread(own)
    found |= {
        "cost_total": _cost_total(own),
        "answers": len(own),
        "successes": sum(answer.success for answer in own),
        "quarantined": sum(bool(answer.quarantine) for answer in own),
    }
    figures = {name: float(value) for name in FIGURES if (value := found.get(name)) is not None}
    intervals = {
        name: wilson(known) if name == "success_rate" else bootstrap(known, seed=seed)
        for name, known in values.items()
    }
    return figures, {name: interval for name, interval in intervals.items() if interval is not None}


def _category(group: Sequence[Measured]) -> dict[str, float]:
    read = {name: _AVERAGES[name] for name in _OF_CATEGORIES if name in _AVERAGES}
    found = {name: list(by_question(group, how).values()) for name, how in read.items()}
    found["success_rate"] = list(_success(group).values())
    means = {name: mean(values) for name, values in found.items() if values}
    return {**means, "answers": float(len(group))}


def _success(own: Sequence[Measured]) -> dict[str, float]:
    """Question id → the share of its answers that succeeded, of those that are not quarantined."""
    found: dict[str, list[float]] = {}
    for answer in own:
        if not answer.quarantine:
            found.setdefault(answer.question_id, []).append(float(answer.success))
    return {question: mean(values) for question, values in found.items()}


def _spread(own: Sequence[Measured]) -> dict[str, float]:
    import numpy as np

    found: dict[str, float] = {}
    for name, read in (("latency", _latency), ("ttft", _ttft)):
        if known := _known(own, read):
            found |= {f"{name}_p{share}": float(np.percentile(known, share)) for share in (50, 95)}
            if len(known) > 1:
                found[f"{name}_std"] = float(np.std(known, ddof=1))
    return found


def _cost_total(own: Sequence[Measured]) -> float | None:
    """What was paid; None when nothing was due, or nobody said how much."""
    due = [item.cost for item in own if _cost_due(item)]
    known = [cost for cost in due if cost is not None]
    return sum(known) if due and len(known) == len(due) else None


def _cost_due(answer: Measured) -> bool:
    """Whether a provider was made to work: one that did not even answer asks for nothing."""
    return answer.success or bool(answer.answer or answer.prompt_tokens) or answer.cost is not None


def _known(answers: Iterable[Measured], read: Read) -> list[float]:
    return [value for item in answers if item.counted and (value := read(item)) is not None]
