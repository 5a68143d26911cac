"""The verdict: the parts put together, and what to do.

First the sample ratio: if it is wrong, nothing else counts. Then the guardrails, of each arm since users were
last given it anew, then the difference in approval of each challenger against the base arm, the policy's
first one. An arm that is out is shown, and has no say while the base arm and another are in. With several
challengers the error is shared out among them (Bonferroni). Where both arms answer the same questions,
``paired`` compares them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from math import isfinite

import numpy as np

from melancia.errors import InputError
from melancia.mlops.decide import approval as primary
from melancia.mlops.decide import bandit, bayes, guardrails, paired, paired_words, sequences, words
from melancia.mlops.decide.approval import Approval
from melancia.mlops.decide.configuration import Configuration
from melancia.mlops.decide.contrasts import secondary
from melancia.mlops.decide.openings import openings
from melancia.mlops.decide.raters import raters
from melancia.mlops.decide.ratio import sample_ratio
from melancia.mlops.decide.results import (
    ArmFigures,
    Comparison,
    Moment,
    Recommendation,
    SampleRatio,
    Span,
    Status,
    Verdict,
)
from melancia.mlops.decide.results import Guardrail as Bound
from melancia.mlops.decide.samples import Sample, drawn, ordered, sample
from melancia.records import Outcome, Policy

DEFAULT = Configuration()
METRIC = "thumbs"
"""The one primary metric that there is."""


def decide(
    policy: Policy,
    outcomes: Iterable[Outcome],
    configuration: Configuration = DEFAULT,
    *,
    history: Iterable[Policy] = (),
) -> Verdict:
    """What ``outcomes`` say of ``policy``'s arms. A function of its arguments and of nothing else.

    ``history``: the versions of the experiment, in any order; those after ``policy`` are ignored, as are
    outcomes of other arms. Without any, users are taken to have been drawn by ``policy``, and given all arms
    from the start.

    Raises ValueError when an interaction is there twice, InputError on a guardrail or a primary metric that
    does not exist.
    """
    if policy.primary_metric != METRIC:
        raise InputError(
            f"Não há veredito para a métrica “{policy.primary_metric}”.", f"Use “{METRIC}”, os polegares."
        )
    names = [arm.name for arm in policy.arms]
    versions = [version for version in history if version.version <= policy.version]
    rows = [row for row in ordered(outcomes) if row.arm in names]
    compared = [row for row in rows if drawn(row, policy)]
    shared = _shared(configuration, names)
    how = paired.kind(policy, rows, drawn=bool(compared))
    if how is None:
        comparisons = tuple(_compare(compared, names[0], name, shared) for name in names[1:])
    else:
        pairs = [paired.compare(rows, names[0], name, how, shared) for name in names[1:]]
        comparisons = tuple(found.comparison for found in pairs)
        # A question of the base arm that two challengers answered is in both.
        compared = ordered({row.interaction_id: row for found in pairs for row in found.rows}.values())
    ratio = sample_ratio([] if how else compared, policy, configuration, versions)
    since = openings(versions)
    watched = [row for row in rows if row.arm not in since or row.created_at >= since[row.arm]]
    bounds = guardrails.batch(watched, names, policy.guardrails, configuration.guardrail_alpha)
    heard = _heard(policy)
    telling = [item for item in comparisons if item.challenger in heard]
    held = [bound for bound in bounds if bound.arm in heard]
    status, recommendation, arm = _conclude(names, ratio, telling, held, configuration)
    if how is not None and status is not Status.GUARDRAIL:
        status, recommendation, arm = paired.conclude(names, telling, how, configuration.least_effect)
    found = Verdict(
        experiment=policy.experiment,
        policy=policy.hash,
        configuration=configuration.as_dict(),
        rows=len(rows),
        skipped=len(rows) - len(compared),
        until=rows[-1].created_at.isoformat() if rows else None,
        status=status,
        recommendation=recommendation,
        arm=arm,
        text="",
        sample_ratio=ratio,
        arms=_arms(compared, names, comparisons, configuration),
        comparisons=comparisons,
        guardrails=bounds,
    )
    by_pairs = how is not None and status is not Status.GUARDRAIL
    write = paired_words.paragraph if by_pairs else words.paragraph
    told = replace(
        found,
        arms=tuple(item for item in found.arms if item.arm in heard),
        comparisons=tuple(telling),
        guardrails=tuple(held),
    )
    return replace(found, text=write(told, configuration))


def _heard(policy: Policy) -> set[str]:
    """The arms that have a say: those that are in, and all when no challenger is left beside the base arm."""
    left = {arm.name for arm in policy.arms if not arm.paused}
    return left if policy.arms[0].name in left and len(left) > 1 else {arm.name for arm in policy.arms}


def course(
    policy: Policy, outcomes: Iterable[Outcome], configuration: Configuration = DEFAULT, *, points: int = 60
) -> dict[str, list[Moment]]:
    """How the primary difference of each challenger came about, at up to ``points`` moments, by a draw."""
    names = [arm.name for arm in policy.arms]
    compared = [row for row in ordered(outcomes) if row.arm in names and drawn(row, policy)]
    shared = _shared(configuration, names)
    counts = sorted({round(len(compared) * step / points) for step in range(1, points + 1)} - {0})
    found: dict[str, list[Moment]] = {}
    for name in names[1:]:
        moments = found[name] = []
        for count in counts:
            seen = _sample(compared[:count], names[0], name)
            estimate, ratings = _estimate(seen, shared, scores=True)
            span = _span(estimate, shared) if estimate else Span(None)
            moments.append(Moment(compared[count - 1].created_at, sum(ratings), span))
    return found


def adaptive_weights(
    policy: Policy, outcomes: Iterable[Outcome], configuration: Configuration = DEFAULT
) -> dict[str, float]:
    """Each arm's share of the users for the next policy version in adaptive mode; a paused arm gets 0."""
    live = [arm.name for arm in policy.arms if not arm.paused]
    if not live:
        return dict.fromkeys((arm.name for arm in policy.arms), 0.0)
    rows = [row for row in ordered(outcomes) if row.arm in live and drawn(row, policy)]
    beliefs = {name: _belief(rows, name, configuration) for name in live}
    shares = bandit.weights(beliefs, min(policy.floor, 1 / max(1, len(live))), seed=configuration.seed)
    return {arm.name: shares.get(arm.name, 0.0) for arm in policy.arms}


