"""Which arms users may be given, and since when: a pause ends a watch, and whoever resumes begins another."""

from collections.abc import Iterable
from datetime import datetime

from melancia.records import Policy, PolicyState


def openings(history: Iterable[Policy]) -> dict[str, datetime]:
    """Arm → the instant of the version that last gave it to users anew, though it may be out by now.

    ``history``: versions of one experiment, in any order. Arms that none of them gives are left out.
    """
    found: dict[str, datetime] = {}
    before: frozenset[str] = frozenset()
    for version in sorted(history, key=lambda one: one.version):
        now = given(version)
        found |= dict.fromkeys(now - before, version.created_at)
        before = now
    return found


def given(policy: Policy) -> frozenset[str]:
    """The arms that ``policy`` lets users have: none while the whole experiment is out."""
    if policy.state is not PolicyState.RUNNING:
        return frozenset()
    return frozenset(arm.name for arm in policy.arms if not arm.paused)
