"""Groundedness of a window's answers: what is stored, and a random sample of the rest measured now."""

import math
from collections.abc import Callable, Sequence

from melancia.evals.case import Case
from melancia.evals.grounding import grounding
from melancia.evals.refusals import refuses
from melancia.evals.signals import Prepared
from melancia.evals.sources import split
from melancia.mlops.drift.sampling import order
from melancia.store import Store

_BATCH = 25
_NAN = float("nan")


def groundedness(
    store: Store,
    *,
    ids: Sequence[str],
    stored: Sequence[float],
    scorable: Sequence[bool],
    most: int,
    go_on: Callable[[], None],
) -> tuple[list[float], int]:
    """A value in [0, 1] for each of ``ids``, NaN where there is none, and how many answers they are from.

    Answers of experiments are scored already and the others are not. So that both count by their share,
    answers are drawn in the order of a lot until ``most`` had to be measured: stored values that come later
    are left out. ``go_on`` is called between batches, and may raise. Raises StoreError.
    """
    values = [_NAN] * len(ids)
    missing: list[str] = []
    for place in order(ids):
        if not scorable[place]:
            continue
        known = not math.isnan(stored[place])
        if not known and len(missing) == most:
            break
        if known:
            values[place] = stored[place]
        else:
            missing.append(ids[place])
    where = {id_: place for place, id_ in enumerate(ids)}
    prepared = Prepared(None)  # as the worker does when it scores answers of experiments
    for start in range(0, len(missing), _BATCH):
        go_on()
        for interaction in store.drift_rows.whole(missing[start : start + _BATCH]):
            values[where[interaction.id]] = _measured(Case.of(interaction), prepared)
    return values, sum(not math.isnan(value) for value in values)


def _measured(case: Case, prepared: Prepared) -> float:
    """NaN for a refusal in a model's own words: it states nothing."""
    if refuses(case.answer):
        return _NAN
    given = prepared.of(case)
    found = grounding(split(case.answer), given.evidence, given.places, given.slots)
    return min(1.0, max(0.0, found.value))
