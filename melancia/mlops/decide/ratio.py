"""The sample-ratio check: are there as many users in each arm as the draw should have put there?

If not, something loses or moves users (a crash of one arm, a broken cookie, a bot), the arms hold different
people, and no other figure can be believed. Fabijan et al., “Diagnosing Sample Ratio Mismatch in Online
Controlled Experiments” (KDD 2019).

The test is Lindon and Malek's sequential multinomial one (“Anytime-Valid Inference for Multinomial Count
Data”, NeurIPS 2022): the martingale Πₙ q(aₙ) ÷ π(aₙ), where q is the predictive distribution of a Dirichlet
prior kπ around the shares π. Its reciprocal is a p-value that holds at any time. (The package ``savvi`` has
it, and brings cvxpy, a convex solver, for other things.)

Shares change over time: each user counts once, at their first exposure, with the share that held then. q
becomes π tilted by (kπ + seen) ÷ (kπ + expected), which is the same predictive where shares are constant.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from math import exp, log

from melancia.mlops.decide.configuration import Configuration
from melancia.mlops.decide.results import SampleRatio
from melancia.records import Outcome, Policy

_SAME = 1e-6


def shares(policy: Policy) -> dict[str, float]:
    """Each arm's share of the users by the policy's weights; a paused arm has none."""
    weights = {arm.name: 0.0 if arm.paused else max(0.0, arm.weight) for arm in policy.arms}
    total = sum(weights.values())
    return {name: weight / total if total else 0.0 for name, weight in weights.items()}


def sample_ratio(
    rows: Sequence[Outcome], policy: Policy, configuration: Configuration, history: Sequence[Policy] = ()
) -> SampleRatio:
    """The check on ordered outcomes that a draw decided.

    ``history``: versions of the policy, for the shares that held at each draw. Where none of them explains a
    user's own share, it tells only of its own arm: the rest is split among the others as ``policy`` does.
    """
    names = [arm.name for arm in policy.arms]
    versions = _Versions(history)
    planned = shares(policy)
    seen, expected = dict.fromkeys(names, 0), dict.fromkeys(names, 0.0)
    known: set[str] = set()
    evidence = highest = 0.0  # log of the martingale, and its maximum
    for row in rows:
        if row.user_id in known or row.arm not in seen:
            continue
        known.add(row.user_id)
        chances = _chances(row, versions.shares(row) or planned)
        if not 0 < chances[row.arm] < 1:
            continue
        evidence += _gain(row.arm, chances, seen, expected, configuration.concentration)
        highest = max(highest, evidence)
        seen[row.arm] += 1
        for name, chance in chances.items():
            expected[name] += chance
    p_value = exp(-highest)
    alpha = configuration.sample_ratio_alpha
    return SampleRatio(seen, expected, p_value, alpha, p_value < alpha, any(seen.values()))


class _Versions:
    """The shares that held over time."""

    def __init__(self, history: Sequence[Policy]) -> None:
        versions = sorted(history, key=lambda one: (one.created_at, one.version))
        self._since = [one.created_at for one in versions]
        self._shares = [shares(one) for one in versions]

    def shares(self, row: Outcome) -> Mapping[str, float] | None:
        """Those by which this user was drawn; None when no version before gives the row's own share.

        Whoever draws may learn of a version late: the newest one before need not be it.
        """
        if row.propensity is None:
            return None
        for place in reversed(range(bisect_right(self._since, row.created_at))):
            found = self._shares[place]
            if abs(found.get(row.arm, 0.0) - row.propensity) < _SAME:
                return found
        return None


def _gain(
    arm: str, chances: Mapping[str, float], seen: Mapping[str, int], expected: Mapping[str, float], k: float
) -> float:
    """log(q ÷ π) of this user's arm, from the users before."""
    tilts = {
        name: (k * chance + seen[name]) / (k * chance + expected[name])
        for name, chance in chances.items()
        if chance > 0
    }
    return log(tilts[arm] / sum(chances[name] * tilt for name, tilt in tilts.items()))


def _chances(row: Outcome, planned: Mapping[str, float]) -> dict[str, float]:
    """All arms' shares when this user was drawn."""
    own = planned[row.arm] if row.propensity is None else row.propensity
    if abs(own - planned[row.arm]) < _SAME:
        return dict(planned)
    others = {name: share for name, share in planned.items() if name != row.arm}
    total = sum(others.values())
    spread = {name: share / total if total else 1 / len(others) for name, share in others.items()}
    return {**{name: (1 - own) * share for name, share in spread.items()}, row.arm: own}
