"""The arena's ranking: computed from the votes when there are new ones, and kept for whoever shows it.

The page's image has no statsmodels, and the bootstrap takes its time: the worker and the command line
compute, the page reads the newest.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from melancia.mlops.decide.arena import Place, Ranking, Vote, rank
from melancia.mlops.decide.results import Span, plain
from melancia.records import Variant
from melancia.store import Store
from melancia.store.duels import Duel, Side

MIN_VOTES = 20
"""With fewer an order is not shown: it would be chance."""


@dataclass(frozen=True, slots=True)
class Standing:
    """The rankings of ``votes`` votes at ``as_of``: of all topics first, then a topic each.

    ``variants``: by hash, those in the rankings.
    """

    votes: int
    as_of: datetime
    rankings: tuple[Ranking, ...]
    variants: Mapping[str, Variant]

    def of(self, topic: str) -> Ranking | None:
        """The ranking of a topic ("": of all of them); None when it has no vote."""
        return next((one for one in self.rankings if one.topic == topic), None)


def settled(ranking: Ranking) -> bool:
    """Whether there are votes and voters enough for an order."""
    return ranking.votes >= MIN_VOTES and all(place.rank is not None for place in ranking.places)


def win_chance(rating: float) -> float:
    """The chance to be preferred to a variant of average strength, of the same length: Elo's curve."""
    return 1 / (1 + 10 ** ((1000.0 - rating) / 400))


def refresh(store: Store) -> Standing:
    """The ranking of all votes, computed anew only if there are new ones. Raises StoreError."""
    known = newest(store)
    # Votes are final: as many votes are the same votes.
    if known is not None and known.votes == store.votes.count():
        return known
    duels = list(store.votes.voted())
    rankings = rank([_vote(duel) for duel in duels])
    variants = {side.variant.hash: side.variant for duel in duels for side in (duel.left, duel.right)}
    content = {
        "rankings": [plain(one) for one in rankings],
        "variants": {name: variant.as_dict() for name, variant in variants.items()},
    }
    store.votes.keep_ranking(len(duels), content)
    kept = newest(store)
    if kept is None:
        raise RuntimeError("a ranking that was just kept cannot be read")
    return kept


def newest(store: Store) -> Standing | None:
    """The ranking that was computed last; None when there is none, or only another version's."""
    row = store.votes.ranking()
    if row is None:
        return None
    try:
        return Standing(
            votes=row["votes"],
            as_of=row["created_at"],
            rankings=tuple(_ranking(one) for one in row["content"]["rankings"]),
            variants={name: Variant.from_dict(values) for name, values in row["content"]["variants"].items()},
        )
    except (KeyError, TypeError):
        return None


def _vote(duel: Duel) -> Vote:
    if duel.winner is None:
        raise ValueError(f"duel {duel.id} was not voted on")
    return Vote(
        user_id=duel.user_id,
        left=duel.left.variant.hash,
        right=duel.right.variant.hash,
        winner=duel.winner.value,
        left_length=_length(duel.left),
        right_length=_length(duel.right),
        topic=duel.topic,
    )


def _length(side: Side) -> int:
    return side.length or 0


def _ranking(values: Mapping[str, Any]) -> Ranking:
    places = tuple(Place(**{**place, "rating": Span(**place["rating"])}) for place in values["places"])
    return Ranking(**{**values, "length_effect": Span(**values["length_effect"]), "places": places})
