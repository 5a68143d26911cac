"""Who answers whom: a user's arm of an experiment, by a hash of who they are and nothing else.

Weighted rendezvous hashing (Thaler & Ravishankar 1998; weights after Schindelhauer & Schomaker 2005): each
arm draws a number for each user, and the highest wins. Raising an arm's weight only moves users to it,
lowering it only moves users away, and the others stay where they are. The salt makes experiments independent.
"""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass

from melancia.records import Arm, Assignment, Policy, PolicyMode, PolicyState, Variant


@dataclass(frozen=True, slots=True)
class Route:
    """What a user was given, and who is tried, in order: the assigned variant first."""

    assignment: Assignment
    chain: tuple[Variant, ...]


class Router:
    """Gives users their arms by one policy."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        shares = propensities(policy)
        self._given = {
            arm.name: Assignment(arm.variant, policy.experiment, arm.name, policy.hash, shares[arm.name])
            for arm in policy.arms
            if arm.name in shares
        }
        self._weights = [(arm.name, arm.weight) for arm in policy.arms if arm.name in shares]

    def assign(self, user: str) -> Assignment | None:
        """The arm that ``user`` is given; None when nobody is given any."""
        if not self._weights:
            return None
        _, winner = max((self._draw(name, weight, user), name) for name, weight in self._weights)
        return self._given[winner]

    def beside(self, given: Assignment, mode: PolicyMode) -> tuple[Assignment, ...]:
        """The other arms that are to answer what ``given`` answered, when the experiment is in ``mode``.

        In shadow mode all open ones, in hybrid mode the second. None when another version gave that arm.
        """
        if self._policy.mode is not mode or given.policy != self._policy.hash or not self._weights:
            return ()
        others = self._policy.arms[1:] if mode is PolicyMode.SHADOW else self._policy.arms[1:2]
        # Not drawn: the chance of being asked is that of the question.
        return tuple(
            Assignment(arm.variant, self._policy.experiment, arm.name, self._policy.hash, 1.0)
            for arm in others
            if not arm.paused and arm.weight > 0
        )

    def _draw(self, name: str, weight: float, user: str) -> float:
        """−w / ln u, with u uniform in (0, 1) by the hash: the chance to be the highest is w's share."""
        text = "\x1f".join((self._policy.salt, self._policy.experiment, name, user))
        number = int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:8], "big")
        return -weight / math.log((number + 0.5) / 2**64)


def propensities(policy: Policy) -> dict[str, float]:
    """Arm → the chance that a user is given it; arms that nobody is given are left out."""
    if policy.state is not PolicyState.RUNNING:
        return {}
    open_arms = [arm for arm in _routed(policy) if not arm.paused and arm.weight > 0]
    total = sum(arm.weight for arm in open_arms)
    return {arm.name: arm.weight / total for arm in open_arms}


def taking_part(policy: Policy) -> Sequence[Arm]:
    """The arms that may answer somebody, seen or out of sight, while ``policy`` runs."""
    if policy.mode is PolicyMode.FORCED:
        return _routed(policy)
    return [arm for arm in policy.arms if not arm.paused and arm.weight > 0]


def _routed(policy: Policy) -> Sequence[Arm]:
    if policy.mode is PolicyMode.FORCED:
        return [arm for arm in policy.arms if arm.name == policy.forced]
    if policy.mode in (PolicyMode.SHADOW, PolicyMode.HYBRID):
        # The others answer out of sight, or on request.
        return policy.arms[:1]
    return policy.arms
