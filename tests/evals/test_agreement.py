"""Cohen's κ against the hand formula and published tables, its interval, and what is concluded from it."""

from collections.abc import Sequence
from itertools import product

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.stats import binom

from melancia.errors import InputError
from melancia.evals.agreement import (
    FLOOR,
    MINIMUM_PAIRS,
    Agreement,
    described,
    fit,
    kappa,
    thumbs_agreement,
)


def table(both: int, judge_only: int, known_only: int, neither: int) -> list[tuple[bool, bool]]:
    """Pairs (judge, known) of a two by two table."""
    cells = (
        (True, True, both),
        (True, False, judge_only),
        (False, True, known_only),
        (False, False, neither),
    )
    return [(judged, known) for judged, known, count in cells for _ in range(count)]


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ((20, 5, 10, 15), 0.4),  # https://en.wikipedia.org/wiki/Cohen%27s_kappa
        ((45, 15, 25, 15), 0.1304),  # same page, "same percentages but different numbers"
        ((25, 35, 5, 35), 0.2593),
        ((50, 0, 0, 50), 1.0),
        ((0, 50, 50, 0), -1.0),
        ((25, 25, 25, 25), 0.0),
    ],
)
def test_known_tables(cells: tuple[int, int, int, int], expected: float) -> None:
    found = kappa(table(*cells))
    assert found.kappa == pytest.approx(expected, abs=1e-4)
    assert found.pairs == sum(cells)
    assert found.agree_share == (cells[0] + cells[3]) / sum(cells)


COUNTS = st.tuples(*[st.integers(0, 40)] * 4)


def by_hand(cells: Sequence[int]) -> float:
    both, judge_only, known_only, neither = cells
    count = sum(cells)
    agreed = (both + neither) / count
    judge, known = (both + judge_only) / count, (both + known_only) / count
    chance = judge * known + (1 - judge) * (1 - known)
    return (agreed - chance) / (1 - chance)


@given(COUNTS)
def test_it_is_the_hand_formula_and_inside_its_interval(cells: tuple[int, int, int, int]) -> None:
    assume(0 < cells[0] + cells[2] < sum(cells))
    found = kappa(table(*cells))
    assert found.kappa is not None
    assert found.low is not None
    assert found.high is not None
    assert found.kappa == pytest.approx(by_hand(cells), abs=1e-9)
    assert -1 <= found.low <= found.kappa + 1e-9
    assert found.kappa - 1e-9 <= found.high <= 1
    assert found.low < found.high, "no finite number of pairs makes κ certain"


@given(COUNTS, st.randoms(use_true_random=False))
def test_order_roles_and_names_do_not_matter(cells: tuple[int, int, int, int], random: object) -> None:
    pairs = table(*cells)
    assume(all(len({pair[side] for pair in pairs}) == 2 for side in (0, 1)))
    found = kappa(pairs)
    shuffled = list(pairs)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert kappa(shuffled) == found
    for other in ([(b, a) for a, b in pairs], [(not a, not b) for a, b in pairs]):
        same = kappa(other)
        assert (same.kappa, same.low, same.high) == pytest.approx((found.kappa, found.low, found.high))


def test_more_pairs_narrow_the_interval() -> None:
    few, many = kappa(table(8, 2, 2, 8)), kappa(table(80, 20, 20, 80))
    assert few.kappa == pytest.approx(many.kappa)
    assert few.low is not None
    assert many.low is not None
    assert few.low < many.low