def _shared(configuration: Configuration, names: Sequence[str]) -> Configuration:
    return replace(configuration, alpha=configuration.alpha / max(1, len(names) - 1))


def _belief(rows: Sequence[Outcome], name: str, configuration: Configuration) -> bayes.Posterior:
    """The posterior of one arm: its estimate beside an empty other side."""
    own = _sample(rows, name, name)
    estimate, ratings = _estimate(own, configuration, scores=False, both=False)
    return bayes.posteriors(estimate, ratings)[0] if estimate else bayes.PRIOR


def _sample(rows: Sequence[Outcome], base: str, challenger: str) -> Sample:
    picked = [row for row in rows if row.arm in (base, challenger)]
    return sample(picked, lambda row: int(row.arm != base))


def _estimate(
    found: Sample, configuration: Configuration, *, scores: bool, both: bool = True
) -> tuple[Approval | None, tuple[int, int]]:
    """The estimate, None while a side (the first, unless ``both``) has no rating; and the ratings a side."""
    counts = [
        sum(_rated(row) for row, at in zip(found.rows, found.side, strict=True) if at == side)
        for side in (0, 1)
    ]
    ratings = (counts[0], counts[1])
    if not (all(ratings) if both else ratings[0]):
        return None, ratings
    return primary.approval(*primary.summed(found, configuration, scores=scores), configuration), ratings


def _rated(row: Outcome) -> bool:
    return row.thumb is not None and (not row.failed or row.fell_back)


def _span(found: Approval, configuration: Configuration) -> Span:
    difference, variance = float(found.difference), float(found.variance)
    if _early(found, configuration) or not isfinite(variance):
        return Span(difference)
    half = float(sequences.radius(variance, found.spread, configuration.alpha, configuration.expected_effect))
    return Span(difference, max(-1.0, difference - half), min(1.0, difference + half))


def _early(found: Approval | None, configuration: Configuration) -> bool:
    return found is None or float(np.min(found.raters)) < configuration.least_raters


