"""The arena's ranking: who is preferred when two blind answers to the same question stand side by side.

The model of Bradley and Terry (1952): the log-odds that the left answer is preferred are the difference of
both variants' strengths. A tie, or “both bad”, is half a win for each (as LMArena does it). The length effect
is controlled by one more covariate, (left − right) ÷ (left + right) length in standard deviations: “style
control” (Li, Angelopoulos and Chiang, LMSYS, 2024-08-28). Who merely writes more gains nothing by it. Another
covariate takes up a liking for the left side, which chance has balanced anyway.

Fitted as a logistic regression (statsmodels), each strength and coefficient with one pseudo-vote, half won
(the log-F(1,1) prior by data augmentation: Greenland and Mansournia, 2015), so that a variant that won every
vote has a finite strength. Intervals: percentile bootstrap over users, since one who votes often votes alike.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from melancia.mlops.decide.results import Span
from melancia.mlops.decide.samples import Numbers

RESAMPLES = 300
MIN_USERS = 5
"""With fewer voters there is no interval: the bootstrap would draw from too few."""
_RATING, _SCALE = 1000.0, 400 / np.log(10)


@dataclass(frozen=True, slots=True)
class Vote:
    """One blind comparison. ``left`` and ``right`` are variants (hashes), lengths are in characters."""

    user_id: str
    left: str
    right: str
    winner: Literal["left", "right", "tie", "both_bad"]
    left_length: int
    right_length: int
    topic: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """A variant in a ranking. ``rating`` as in chess: 1000 on average, 400 more is preferred ten to one.

    ``rank`` counts those whose interval lies wholly above this one's, and is None without intervals.
    ``plain`` is the rating without the control of length; ``wins``, ``losses``, ``ties``, ``both_bad`` count.
    """

    variant: str
    rating: Span
    plain: float
    rank: int | None
    wins: int
    losses: int
    ties: int
    both_bad: int


@dataclass(frozen=True, slots=True)
class Ranking:
    """Variants, best first. ``length_effect``: by how much the log-odds of being preferred grow with a
    standard deviation more of length (0: none); ``topic`` is "" for all of them together.

    ``connected``: whether the votes tie all variants together; if not, ratings across groups mean nothing.
    """

    topic: str
    votes: int
    users: int
    connected: bool
    length_effect: Span
    places: tuple[Place, ...]


def rank(votes: Sequence[Vote], *, seed: int = 0, resamples: int = RESAMPLES) -> tuple[Ranking, ...]:
    """The ranking of all votes, then one of each topic that has votes, by name.

    Votes of a variant against itself are left out.
    """
    real = [vote for vote in votes if vote.left != vote.right]
    topics = sorted({vote.topic for vote in real if vote.topic})
    groups = [("", real), *((topic, [vote for vote in real if vote.topic == topic]) for topic in topics)]
    return tuple(_ranking(topic, group, seed, resamples) for topic, group in groups)


def _ranking(topic: str, votes: Sequence[Vote], seed: int, resamples: int) -> Ranking:
    names = sorted({name for vote in votes for name in (vote.left, vote.right)})
    users = sorted({vote.user_id for vote in votes})
    if not votes:
        return Ranking(topic, 0, 0, False, Span(None), ())
    design, won = _design(votes, names), _won(votes)
    weights = np.ones(len(votes))
    whole = _fit(design, won, weights, len(names))
    plain = _fit(np.delete(design, len(names), axis=1), won, weights, len(names))
    spans: list[tuple[float | None, float | None]] = [(None, None)] * (len(names) + 1)
    if len(users) >= MIN_USERS:
        spans = _bootstrap(votes, users, design, won, variants=len(names), seed=seed, resamples=resamples)
    ratings = [Span(float(value), *span) for value, span in zip(whole, spans, strict=False)][: len(names)]
    places = [_place(name, ratings[at], float(plain[at]), ratings, votes) for at, name in enumerate(names)]
    places.sort(key=lambda place: (-(place.rating.value or 0.0), place.variant))
    effect = Span(float(whole[len(names)]), *spans[len(names)])
    return Ranking(topic, len(votes), len(users), _connected(votes, names), effect, tuple(places))


def _design(votes: Sequence[Vote], names: Sequence[str]) -> Numbers:
    """Votes × (a column a variant, +1 left and −1 right; the length difference; 1 for the left side)."""
    place = {name: at for at, name in enumerate(names)}
    table = np.zeros((len(votes), len(names) + 2))
    for row, vote in enumerate(votes):
        table[row, place[vote.left]] = 1.0
        table[row, place[vote.right]] = -1.0
        table[row, len(names)] = (vote.left_length - vote.right_length) / max(
            1, vote.left_length + vote.right_length
        )
    spread = np.sqrt(np.mean(table[:, len(names)] ** 2))
    if spread > 0:
        table[:, len(names)] /= spread
    table[:, -1] = 1.0
    return table


def _won(votes: Sequence[Vote]) -> Numbers:
    """Which share of each vote the left answer won."""
    shares = {"left": 1.0, "right": 0.0, "tie": 0.5, "both_bad": 0.5}
    return np.array([shares[vote.winner] for vote in votes])


def _fit(design: Numbers, won: Numbers, weights: Numbers, variants: int) -> Numbers:
    """Ratings of the variants, then the other coefficients. ``weights``: how often each vote counts."""
    import statsmodels.api as sm

    table = np.concatenate([design, np.eye(design.shape[1])])
    shares = np.concatenate([won, np.full(design.shape[1], 0.5)])
    counts = np.concatenate([weights, np.ones(design.shape[1])])
    fitted = sm.GLM(shares, table, family=sm.families.Binomial(), var_weights=counts).fit(tol=1e-7)
    found = np.asarray(fitted.params, dtype=float)
    strengths = found[:variants] - found[:variants].mean()
    return np.concatenate([_RATING + _SCALE * strengths, found[variants:]])


def _bootstrap(
    votes: Sequence[Vote],
    users: Sequence[str],
    design: Numbers,
    won: Numbers,
    *,
    variants: int,
    seed: int,
    resamples: int,
) -> list[tuple[float | None, float | None]]:
    """95 % percentile intervals of what ``_fit`` gives, less the last; whole users drawn with replacement."""
    rng = np.random.default_rng(seed)
    place = {name: at for at, name in enumerate(users)}
    owner = np.array([place[vote.user_id] for vote in votes])
    found = []
    for _ in range(resamples):
        drawn = np.bincount(rng.integers(0, len(users), len(users)), minlength=len(users))
        weights = drawn[owner].astype(float)
        found.append(_fit(design, won, weights, variants)[: variants + 1])
    low, high = np.percentile(np.array(found), [2.5, 97.5], axis=0)
    return [(float(one), float(other)) for one, other in zip(low, high, strict=True)]


def _place(name: str, rating: Span, plain: float, ratings: Sequence[Span], votes: Sequence[Vote]) -> Place:
    own = [vote for vote in votes if name in (vote.left, vote.right)]
    side = {True: "left", False: "right"}
    wins = sum(vote.winner == side[vote.left == name] for vote in own)
    ties = sum(vote.winner == "tie" for vote in own)
    bad = sum(vote.winner == "both_bad" for vote in own)
    known = rating.high is not None
    above = sum(
        other.low is not None and rating.high is not None and other.low > rating.high for other in ratings
    )
    return Place(
        name, rating, plain, 1 + above if known else None, wins, len(own) - wins - ties - bad, ties, bad
    )


def _connected(votes: Sequence[Vote], names: Sequence[str]) -> bool:
    groups: Mapping[str, str] = {name: name for name in names}
    for vote in votes:
        one, other = groups[vote.left], groups[vote.right]
        groups = {name: one if group == other else group for name, group in groups.items()}
    return len(set(groups.values())) == 1