@pytest.mark.parametrize("sees_right", [0.5, 0.75, 0.9, 0.97])
@pytest.mark.parametrize("sees_wrong", [0.5, 0.75, 0.9, 0.97])
def test_the_interval_covers_the_true_kappa_as_often_as_it_says(sees_right: float, sees_wrong: float) -> None:
    """Exactly: every outcome of a judge on 20 right and 20 wrong answers, weighed by its probability."""
    half = 20
    true = sees_right + sees_wrong - 1  # κ on a balanced sample
    right, wrong = (binom.pmf(range(half + 1), half, share) for share in (sees_right, sees_wrong))
    covered = above = 0.0
    for a, b in product(range(half + 1), repeat=2):
        found = kappa(table(a, half - b, half - a, b))
        assert found.low is not None
        assert found.high is not None
        covered += right[a] * wrong[b] * (found.low <= true <= found.high)
        above += right[a] * wrong[b] * (found.low > true)
    assert covered >= 0.93
    assert above <= 0.03, "a judge is rarely taken for better than it is"


@pytest.mark.parametrize("agreed", [5, 50])
def test_perfect_agreement_is_not_certain(agreed: int) -> None:
    """The analytic interval would be 1 to 1 whatever the number of pairs."""
    found = kappa(table(agreed, 0, 0, agreed))
    assert found.low is not None
    assert found.low < 1
    assert fit(found) is (None if agreed == 5 else True)


@pytest.mark.parametrize(("pairs", "why"), [([], "não há respostas"), (table(40, 0, 5, 0), "do mesmo tipo")])
def test_without_two_kinds_of_known_answers_there_is_no_kappa(
    pairs: list[tuple[bool, bool]], why: str
) -> None:
    found = kappa(pairs)
    assert (found.kappa, found.low, found.high) == (None, None, None)
    assert why in found.reason
    assert fit(found) is None
    assert described(found) == found.reason


@pytest.mark.parametrize("cells", [(50, 50, 0, 0), (0, 0, 50, 50)])
def test_a_judge_that_always_says_the_same_agrees_by_chance_only_and_is_unfit(
    cells: tuple[int, int, int, int],
) -> None:
    found = kappa(table(*cells))
    assert found.kappa == 0
    assert fit(found) is False


@pytest.mark.parametrize(
    ("cells", "verdict", "said"),
    [
        ((45, 5, 5, 45), True, "o juiz serve (piso: 0,40)"),
        ((30, 20, 20, 30), False, "o juiz não serve (piso: 0,40)"),
        ((15, 5, 5, 15), None, "não se sabe"),
        ((14, 0, 0, 15), None, "poucas respostas"),
        ((5, 45, 45, 5), False, "não serve"),
    ],
)
def test_fit_is_what_is_shown_and_unfit_what_is_under_the_floor(
    cells: tuple[int, int, int, int], verdict: bool | None, said: str
) -> None:
    found = kappa(table(*cells))
    assert fit(found) is verdict
    assert said in described(found)
    assert str(found.pairs) in described(found)


@given(COUNTS)
def test_fit_never_contradicts_the_figures(cells: tuple[int, int, int, int]) -> None:
    found = kappa(table(*cells))
    verdict = fit(found)
    if verdict is not None:
        assert found.kappa is not None
        assert found.low is not None
        assert found.pairs >= MINIMUM_PAIRS
        assert (found.low >= FLOOR) is verdict
        assert (found.kappa >= FLOOR) is verdict


def test_thumbs_are_compared_with_what_the_judge_calls_right() -> None:
    judged = [(1.0, 1)] * 15 + [(0.75, 1)] * 5 + [(0.74, -1)] * 5 + [(0.0, -1)] * 15
    assert thumbs_agreement(judged).kappa == 1
    assert thumbs_agreement([(score, -thumb) for score, thumb in judged]).kappa == -1
    assert thumbs_agreement([(0.9, 1)] * 40) == Agreement(
        None, None, None, 40, 1.0, "O κ não tem sentido: as respostas conhecidas são todas do mesmo tipo."
    )


@pytest.mark.parametrize("pair", [(1.1, 1), (-0.1, 1), (float("nan"), 1), (0.5, 0), (0.5, 2)])
def test_a_pair_that_cannot_be_is_refused(pair: tuple[float, int]) -> None:
    with pytest.raises(InputError, match="não pode ser comparado"):
        thumbs_agreement([(1.0, 1), pair])