def _compare(rows: Sequence[Outcome], base: str, name: str, configuration: Configuration) -> Comparison:
    found = _sample(rows, base, name)
    estimate, ratings = _estimate(found, configuration, scores=True)
    thumbs, _ = _estimate(found, configuration, scores=False)
    early = _early(estimate, configuration)
    needed: tuple[int | None, int | None] = (None, None)
    p_value = reading = None
    if estimate and thumbs:
        reading = bayes.reading(*bayes.posteriors(thumbs, ratings))
        if not early:
            needed = sequences.still_needed(estimate, sum(ratings), configuration)
            p_value = float(
                sequences.certainty(
                    estimate.difference, estimate.variance, estimate.spread, configuration.expected_effect
                )
            )
    return Comparison(
        base=base,
        challenger=name,
        early=early,
        difference=_span(estimate, configuration) if estimate else Span(None),
        thumbs_only=_span(thumbs, configuration) if thumbs else Span(None),
        weight_of_scores=float(estimate.weight_of_scores) if estimate else 0.0,
        p_value=p_value,
        needed=needed[0],
        needed_for_least=needed[1],
        weighted=found.weighted,
        bayes=reading,
        secondary=secondary(found, configuration),
        raters=raters(found, (base, name), configuration),
    )


def _arms(
    rows: Sequence[Outcome],
    names: Sequence[str],
    comparisons: Sequence[Comparison],
    configuration: Configuration,
) -> tuple[ArmFigures, ...]:
    """Each arm's counts, and its approval with scores beside the base arm (the base arm's: beside the
    first)."""
    found = []
    for place, name in enumerate(names):
        own = [row for row in rows if row.arm == name]
        rated = [row for row in own if _rated(row)]
        up = sum(row.thumb == 1 for row in rated)
        beside = names[max(1, place)] if len(names) > 1 else name
        estimate, _ = _estimate(_sample(rows, names[0], beside), configuration, scores=True)
        alone, _ = _estimate(_sample(own, name, name), configuration, scores=False, both=False)
        side = min(1, place)
        shown = estimate.approval[side] if estimate else alone.approval[0] if alone else None
        found.append(
            ArmFigures(
                arm=name,
                questions=len(own),
                users=len({row.user_id for row in own}),
                ratings=len(rated),
                up=up,
                raters=len({row.user_id for row in rated}),
                effective_raters=float(alone.raters[0]) if alone else 0.0,
                unanswered=sum(row.failed and not row.fell_back for row in own),
                fell_back=sum(row.fell_back for row in own),
                failed=sum(row.failed for row in own),
                refused=sum(row.refused for row in own),
                thumbs=up / len(rated) if rated else None,
                approval=None if shown is None else min(1.0, max(0.0, float(shown))),
            )
        )
    return tuple(found)


def _conclude(
    names: Sequence[str],
    ratio: SampleRatio,
    comparisons: Sequence[Comparison],
    bounds: Sequence[Bound],
    configuration: Configuration,
) -> tuple[Status, Recommendation, str | None]:
    """Where it stands, what to do, and with which arm."""
    if ratio.fails:
        return Status.BLOCKED, Recommendation.KEEP, None
    broken = [bound.arm for bound in bounds if bound.state == "breached"]
    if broken:
        # The challenger first: taking it out leaves the arm that was there before.
        return Status.GUARDRAIL, Recommendation.ROLLBACK, max(broken, key=names.index)
    if not comparisons or all(item.early for item in comparisons):
        return Status.TOO_EARLY, Recommendation.CONTINUE, None
    ahead = [item for item in comparisons if item.difference.excludes_zero and (item.difference.low or 0) > 0]
    if ahead:
        best = max(ahead, key=lambda item: item.difference.value or 0.0)
        return Status.BETTER, Recommendation.PROMOTE, best.challenger
    if all(item.difference.excludes_zero for item in comparisons):
        return Status.BETTER, Recommendation.KEEP, names[0]
    if all(_no_matter(item.difference, configuration.least_effect) for item in comparisons):
        return Status.TIE, Recommendation.KEEP, None
    return Status.UNDECIDED, Recommendation.CONTINUE, None


def _no_matter(span: Span, least: float) -> bool:
    """Whether a difference in the challenger's favour that matters is ruled out, and one against it too."""
    return span.low is not None and span.high is not None and -least < span.low and span.high < least
