"""Which answers a judge compares in pairs, and what came of it: each model's against the control's.

Like its scores, it stands beside the metrics and never in them.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, Literal

from melancia.evals.case import Case
from melancia.evals.judge import Preference
from melancia.experiments.results import Measured
from melancia.experiments.statistics import mean, wilson
from melancia.llms.select import EXTRACTIVE

_Outcome = Literal["win", "loss", "tie", "inconsistent"]
_PLURALS: Mapping[_Outcome, str] = {
    "win": "wins",
    "loss": "losses",
    "tie": "ties",
    "inconsistent": "inconsistent",
}

Pair = tuple[Measured, Case, Case]
"""An answer, its case, and the case of the control's answer to the same question, asked the same time."""


def against_control(cases: Sequence[tuple[Measured, Case]]) -> list[Pair]:
    """The pairs that were not compared yet, of answers that are counted."""
    counted = [(answer, case) for answer, case in cases if answer.counted]
    control = {_asked(answer): case for answer, case in counted if answer.provider == EXTRACTIVE}
    return [
        (answer, case, control[_asked(answer)])
        for answer, case in counted
        if answer.provider != EXTRACTIVE and not answer.judge_pair and _asked(answer) in control
    ]


def compared(answer: Measured, said: Preference) -> Measured:
    """``answer`` with what was ``said`` of it (a) and the control's (b)."""
    outcomes: dict[str, _Outcome] = {"a": "win", "b": "loss", "tie": "tie"}
    outcome = outcomes[said.winner] if said.consistent else "inconsistent"
    return replace(answer, judge_pair=outcome, judge_pair_reason=said.reason)


def totals(answers: Sequence[Measured]) -> dict[str, dict[str, Any]]:
    """Variant hash → ``wins``, ``losses``, ``ties``, ``inconsistent``, ``failures``, and ``win_share`` with
    its ``interval``, as plain JSON values; of those that were compared.

    The share is of the pairs that were judged, each question counting once; the interval is Wilson's, None
    with too few questions. A choice that changed with the order is no win.
    """
    own: dict[str, list[Measured]] = {}
    for answer in answers:
        if answer.judge_pair:
            own.setdefault(answer.variant_hash, []).append(answer)
    return {model: _totals(those) for model, those in own.items()}


def _totals(answers: Sequence[Measured]) -> dict[str, Any]:
    counted = Counter(answer.judge_pair for answer in answers)
    shares = list(_shares(answers))
    interval = wilson(shares)
    return {
        **{plural: counted[outcome] for outcome, plural in _PLURALS.items()},
        "failures": counted["failed"],
        "win_share": mean(shares) if shares else None,
        "interval": asdict(interval) if interval else None,
    }


def _shares(answers: Sequence[Measured]) -> Iterator[float]:
    """Each question's share of wins."""
    questions: dict[str, list[float]] = {}
    for answer in answers:
        if answer.judge_pair != "failed":
            questions.setdefault(answer.question_id, []).append(float(answer.judge_pair == "win"))
    return (mean(wins) for wins in questions.values())


def _asked(answer: Measured) -> tuple[str, int]:
    return answer.question_id, answer.repeat
