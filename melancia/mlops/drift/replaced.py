"""A model that answers otherwise under the same name: a provider may replace it without a word."""

from dataclasses import replace

import numpy as np
import pandas as pd

from melancia.mlops.drift import clusters
from melancia.mlops.drift.figures import BY_NAME, CONTENT, WITNESSES, Figure, Kind, values
from melancia.mlops.drift.hypotheses import Hypothesis, extreme, is_large, levels, too_few
from melancia.mlops.drift.pairs import Pair, crossed


def replaced_models(pair: Pair) -> list[Hypothesis]:
    """For each model of both windows: does it answer otherwise under the same name? Topic by topic.

    Its content must differ; its times only bear witness, for they depend on load too.
    """
    if not pair.live:
        return []
    pair = pair.among((pair["model"] != "") & ~pair["cached"])
    models = pair["model"]
    return [_replaced(str(model), pair.among(models == model)) for model in sorted(set(models))]


def _replaced(model: str, pair: Pair) -> Hypothesis:
    found = Hypothesis("model_replaced", topic=model)
    if reason := too_few(pair.rows):
        return replace(found, reason=reason)
    by_topic = pd.factorize(pair["topic"])[0].astype(np.int64)
    stratum = by_topic if pair.rows.stratum is None else crossed(by_topic, pair.rows.stratum)
    pair = replace(pair, rows=replace(pair.rows, stratum=stratum))
    tests: list[Hypothesis] = []
    for name in (*CONTENT, *WITNESSES):
        one = _of_model(BY_NAME[name], pair)
        if one is not None:
            tests.append(one)
    content = [one for one in tests if one.figure in CONTENT]
    if not content:
        return replace(found, reason="nenhuma medida das respostas")
    # Dropping those that are too small only raises the least p-value.
    telling = [one for one in content if one.large] or content
    first = min(telling, key=_p_value)
    p_value = min(1.0, len(content) * _p_value(first))
    changed = [one for one in tests if one.large and _p_value(one) * len(tests) <= 0.05] or [first]
    return replace(
        found,
        value=first.value,
        reference=first.reference,
        effect=first.effect,
        large=first.large,
        p_value=p_value,
        parts=tuple(one.figure for one in changed),
        examples=first.examples,
    )


def _of_model(figure: Figure, pair: Pair) -> Hypothesis | None:
    """A figure of one model's answers; None when there are too few. A language is the usual one, or not."""
    pair = pair.about(figure)
    if too_few(pair.rows):
        return None
    now, then = levels(figure, pair)
    if figure.kind is Kind.MIX:
        column = pair[figure.column]
        usual = pd.Series(column[~pair.rows.now]).mode().iloc[0]
        seen = (column != usual).astype(np.float64)
        now, then = (float(side.mean()) for side in pair.sides(seen))
        tested = clusters.share(seen, pair.rows)
    else:
        seen = values(figure, pair[figure.column])
        tested = clusters.numbers(seen, pair.rows)
    if np.isnan(tested.p_value):
        return None
    return Hypothesis(
        figure.name,
        value=now,
        reference=then,
        effect=tested.effect,
        large=is_large(figure, tested, now, then),
        p_value=tested.p_value,
        examples=extreme(pair, seen, tested.effect),
    )


def _p_value(one: Hypothesis) -> float:
    return np.nan if one.p_value is None else one.p_value
