"""Verdicts of the modes in which both arms answer the same question: shadow and hybrid.

Nobody rates what is out of sight, so the automatic score decides in shadow mode, and what it decides is
modest: whether the challenger is worth showing to people. In hybrid mode the final answer exists where a user
wanted more or the draft failed, questions on which the draft is at its worst: both arms are described there,
and no winner is named.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from melancia.mlops.decide import pairs as paired
from melancia.mlops.decide import sequences
from melancia.mlops.decide.configuration import Configuration
from melancia.mlops.decide.results import Comparison, Contrast, Raters, Recommendation, Span, Status
from melancia.records import OriginKind, Outcome, Policy, PolicyMode

_KINDS = {PolicyMode.SHADOW: OriginKind.SHADOW, PolicyMode.HYBRID: OriginKind.FINAL}
_NOBODY = Contrast("", None, None, Span(None), (0, 0))


@dataclass(frozen=True, slots=True)
class Found:
    """A comparison, and the outcomes that it is of."""

    comparison: Comparison
    rows: Sequence[Outcome]


def kind(policy: Policy, rows: Sequence[Outcome], *, drawn: bool) -> OriginKind | None:
    """How both arms come to the same questions; None where a draw compares them.

    A promoted arm is judged by what came before: by pairs when nothing was ``drawn``.
    """
    if policy.mode is PolicyMode.FORCED and not drawn:
        there = {row.origin.kind for row in rows if row.origin is not None}
        return next((one for one in _KINDS.values() if one in there), None)
    return _KINDS.get(policy.mode)


def compare(
    rows: Sequence[Outcome], base: str, name: str, how: OriginKind, configuration: Configuration
) -> Found:
    """Two arms on the questions that both answered. ``rows`` are ordered."""
    found = paired.pairs(rows, base, name, how)
    contrast, estimate = paired.score(found, configuration.score, configuration)
    early = contrast.difference.low is None
    p_value: float | None = None
    needed: tuple[int | None, int | None] = (None, None)
    if estimate is not None and not early:
        p_value = float(
            sequences.paired_certainty(
                estimate.difference,
                estimate.variance,
                estimate.spread,
                estimate.users,
                configuration.expected_effect,
            )
        )
        needed = sequences.still_needed(estimate, contrast.count[0], configuration)
    made = Comparison(
        base=base,
        challenger=name,
        early=early,
        difference=contrast.difference,
        thumbs_only=Span(None),
        weight_of_scores=0.0,
        p_value=p_value,
        needed=needed[0],
        needed_for_least=needed[1],
        weighted=False,
        bayes=None,
        secondary=paired.secondary(found, configuration),
        raters=Raters(_NOBODY, (), _NOBODY, ()),
        paired=how.value,
        pairs=len(found.pairs),
        asked=found.asked,
    )
    return Found(made, [row for pair in found.pairs for row in pair])


def conclude(
    names: Sequence[str], comparisons: Sequence[Comparison], how: OriginKind, least: float
) -> tuple[Status, Recommendation, str | None]:
    """Where it stands, what to do, and with which arm; guardrails aside."""
    if how is OriginKind.FINAL:
        return Status.DESCRIBED, Recommendation.CONTINUE, None
    if not comparisons or all(item.early for item in comparisons):
        return Status.TOO_EARLY, Recommendation.CONTINUE, None
    ahead = [item for item in comparisons if (item.difference.low or 0) > 0 and not gives_up_more(item)]
    if ahead:
        best = max(ahead, key=lambda item: item.difference.value or 0.0)
        return Status.AHEAD, Recommendation.TRY, best.challenger
    spans = [item.difference for item in comparisons]
    if all(span.high is not None and span.high < 0 for span in spans):
        return Status.AHEAD, Recommendation.KEEP, names[0]
    if all(
        span.low is not None and span.low > -least and span.high is not None and span.high < least
        for span in spans
    ):
        return Status.TIE, Recommendation.KEEP, None
    return Status.UNDECIDED, Recommendation.CONTINUE, None


def gives_up_more(item: Comparison) -> bool:
    """Whether the challenger is shown to fail or to refuse more: its scores are of the others."""
    return any(one.name in ("failed", "refused") and (one.difference.low or 0) > 0 for one in item.secondary)
