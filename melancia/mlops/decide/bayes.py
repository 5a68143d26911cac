"""The Bayesian reading, second to the confidence sequence: it answers another question, and a nicer one, but
a look at it after every answer has no bound on how often it misleads when arms are equal.

Beta–Binomial with a uniform prior on each arm's approval. The counts are those that the estimate is worth:
approval and the variance of its estimate give n = θ(1 − θ) ÷ variance ratings of independent users, so that
one user's hundred ratings, or unanswered questions, count for what they tell.
"""

from dataclasses import dataclass

import numpy as np

from melancia.mlops.decide.approval import Approval
from melancia.mlops.decide.results import Bayes

_POINTS = 1_000  # quantiles of the challenger's posterior that integrals are sums over


@dataclass(frozen=True, slots=True)
class Posterior:
    """A Beta distribution of an approval."""

    up: float
    down: float

    @property
    def mean(self) -> float:
        """Its mean."""
        return self.up / (self.up + self.down)


PRIOR = Posterior(1.0, 1.0)


def posterior(approval: float, variance: float, raters: float, ratings: float) -> Posterior:
    """The posterior of an arm. ``raters`` effective ones: never fewer independent ratings than that, nor more
    than ``ratings``. The prior where there is no rating.
    """
    if not ratings > 0 or not np.isfinite(approval):
        return PRIOR
    share = min(1.0, max(0.0, approval))
    smooth = (share * ratings + 1) / (ratings + 2)
    worth = smooth * (1 - smooth) / variance if np.isfinite(variance) and variance > 0 else raters
    worth = min(ratings, max(raters, worth))
    return Posterior(1 + share * worth, 1 + (1 - share) * worth)


def posteriors(found: Approval, ratings: tuple[int, int]) -> tuple[Posterior, Posterior]:
    """Both sides' posteriors from an estimate without leading axes and the plain counts of ratings."""
    base, challenger = (
        posterior(
            float(found.approval[side]),
            float(found.variances[side]),
            float(found.raters[side]),
            ratings[side],
        )
        for side in (0, 1)
    )
    return base, challenger


def reading(base: Posterior, challenger: Posterior) -> Bayes:
    """Chance that the challenger is better, and the expected loss of either choice (Stucchio, 2015)."""
    from scipy import special

    chances = (np.arange(_POINTS) + 0.5) / _POINTS
    of_challenger = special.betaincinv(challenger.up, challenger.down, chances)
    better = special.betainc(base.up, base.down, of_challenger)
    # E[(base − x)⁺] = mean·P(Beta(up + 1, down) > x) − x·P(Beta(up, down) > x)
    above = base.mean * (1 - special.betainc(base.up + 1, base.down, of_challenger))
    loss = float(np.mean(above - of_challenger * (1 - better)))
    gain = loss + challenger.mean - base.mean
    return Bayes(float(np.mean(better)), max(0.0, loss), max(0.0, gain))
