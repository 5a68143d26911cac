"""Bounds that an arm must keep to while one learns: breached, fine or unknown, at any moment.

A bounded figure is tested by betting against “its mean is at most the bound” (Waudby-Smith and Ramdas,
“Estimating means of bounded random variables by betting”, JRSS B 86, 2024): a capital of 1 is put on several
stakes λ, each growing by 1 + λ(x − bound) an answer. If the arm keeps to its bound no stake is expected to
grow, and by Ville's inequality the chance that the capital ever reaches 1 ÷ α is at most α. Half of the
capital waits and is invested little by little (a mixture over the moment when things go wrong, as in
e-detectors: Shin, Ramdas and Rinaldo, 2023), so that an arm that was good for months is found soon when it
turns bad.

The bound is on the chance of the next answer given those before; bursts of one user's bad answers are
evidence too. α is split over the guardrails that bet, so that a healthy arm is paused wrongly with a chance
of at most α in its whole life. An answer is taken in constant time. In plain Python: the page can do it
at once.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from math import exp, inf, log
from types import MappingProxyType

from melancia.errors import InputError
from melancia.mlops.decide.results import Guardrail
from melancia.mlops.decide.samples import ordered
from melancia.records import Outcome

SLOW_SHARE = 0.05
"""``p95_latency``: this share of answers may take longer than the bound."""
AT_MOST, AT_LEAST = "at_most", "at_least"
NAMES: Mapping[str, str] = MappingProxyType(
    {
        "p95_latency": AT_MOST,
        "error_rate": AT_MOST,
        "refusal_rate": AT_MOST,
        "groundedness": AT_LEAST,
        "daily_spend": AT_MOST,
    }
)
"""The guardrails that there are. Seconds, shares in [0, 1], a score in [0, 1], US$ a day (UTC) an arm."""
SPEND = "daily_spend"
_STAKES = tuple(1.15 * 1.3**place for place in range(16))  # ratios of odds, up to some 60
_WAITING = 0.5
PATIENCE = 0.25
"""Of the waiting capital, this ÷ (answers + 1) is invested at each answer."""


@dataclass(frozen=True, slots=True)
class Bet:
    """Capital against “the mean is at most ``bound``”: ``stakes`` on each λ, ``waiting``, and the highest sum
    ever. ``count`` answers with ``total`` as their sum.
    """

    bound: float
    stakes: tuple[float, ...]
    waiting: float
    highest: float = 1.0
    count: int = 0
    total: float = 0.0

    def after(self, value: float) -> "Bet":
        """The bet after one more answer with ``value`` in [0, 1]."""
        moved = self.waiting * PATIENCE / (self.count + 1)
        each = moved / len(self.stakes)
        stakes = tuple(
            min(1e300, (held + each) * (1 + rate * (value - self.bound)))
            for held, rate in zip(self.stakes, rates(self.bound), strict=True)
        )
        waiting = self.waiting - moved
        return Bet(
            self.bound,
            stakes,
            waiting,
            max(self.highest, waiting + sum(stakes)),
            self.count + 1,
            self.total + value,
        )


@lru_cache(maxsize=256)
def rates(bound: float) -> tuple[float, ...]:
    """λ of each stake: those that are best when the true odds are so many times those of ``bound``."""
    return tuple((odds - 1) / (1 + bound * (odds - 1)) for odds in _STAKES)


def bet(bound: float) -> Bet:
    """A bet before the first answer, against a mean of at most ``bound`` in (0, 1)."""
    return Bet(bound, ((1 - _WAITING) / len(_STAKES),) * len(_STAKES), _WAITING)


@dataclass(frozen=True, slots=True)
class Watch:
    """The state of one guardrail of one arm. ``bad`` bets that the bound is broken, ``good`` that it is
    kept."""

    arm: str
    name: str
    bound: float
    alpha: float
    bad: Bet | None = None
    good: Bet | None = None
    day: str = ""
    spent: float = 0.0
    most: float = 0.0
    priced: int = 0

    def after(self, row: Outcome) -> "Watch":
        """The state after one more outcome of the arm, in constant time."""
        if self.name == SPEND:
            return self._spend(row)
        value = _value(self, row)
        if value is None or self.bad is None or self.good is None:
            return self
        if NAMES[self.name] == AT_LEAST:
            value = 1 - value
        return replace(self, bad=self.bad.after(value), good=self.good.after(1 - value))

    def _spend(self, row: Outcome) -> "Watch":
        if row.cost is None:
            return self
        day = row.created_at.date().isoformat()
        spent = row.cost + (self.spent if day == self.day else 0.0)
        return replace(self, day=day, spent=spent, most=max(self.most, spent), priced=self.priced + 1)

    def result(self) -> Guardrail:
        """What it says now. A breach stays one: whoever resumes the arm starts a new watch."""
        if self.bad is None or self.good is None:
            state = "unknown" if not self.priced else "breached" if self.most > self.bound else "fine"
            value = self.most if self.priced else None
            return Guardrail(self.arm, self.name, self.bound, state, value, None, None, self.priced)
        count = self.bad.count
        if not count:
            return Guardrail(self.arm, self.name, self.bound, "unknown", None, None, None, 0)
        enough = 1 / self.alpha
        state = (
            "breached" if self.bad.highest >= enough else "fine" if self.good.highest >= enough else "unknown"
        )
        mean = self.bad.total / count
        low, high = bounds(count, self.bad.total, self.alpha)
        # What the bets have shown of the bound itself is sharper than the interval for scores.
        if state == "breached":
            low = max(low, self.bad.bound)
        elif state == "fine":
            high = min(high, self.bad.bound)
        if NAMES[self.name] == AT_LEAST:
            mean, low, high = 1 - mean, 1 - high, 1 - low
        return Guardrail(self.arm, self.name, self.bound, state, mean, low, high, count)


@dataclass(frozen=True, slots=True)
class Watches:
    """All guardrails of all arms: the state that outcomes are given to, one at a time."""

    by_arm: Mapping[str, tuple[Watch, ...]] = field(default_factory=dict)

    def after(self, row: Outcome) -> "Watches":
        """The state after one more outcome; one of an unknown arm changes nothing."""
        if row.arm not in self.by_arm:
            return self
        return Watches({**self.by_arm, row.arm: tuple(watch.after(row) for watch in self.by_arm[row.arm])})

    def results(self) -> tuple[Guardrail, ...]:
        """What all say now."""
        return tuple(watch.result() for watches in self.by_arm.values() for watch in watches)


def watches(arms: Iterable[str], guardrails: Mapping[str, float], alpha: float) -> Watches:
    """The state before the first outcome. Raises InputError on an unknown guardrail or an impossible
    bound."""
    for name, bound in guardrails.items():
        check(name, bound)
    betting = sum(name != SPEND for name in guardrails)
    return Watches(
        {
            arm: tuple(
                _watch(arm, name, guardrails[name], alpha / max(1, betting)) for name in sorted(guardrails)
            )
            for arm in arms
        }
    )


def batch(
    rows: Iterable[Outcome], arms: Iterable[str], guardrails: Mapping[str, float], alpha: float
) -> tuple[Guardrail, ...]:
    """What the guardrails say after ``rows``: the same as one at a time in order."""
    state = watches(arms, guardrails, alpha)
    for row in ordered(rows):
        state = state.after(row)
    return state.results()


def check(name: str, bound: float) -> None:
    """Raises InputError when there is no such guardrail, or nothing could breach, or keep to, that bound."""
    if name not in NAMES:
        raise InputError(f"Não existe a proteção “{name}”.", f"As que existem: {', '.join(NAMES)}.")
    if name in ("p95_latency", SPEND):
        if not 0 < bound < inf:
            raise InputError(f"O limite de “{name}” deve ser maior que zero.")
    elif not 0 < bound < 1:
        raise InputError(f"O limite de “{name}” deve ficar entre 0 e 1, sem os extremos.")


def bounds(count: int, total: float, alpha: float) -> tuple[float, float]:
    """The 1 − ``alpha`` confidence sequence of a mean in [0, 1] from how many there are and their sum.

    All means that bets on either side do not refute. For values between 0 and 1 it is wider than need be:
    log(1 + λ(x − m)) is at least what x of a one and 1 − x of a zero would earn.
    """
    mean = min(1.0, max(0.0, total / count))
    return _edge(count, total, mean, alpha / 2), 1 - _edge(count, count - total, 1 - mean, alpha / 2)


def _edge(count: int, total: float, mean: float, alpha: float) -> float:
    """The largest m below ``mean`` that is refuted as being above the truth."""
    low, high = 0.0, mean
    for _ in range(40):
        middle = (low + high) / 2
        if 0 < middle < 1 and _evidence(count, total, middle) >= log(1 / alpha):
            low = middle
        else:
            high = middle
    return low


def _evidence(count: int, total: float, bound: float) -> float:
    """log of the capital against “at most ``bound``” when all of it is at stake from the start."""
    logs = [
        total * log(1 + rate * (1 - bound)) + (count - total) * log(1 - rate * bound) for rate in rates(bound)
    ]
    top = max(logs)
    return top + log(sum(exp(one - top) for one in logs) / len(logs))


def _watch(arm: str, name: str, bound: float, alpha: float) -> Watch:
    if name == SPEND:
        return Watch(arm, name, bound, alpha)
    at_most = SLOW_SHARE if name == "p95_latency" else bound if NAMES[name] == AT_MOST else 1 - bound
    return Watch(arm, name, bound, alpha, bet(at_most), bet(1 - at_most))


def _value(watch: Watch, row: Outcome) -> float | None:
    """What the guardrail looks at, in [0, 1]; None when this outcome does not have it."""
    if watch.name == "p95_latency":
        return None if row.latency is None else float(row.latency > watch.bound)
    if watch.name == "error_rate":
        return float(row.failed)
    if watch.name == "refusal_rate":
        return float(row.refused)
    score = row.scores.get("groundedness")
    return None if score is None else min(1.0, max(0.0, score))
