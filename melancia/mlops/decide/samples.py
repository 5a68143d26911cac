"""Stored rows as columns, and what users sum up to: the cluster is the user, whatever they did how often."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from melancia.records import Outcome, Policy, PolicyMode

Numbers = NDArray[np.float64]
Places = NDArray[np.int64]


def ordered(outcomes: Iterable[Outcome]) -> list[Outcome]:
    """The outcomes by instant, then by id. Raises ValueError when an interaction is there twice."""
    rows = sorted(outcomes, key=lambda row: (row.created_at, row.interaction_id))
    if len({row.interaction_id for row in rows}) != len(rows):
        raise ValueError("an interaction is there twice")
    return rows


def drawn(row: Outcome, policy: Policy) -> bool:
    """Whether chance had a say in who answered: with a propensity of 1 (or 0) it had none, and neither had it
    in what was said beside or after another answer.

    An unknown propensity is that of the policy's mode: only sticky and adaptive ones draw.
    """
    if row.origin is not None:
        return False
    if row.propensity is None:
        return policy.mode in (PolicyMode.STICKY, PolicyMode.ADAPTIVE)
    return 0 < row.propensity < 1


@dataclass(frozen=True, slots=True)
class Sample:
    """Outcomes of two arms, in order. ``side`` is 0 for the base arm and 1 for the challenger; ``weight`` the
    inverse of the propensity, of mean 1 (all 1 where some row does not know its own).
    """

    rows: Sequence[Outcome]
    user: Places
    side: Places
    weight: Numbers
    weighted: bool

    def values(self, reader: Callable[[Outcome], float | None]) -> Numbers:
        """What ``reader`` finds in each row, NaN for None."""
        found = (reader(row) for row in self.rows)
        return np.array([np.nan if value is None else value for value in found], dtype=float)


def sample(rows: Sequence[Outcome], side: Callable[[Outcome], int]) -> Sample:
    """The columns of ``rows``, weighted by inverse propensity where every row knows its own.

    The weights undo what changing shares do to a plain mean: when an arm gets more traffic in a week in which
    everybody is unhappy, the plain mean blames the arm (Simpson's paradox). With constant shares they cancel.
    """
    names: dict[str, int] = {}
    user = np.array([names.setdefault(row.user_id, len(names)) for row in rows], dtype=np.int64)
    weighted = all(row.propensity is not None for row in rows)
    weight = np.array([1 / row.propensity if weighted and row.propensity else 1.0 for row in rows])
    sides = np.array([side(row) for row in rows], dtype=np.int64)
    for one in (0, 1):
        mine = sides == one
        if mine.any():
            weight[mine] /= weight[mine].mean()
    return Sample(rows, user, sides, weight, weighted)


def by_user(user: Places, side: Places, features: Numbers) -> tuple[Numbers, Numbers]:
    """What ``features`` (rows × F) sum up to: per side (2 × F), and as the Gram matrix over users (2F × 2F).

    The Gram matrix G gives the variance of any linear function c of the users' totals as cᵀGc. A user who was
    given both arms, after the shares changed, has both in one row of it.
    """
    count = int(user.max()) + 1 if len(user) else 0
    width = features.shape[1]
    totals = np.zeros((count, 2 * width))
    for one in (0, 1):
        mine = side == one
        np.add.at(totals[:, one * width : (one + 1) * width], user[mine], features[mine])
    return totals.sum(axis=0).reshape(2, width), totals.T @ totals
