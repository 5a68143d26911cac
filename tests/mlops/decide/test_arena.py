"""The arena's ranking: known cases, recovered strengths, ties, length and who votes."""

import numpy as np
import pytest

from melancia.mlops.decide.arena import Ranking, Vote, rank

STRENGTHS = {"forte": 1.0, "médio": 0.0, "fraco": -1.0}


def _votes(count: int, *, length_effect: float = 0.0, users: int = 40, seed: int = 0) -> list[Vote]:
    """Votes by the model itself; “fraco” writes twice as much as the others."""
    rng = np.random.default_rng(seed)
    found = []
    for number in range(count):
        left, right = (str(name) for name in rng.permutation(list(STRENGTHS))[:2])
        here, there = (int(rng.integers(300, 700)) * (2 if name == "fraco" else 1) for name in (left, right))
        gap = (here - there) / (here + there)
        odds = STRENGTHS[left] - STRENGTHS[right] + length_effect * gap
        draw = rng.random()
        if draw < 0.15:
            found.append(
                Vote(
                    f"u{number % users}", left, right, "tie" if draw < 0.1 else "both_bad", here, there, "ads"
                )
            )
            continue
        won = rng.random() < 1 / (1 + np.exp(-odds))
        topic = "ads" if number % 3 else "frete"
        found.append(Vote(f"u{number % users}", left, right, "left" if won else "right", here, there, topic))
    return found


def _ratings(ranking: Ranking) -> dict[str, float]:
    return {place.variant: place.rating.value or 0.0 for place in ranking.places}


def test_two_variants_have_the_log_odds_of_their_votes() -> None:
    """Three to one, sides and lengths balanced: 400·log₁₀ 3 = 190,8 points, drawn in a little by the
    prior."""
    votes = [
        Vote(f"u{n}", *(("x", "y") if n % 2 else ("y", "x")), _side("x", n, n % 8 < 6), 100, 100)  # type: ignore[arg-type]
        for n in range(8000)
    ]
    (ranking,) = rank(votes, resamples=2)
    gap = _ratings(ranking)["x"] - _ratings(ranking)["y"]
    assert gap == pytest.approx(400 * np.log10(3), abs=1.0)


def test_strengths_are_recovered_in_order_with_intervals_and_by_topic() -> None:
    whole, *topics = rank(_votes(1500), resamples=60)
    assert [place.variant for place in whole.places] == ["forte", "médio", "fraco"]
    assert [place.rank for place in whole.places] == [1, 2, 3]
    assert [ranking.topic for ranking in topics] == ["ads", "frete"]
    assert sum(ranking.votes for ranking in topics) == whole.votes == 1500
    for place in whole.places:
        assert place.rating.low is not None
        assert place.rating.high is not None
        assert place.rating.low < (place.rating.value or 0) < place.rating.high
    assert sum(place.wins for place in whole.places) == sum(place.losses for place in whole.places)


def test_who_merely_writes_more_gains_nothing() -> None:
    """Votes moved by length alone lift “fraco”, who writes twice as much, in the plain rating only."""
    honest, moved = (rank(_votes(4000, length_effect=effect), resamples=10)[0] for effect in (0.0, 3.0))
    assert (moved.length_effect.low or 0) > 0
    plain = {place.variant: place.plain for place in moved.places}
    assert plain["fraco"] > _ratings(honest)["fraco"] + 60
    assert _ratings(moved)["fraco"] == pytest.approx(_ratings(honest)["fraco"], abs=60)


def test_the_intervals_are_over_users() -> None:
    """The same votes by four times fewer users who vote alike are worth less."""
    many = [Vote(f"u{n}", "x", "y", "left" if n % 40 < 28 else "right", 100, 100) for n in range(400)]
    few = [Vote(f"u{n % 40}", vote.left, vote.right, vote.winner, 100, 100) for n, vote in enumerate(many)]
    wide, narrow = (rank(votes, resamples=100)[0].places[0].rating for votes in (few, many))
    assert wide.value == pytest.approx(narrow.value)
    assert (wide.high or 0) - (wide.low or 0) > 2 * ((narrow.high or 0) - (narrow.low or 0))


def test_a_variant_that_won_every_vote_has_a_finite_rating_and_few_voters_no_interval() -> None:
    votes = [Vote("u", "x", "y", "left", 100, 120) for _ in range(10)]
    (ranking,) = rank(votes)
    assert 1000 < _ratings(ranking)["x"] < 2000
    assert ranking.places[0].rating.low is None
    assert ranking.places[0].rank is None


def test_groups_that_never_met_are_said_to_be_apart() -> None:
    votes = [Vote("u", "a", "b", "left", 9, 9), Vote("u", "c", "d", "tie", 9, 9)]
    assert not rank(votes)[0].connected
    assert rank([*votes, Vote("u", "b", "c", "both_bad", 9, 9)])[0].connected


def test_it_repeats_and_takes_no_votes_too() -> None:
    votes = _votes(200)
    assert rank(votes, seed=1, resamples=20) == rank(votes, seed=1, resamples=20)
    assert rank([])[0].places == ()
    assert rank([Vote("u", "a", "a", "tie", 1, 1)])[0].votes == 0


def _side(winner: str, number: int, won: bool) -> str:
    left_is_winner = bool(number % 2) == (winner == "x")
    return "left" if left_is_winner == won else "right"
