"""All that is watched, tested at once: the false alarms of a whole run are at most ``ALPHA``.

Holm's correction over every test of the run, whatever they have to do with each other; a change that is no
chance must also be large enough to matter (``figures``). Why these tests: docs/saude.md; how often they err,
and what they find: ``python -m bench.drift``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from melancia.mlops.drift import documents, embedding, words
from melancia.mlops.drift.figures import BY_NAME, FIGURES
from melancia.mlops.drift.frame import Window
from melancia.mlops.drift.hypotheses import (
    LEAST_ROWS,
    Hypothesis,
    new_topics,
    single,
)
from melancia.mlops.drift.pairs import Pair
from melancia.mlops.drift.replaced import replaced_models
from melancia.records import Finding

ALPHA = 0.05
_ORDER = {"critical": 0, "warning": 1, "info": 2}
_CRITICAL = 3  # times the least change that matters


def check(current: Window, reference: Window, topics: Mapping[int, str], *, seed: int = 0) -> list[Finding]:
    """Every hypothesis as a finding, what changed first; without a ``p_value``: not tested, and why.

    ``topics``: id → label. ``seed``: of the draw of one question a user.
    """
    pair = Pair.of(current, reference)
    found = _hypotheses(current, reference, pair, topics, seed)
    corrected = _corrected(found)
    if any(one.figure == "topic_mix" and _drifted(one) for one in corrected):
        corrected += new_topics(pair, topics, ALPHA)
    findings = [_finding(one) for one in corrected]
    return sorted(findings, key=lambda one: (not one.drifted, one.p_value is None, _ORDER[one.severity]))


def _hypotheses(
    current: Window, reference: Window, pair: Pair, topics: Mapping[int, str], seed: int
) -> list[Hypothesis]:
    found = [single(figure, pair, labels=topics) for figure in FIGURES]
    found.append(embedding.compare(current, reference, seed))
    found += documents.compare(current, reference)
    found += replaced_models(pair)
    if not pair.live:
        return found
    for arm in _arms(pair):
        mine = pair.among(pair["arm"] == arm)
        found += [single(figure, mine, arm=arm, labels=topics) for figure in FIGURES if figure.by_arm]
    return found + _thumbs_by_topic(pair, topics)


def _arms(pair: Pair) -> list[str]:
    """The arms of either window; none when there is nothing beside one of them."""
    arms = sorted(map(str, set(pair["arm"])))
    return [arm for arm in arms if arm] if len(arms) > 1 else []


def _thumbs_by_topic(pair: Pair, topics: Mapping[int, str]) -> list[Hypothesis]:
    """Thumbs down of each topic with ratings enough; how many had not, as one that was not tested."""
    figure = BY_NAME["thumbs_down"]
    rated = pair.about(figure)
    rated = rated.among(rated["topic"] >= 0)
    of_topic = rated["topic"]
    found, few = [], 0
    for topic in np.unique(of_topic):
        one = single(
            figure, rated.among(of_topic == topic), topic=topics.get(int(topic), str(topic)), labels=topics
        )
        if one.p_value is None:
            few += 1
        else:
            found.append(one)
    if few:
        reason = f"{few} com menos de {LEAST_ROWS} avaliações agora ou antes"
        found.append(Hypothesis(figure.name, topic="demais assuntos", reason=reason))
    return found


def _corrected(found: Sequence[Hypothesis]) -> list[Hypothesis]:
    """With p-values after Holm's correction. One that is no number is no pass: it was not tested."""
    from statsmodels.stats.multitest import multipletests

    sound = [
        one
        if one.p_value is None or np.isfinite(one.p_value)
        else replace(one, p_value=None, reason="sem resultado")
        for one in found
    ]
    tested = [place for place, one in enumerate(sound) if one.p_value is not None]
    if not tested:
        return sound
    corrected = multipletests([sound[place].p_value for place in tested], alpha=ALPHA, method="holm")[1]
    for place, p_value in zip(tested, corrected, strict=True):
        sound[place] = replace(sound[place], p_value=float(p_value))
    return sound


def _drifted(one: Hypothesis) -> bool:
    return one.p_value is not None and one.p_value <= ALPHA and one.large


def _finding(one: Hypothesis) -> Finding:
    drifted = _drifted(one)
    return Finding(
        figure=one.figure,
        drifted=drifted,
        message=words.sentence(one, drifted),
        arm=one.arm,
        topic=one.topic,
        value=one.value,
        reference=one.reference,
        p_value=one.p_value,
        severity=_severity(one) if drifted else "info",
        examples=one.examples if drifted else (),
    )


def _severity(one: Hypothesis) -> str:
    """A change for the better is news; a harmful one of three times what matters, or more, is critical."""
    figure = BY_NAME.get(one.figure)
    if figure is None or not figure.worse:
        return "warning"
    if one.direction != figure.worse:
        return "info"
    return "critical" if abs(one.effect) >= _CRITICAL * figure.least else "warning"
