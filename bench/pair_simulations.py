"""Simulated shadows, thousands at a time: both arms answer each question, and one looks after every pair.

The estimate goes through the very functions of ``melancia.mlops.decide.pairs``, which take arrays.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.verdict_simulations import CONFIGURATION, Numbers, Places, Rate, percent, rate
from melancia.mlops.decide.pairs import Estimate, Sums, decided, estimate

_NOISE = 0.12  # of one automatic score about what the question and the arm make likely


@dataclass(frozen=True, slots=True)
class PairWorld:
    """How scores are. ``gain``: of the challenger, on average; ``alike``: how far it differs between users,
    one standard deviation; ``same``: share of pairs in which both say the same; ``rare``: the challenger is a
    little better but for this share of questions, on which it is so much worse that the mean is the same.
    ``failing``: failures (0 or 1) of both arms are compared, at this share each, and no score. ``hard``: on
    this share, the hardest questions, the challenger gives up, and the pair has no score.
    """

    gain: float = 0.0
    users: int = 600
    alike: float = 0.0
    same: float = 0.0
    rare: float = 0.0
    failing: float = 0.0
    hard: float = 0.0


@dataclass
class PairState:
    """The sums of each experiment, kept up to date a pair at a time."""

    each: Numbers
    totals: Numbers
    sums: Sums

    @classmethod
    def empty(cls, experiments: int, users: int) -> "PairState":
        """Before the first pair."""
        zeros = [np.zeros(experiments) for _ in range(6)]
        return cls(np.zeros((experiments, users)), np.zeros((experiments, users)), Sums(*zeros))

    def add(self, user: Places, difference: Numbers, there: NDArray[np.bool_]) -> None:
        """One more pair in each experiment, where it is ``there``."""
        rows = np.arange(len(user))
        one, value = there.astype(float), np.where(there, difference, 0.0)
        count, total = self.each[rows, user], self.totals[rows, user]
        found = self.sums
        self.sums = Sums(
            found.count + one,
            found.total + value,
            found.square + value**2,
            found.users_square + one * (2 * count + 1),
            found.cross + (count + one) * (total + value) - count * total,
            found.sums_square + (total + value) ** 2 - total**2,
        )
        self.each[rows, user] += one
        self.totals[rows, user] += value

    def estimate(self, *, shares: bool) -> Estimate:
        """What the verdict would say of each."""
        return estimate(self.sums, shares=shares)


@dataclass(frozen=True, slots=True)
class PairsSeen:
    """The question at which each experiment was decided (0: never), and which way; by the naive rule too."""

    when: Places
    way: Places
    naive_when: Places


def peek_pairs(world: PairWorld, experiments: int, count: int, rng: np.random.Generator) -> PairsSeen:
    """Look after each of ``count`` questions."""
    state = PairState.empty(experiments, world.users)
    of_user = world.alike * rng.normal(size=(experiments, world.users))
    when, way, naive = (np.zeros(experiments, dtype=np.int64) for _ in range(3))
    rows, shares = np.arange(experiments), world.failing > 0
    for number in range(1, count + 1):
        user = rng.integers(0, world.users, experiments)
        difference, there = _pair(world, of_user[rows, user], rng)
        state.add(user, difference, there)
        found = state.estimate(shares=shares)
        half = decided(found, CONFIGURATION)
        new = (np.abs(found.difference) > half) & (when == 0)
        when[new] = number
        way[new] = np.sign(found.difference[new]).astype(np.int64)
        with np.errstate(divide="ignore", invalid="ignore"):
            z = np.abs(found.difference) / np.sqrt(found.spread / state.sums.count)
        naive[(naive == 0) & (state.sums.count >= 10) & (np.nan_to_num(z, posinf=0.0) > 1.959964)] = number
    return PairsSeen(when, way, naive)


def shadow_false_positives(experiments: int, count: int) -> list[Rate]:
    """Equal arms on the same questions, looked at after each: how often one is called ahead."""
    cases = {
        "notas, usuários sem padrão": PairWorld(),
        "notas, a diferença muda de usuário a usuário": PairWorld(alike=0.1),
        "o mesmo, só 30 usuários": PairWorld(alike=0.1, users=30),
        "90 % dos pares com a mesma nota": PairWorld(same=0.9),
        "um pouco melhor, e muito pior em 5 % das perguntas": PairWorld(rare=0.05),
        "desiste das 30 % mais difíceis, e no resto é igual": PairWorld(hard=0.3),
        "falhas, 2 % em cada braço": PairWorld(failing=0.02),
        "falhas, 20 % em cada braço": PairWorld(failing=0.2),
    }
    found = []
    for name, world in cases.items():
        seen = peek_pairs(world, experiments, count, np.random.default_rng(13))
        found.append(rate(name, seen.when > 0, CONFIGURATION.alpha))
        if world == PairWorld():
            found.append(rate("   o mesmo, teste t pareado ingênuo a cada par", seen.naive_when > 0))
    return found


def shadow_power(experiments: int, most: int) -> list[str]:
    """Questions until a challenger with better scores is called ahead."""
    lines = []
    for gain in (0.1, 0.05, 0.03, 0.02):
        seen = peek_pairs(PairWorld(gain=gain), experiments, most, np.random.default_rng(14))
        half = np.median(np.where(seen.when > 0, seen.when, most + 1))
        median = f"> {most}" if half > most else f"{half:.0f}"
        lines.append(
            f"  {100 * gain:>4.0f} pontos{percent(float((seen.way > 0).mean())):>14} em {most}{median:>10}"
            f"{percent(float((seen.way < 0).mean())):>10}"
        )
    return lines


def _pair(world: PairWorld, of_user: Numbers, rng: np.random.Generator) -> tuple[Numbers, NDArray[np.bool_]]:
    """The difference in one question of each experiment, and whether both arms have a figure there."""
    size = len(of_user)
    everywhere = np.ones(size, dtype=bool)
    if world.failing:
        base, challenger = (rng.random(size) < world.failing for _ in range(2))
        return challenger.astype(float) - base, everywhere
    ease = rng.uniform(0.2, 0.8, size)
    gain = world.gain + of_user
    if world.rare:
        gain = gain + np.where(rng.random(size) < world.rare, -0.02 * (1 - world.rare) / world.rare, 0.02)
    one, other = (rng.normal(0, _NOISE, size) for _ in range(2))
    difference = np.where(rng.random(size) < world.same, 0.0, gain + other - one)
    return np.clip(difference, -1, 1), everywhere & (ease >= 0.2 + 0.6 * world.hard)
