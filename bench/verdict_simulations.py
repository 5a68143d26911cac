"""Simulated experiments, thousands at a time, for ``bench.verdicts`` and the tests of the verdict.

Every experiment is looked at after every answer. What is drawn is vectorised over experiments; what is
estimated goes through the very functions of ``melancia.mlops.decide``, which take leading axes. Where they do
not (guardrails and sample ratio, an outcome at a time), the vectorised twin here is held to them by a test.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from melancia.mlops.decide.approval import WIDTH, Approval, approval
from melancia.mlops.decide.configuration import Configuration
from melancia.mlops.decide.guardrails import PATIENCE, bet, rates
from melancia.mlops.decide.sequences import radius

Numbers = NDArray[np.float64]
Places = NDArray[np.int64]
CONFIGURATION = Configuration()
_NOISE = 0.15  # of an automatic score


@dataclass(frozen=True, slots=True)
class World:
    """How users and arms are. ``approval``: chance of a thumb up, base and challenger. ``alike``: correlation
    of one user's ratings (Beta–Binomial). ``rated``: share of answers that are rated. ``hard``: share of
    questions on which the challenger gives up, its ``hard_approval`` being that of the base arm on them;
    ``rescued``: a fallback as good as the base arm answers those. ``scores``: automatic scores exist, of use
    or not (``telling``: how much higher a good answer's is), and ``flattered`` by so much for the challenger.
    """

    approval: tuple[float, float]
    users: int = 600
    alike: float = 0.0
    rated: float = 1.0
    share: float = 0.5
    hard: float = 0.0
    hard_approval: float = 0.5
    rescued: bool = False
    scores: bool = False
    telling: float = 0.3
    flattered: float = 0.0


@dataclass
class State:
    """What the estimator needs of each experiment, kept up to date an answer at a time.

    ``kept``: the features that users differ in; those that are always 0 cost time and change nothing.
    """

    experiments: int
    users: int
    kept: tuple[int, ...] = tuple(range(WIDTH))
    sums: Numbers = field(init=False)
    gram: Numbers = field(init=False)
    links: Numbers = field(init=False)
    totals: Numbers = field(init=False)

    def __post_init__(self) -> None:
        self.sums = np.zeros((self.experiments, 2, WIDTH))
        self.gram = np.zeros((self.experiments, 2 * WIDTH, 2 * WIDTH))
        self.links = np.zeros((self.experiments, 2, 3))
        self.totals = np.zeros((self.experiments, self.users, len(self.kept)))

    def add(self, user: Places, side: Places, features: Numbers, links: Numbers) -> None:
        """One more answer in each experiment."""
        each = np.arange(self.experiments)
        before = self.totals[each, user]
        after = before + features[:, self.kept]
        self.totals[each, user] = after
        self.sums[each, side] += features
        self.links[each, side] += links
        for place, one in enumerate(self.kept):
            for other_place, other in enumerate(self.kept[place:], start=place):
                change = after[:, place] * after[:, other_place] - before[:, place] * before[:, other_place]
                self.gram[each, side * WIDTH + one, side * WIDTH + other] += change
                if one != other:
                    self.gram[each, side * WIDTH + other, side * WIDTH + one] += change

    def estimate(self) -> Approval:
        """What the verdict would say of each."""
        return approval(self.sums, self.gram, self.links, CONFIGURATION)


def outside(found: Approval) -> NDArray[np.bool_]:
    """In which experiments the interval leaves out 0, as the verdict decides it."""
    half = radius(found.variance, found.spread, CONFIGURATION.alpha, CONFIGURATION.expected_effect)
    enough = np.nan_to_num(found.raters).min(axis=-1) >= CONFIGURATION.least_raters
    return np.asarray(enough & (np.abs(found.difference) > half))


def naive(found: Approval, state: State) -> NDArray[np.bool_]:
    """In which the textbook z-test of two proportions says p < 0.05 (from 10 ratings an arm on)."""
    rated, up = state.sums[..., 2], state.sums[..., 3]
    pooled = up.sum(-1) / np.maximum(rated.sum(-1), 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        error = np.sqrt(pooled * (1 - pooled) * (1 / rated).sum(-1))
        z = np.abs(found.thumbs[..., 1] - found.thumbs[..., 0]) / error
    return np.asarray((rated.min(-1) >= 10) & (np.nan_to_num(z) > 1.959964))


def answers(
    world: World, experiments: int, count: int, rng: np.random.Generator, *, exposure: bool = False
) -> Iterator[State]:
    """The state of all experiments after each of ``count`` answers.

    Without scores and hard questions, answers without a rating change nothing and are passed over: ``count``
    is then of ratings. ``exposure``: by who really answered, as one should not: what the challenger gave up
    is dropped.
    """
    thumbs_alone = not (world.scores or world.hard)
    state = State(experiments, world.users, (2, 3) if thumbs_alone else tuple(range(WIDTH)))
    side_of = (rng.random((experiments, world.users)) < world.share).astype(np.int64)
    mean = np.asarray(world.approval)[side_of]
    rate = mean
    if world.alike > 0:
        k = 1 / world.alike - 1
        rate = rng.beta(mean * k, (1 - mean) * k)
    each = np.arange(experiments)
    rated_share = 1.0 if thumbs_alone else world.rated
    for _ in range(count):
        user = rng.integers(0, world.users, experiments)
        side = side_of[each, user]
        hard = rng.random(experiments) < world.hard
        good = rng.random(experiments) < np.where(hard, world.hard_approval, rate[each, user])
        gave_up = hard & (side == 1)
        left = np.zeros(experiments, dtype=bool) if world.rescued else gave_up
        rated = (rng.random(experiments) < rated_share) & ~left
        if exposure:
            left, rated = left & False, rated & ~gave_up
        expected = 0.5 + world.telling * (good - 0.5) + world.flattered * side
        score = np.clip(expected + rng.normal(0, _NOISE, experiments), 0, 1)
        has = ~left & world.scores
        kept = ~(gave_up & exposure)
        columns = [~left, left, rated, rated & good, has, has * score, rated & has, (rated & has) * score]
        links = [
            (rated & has & good) * score,
            (rated & has) * score**2,
            rated & has & good,
        ]
        state.add(
            user,
            side,
            np.stack(columns, axis=1) * kept[:, None],
            np.stack(links, axis=1) * kept[:, None],
        )
        yield state


@dataclass(frozen=True, slots=True)
class Peeked:
    """First answer at which each experiment was decided (0: never), which way, and by the naive rule."""

    when: Places
    way: Places
    naive_when: Places


def peek(states: Iterator[State], experiments: int) -> Peeked:
    """Look after every answer."""
    when, naive_when = np.zeros(experiments, dtype=np.int64), np.zeros(experiments, dtype=np.int64)
    way = np.zeros(experiments, dtype=np.int64)
    for number, state in enumerate(states, start=1):
        found = state.estimate()
        new = outside(found) & (when == 0)
        when[new] = number
        way[new] = np.sign(found.difference[new]).astype(np.int64)
        naive_when[naive(found, state) & (naive_when == 0)] = number
    return Peeked(when, way, naive_when)


def adaptive(
    experiments: int, users: int, rng: np.random.Generator, *, weighted: bool, drift: float
) -> Places:
    """When equal arms were called different under changing shares; one rating a user, in order of arrival.

    The share follows the posteriors every 50 users (Thompson, floor 10 %), while approval drifts by ``drift``
    over the experiment for everybody.
    """
    state = State(experiments, users, (2, 3))
    share = np.full(experiments, 0.5)
    when = np.zeros(experiments, dtype=np.int64)
    for number in range(users):
        side = (rng.random(experiments) < share).astype(np.int64)
        good = rng.random(experiments) < 0.6 + drift * number / users
        weight = 1 / np.where(side == 1, share, 1 - share) if weighted else np.ones(experiments)
        zero = np.zeros(experiments)
        columns = np.stack([weight, zero, weight, weight * good, zero, zero, zero, zero], axis=1)
        state.add(np.full(experiments, number), side, columns, np.zeros((experiments, 3)))
        found = state.estimate()
        when[outside(found) & (when == 0)] = number + 1
        if number % 50 == 49:
            with np.errstate(divide="ignore", invalid="ignore"):
                z = np.nan_to_num(found.difference / np.sqrt(found.variance))
            share = np.where(rng.normal(size=experiments) < z, 0.8, 0.2)
            share = 0.1 + 0.8 * share
    return when


def bets(values: Numbers, bound: float) -> Numbers:
    """The highest capital so far after each answer, (experiments × answers), against “at most ``bound``”."""
    start = bet(bound)
    stakes = np.tile(np.array(start.stakes), (values.shape[0], 1))
    waiting, factor = start.waiting, np.array(rates(bound))
    highest = np.empty_like(values)
    for number in range(values.shape[1]):
        moved = waiting * PATIENCE / (number + 1)
        stakes = (stakes + moved / stakes.shape[1]) * (1 + factor * (values[:, number, None] - bound))
        stakes = np.minimum(stakes, 1e300)
        waiting -= moved
        highest[:, number] = waiting + stakes.sum(axis=1)
    return np.asarray(np.maximum.accumulate(highest, axis=1))


def ratios(challenger: NDArray[np.bool_], shares: Numbers, k: float) -> Numbers:
    """The anytime-valid p-value of the sample ratio after each user, two arms (experiments × users)."""
    seen, expected = np.zeros((2, challenger.shape[0])), np.zeros((2, challenger.shape[0]))
    evidence = np.zeros(challenger.shape[0])
    found = np.empty(challenger.shape)
    for number in range(challenger.shape[1]):
        mine = challenger[:, number]
        chances = np.stack([1 - shares[:, number], shares[:, number]])
        tilts = (k * chances + seen) / (k * chances + expected)
        evidence += np.log(np.where(mine, tilts[1], tilts[0]) / (chances * tilts).sum(axis=0))
        seen += np.stack([~mine, mine])
        expected += chances
        found[:, number] = evidence
    return np.asarray(np.exp(-np.maximum(0.0, np.maximum.accumulate(found, axis=1))))


@dataclass(frozen=True, slots=True)
class Rate:
    """How often something happened in how many experiments, against the bound promised (None: no promise)."""

    name: str
    happened: int
    of: int
    bound: float | None = None

    @property
    def share(self) -> float:
        """The share of experiments."""
        return self.happened / self.of

    @property
    def ends(self) -> tuple[float, float]:
        """The 98 % Clopper–Pearson interval."""
        from scipy import stats

        low, high = stats.binomtest(self.happened, self.of).proportion_ci(0.98, method="exact")
        return float(low), float(high)

    @property
    def exceeded(self) -> bool:
        """Whether the bound is broken beyond the simulation's error."""
        return self.bound is not None and self.ends[0] > self.bound

    def line(self) -> str:
        """A row of a table."""
        low, high = self.ends
        promised = "" if self.bound is None else f"  ≤ {percent(self.bound)}"
        sign = "  EXCEDIDO" if self.exceeded else ""
        return f"  {self.name:<62}{percent(self.share):>8}  [{percent(low)}; {percent(high)}]{promised}{sign}"


def rate(name: str, happened: NDArray[np.bool_], bound: float | None = None) -> Rate:
    """The rate of what ``happened`` in each experiment."""
    return Rate(name, int(happened.sum()), happened.size, bound)


def percent(share: float) -> str:
    """A share in [0, 1]: ``2,4 %``."""
    return f"{100 * share:.1f} %".replace(".", ",").replace(",0 %", " %")
