"""Who comes first: in quality, in latency, and in what is had for the money.

A place is shared by all whom the data cannot tell from its first, the leader: "empate técnico". That is not
transitive: the leader may be indistinguishable from two models of which one is better than the other, and a
model may miss the place though it cannot be told from the last one of it. Ties are therefore always relative
to the leader, never chained.
"""

from collections.abc import Mapping, Sequence
from itertools import groupby

from melancia.experiments.results import Summary
from melancia.experiments.summaries import Pairs, ranked

Places = list[list[str]]
"""From the first place on, the variant hashes that share it, the leader first."""


def rank(summaries: Sequence[Summary], pairs: Pairs) -> dict[str, Places]:
    """The places in ``quality``, ``latency`` and ``value``, given what ``summaries.pairwise`` found.

    The leader of a place is the best average among those whom nobody left is shown to beat; its place is
    shared by those with whom its comparison is a tie or unknown. Who has no average, or too few answers
    (``summaries.ranked``), has no place.

    ``value`` is quality first, then money, then time: within a place of quality, whoever costs less an answer
    (local models and the control cost 0) comes first, and those of the same cost are placed by latency. Hence
    its first place is the cheapest of those whose quality cannot be told from the best. A model of unknown
    cost has no place in it, and without quality there is none.
    """
    quality = _places([item.variant.hash for item in ranked(summaries, "quality")], "quality", pairs)
    by_latency = [item.variant.hash for item in ranked(summaries, "latency_seconds")]
    return {
        "quality": quality,
        "latency": _places(by_latency, "latency_seconds", pairs),
        "value": _value(quality, by_latency, summaries, pairs),
    }


def _places(order: Sequence[str], metric: str, pairs: Pairs) -> Places:
    places = []
    left = list(order)
    while left:
        leader = next((one for one in left if not _beaten(one, left, metric, pairs)), left[0])
        place = [leader, *(one for one in left if one != leader and _tied(leader, one, metric, pairs))]
        places.append(place)
        left = [one for one in left if one not in place]
    return places


def _beaten(model: str, others: Sequence[str], metric: str, pairs: Pairs) -> bool:
    """Averages of different questions may put first who is worse on the shared ones."""
    return any(other != model and pairs[metric, model, other].verdict == "worse" for other in others)


def _tied(leader: str, model: str, metric: str, pairs: Pairs) -> bool:
    return pairs[metric, leader, model].verdict in ("tie", "unknown")


def _value(quality: Places, by_latency: Sequence[str], summaries: Sequence[Summary], pairs: Pairs) -> Places:
    costs = _costs(summaries)
    places = []
    for place in quality:
        known = sorted((model for model in place if model in costs), key=lambda model: costs[model])
        for _, group in groupby(known, key=lambda model: costs[model]):
            same = list(group)
            timed = [model for model in by_latency if model in same]
            places += _places(timed, "latency_seconds", pairs)
            untimed = [model for model in same if model not in timed]
            places += [untimed] if untimed else []
    return places


def _costs(summaries: Sequence[Summary]) -> Mapping[str, float]:
    """Variant hash → US$ an answer, to the ten-thousandth of a cent: the rest is the computer's rounding."""
    return {
        item.variant.hash: round(item.figures["cost_avg"], 8)
        for item in summaries
        if "cost_avg" in item.figures
    }
