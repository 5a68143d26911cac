"""Shares of the users that follow what was learnt: top-two Thompson sampling, with a floor an arm.

Russo, “Simple Bayesian Algorithms for Best-Arm Identification” (Operations Research 68, 2020): draw from the
posteriors; with chance β take the best arm of the draw, else draw on until another one is best. Plain
Thompson sampling (β = 1) soon gives the second arm too few users to tell it from the first; Russo's β = ½
splits two arms evenly for ever. β = 0.8 here gives most users the arm that seems best. The shares are the
very chances of that procedure, so they are the propensities that the analysis weights by.
"""

from collections.abc import Mapping

import numpy as np

from melancia.errors import InputError
from melancia.mlops.decide.bayes import Posterior

_DRAWS = 20_000
_TOP = 0.8


def weights(posteriors: Mapping[str, Posterior], floor: float, *, seed: int) -> dict[str, float]:
    """The share of each arm, at least ``floor``; they sum up to 1. Deterministic given posteriors and seed.

    Raises InputError when the floors leave nothing to share, or there is no arm.
    """
    count = len(posteriors)
    if not count or not 0 <= floor * count <= 1:
        raise InputError(
            "O piso por braço não cabe no número de braços.", f"Use no máximo {1 / max(1, count):.2f}."
        )
    if count == 1:
        return dict.fromkeys(posteriors, 1.0)
    best = _chances_of_best(posteriors, seed)
    second = np.array([sum(b / (1 - b) for b in np.delete(best, place)) for place in range(count)])
    # With chance b an arm is the best of the draw; else it is the first other one after arm j was.
    shares = best * (_TOP + (1 - _TOP) * second)
    shares = floor + (1 - floor * count) * shares / shares.sum()
    return {name: float(share) for name, share in zip(posteriors, shares, strict=True)}


def _chances_of_best(
    posteriors: Mapping[str, Posterior], seed: int
) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    """The chance that each arm is the best, by draws; never 0 nor 1."""
    rng = np.random.default_rng(seed)
    draws = np.stack([rng.beta(one.up, one.down, _DRAWS) for one in posteriors.values()])
    wins = np.bincount(draws.argmax(axis=0), minlength=len(posteriors))
    return np.asarray((wins + 0.5) / (_DRAWS + 0.5 * len(posteriors)), dtype=np.float64)
