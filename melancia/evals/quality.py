"""One figure of how good an answer is: how unlikely each way of being wrong is. Pure.

For each way *k* of being wrong (``WAYS``) a logistic function of the signals that see it, none of whose
weights is negative, gives the log odds lₖ of right against wrong in that way, at equal numbers. Quality is
the probability of being right, ``1 ÷ (1 + Σ priorₖ·exp(−lₖ))``: the posterior under a mixture of ways of
being wrong, each seen by its own signals only. One clear fault is enough to pull it down; no metric that gets
better lowers it.

Weights were fitted on the labelled answers of the design questions by ``python -m bench.metrics --fit``.
What the question decides alone is no matter of odds: an empty answer is worth 0, and so is, where it is known
whether the base has the answer, a refusal that is not due or an answer where one was. A refusal of which that
is not known is as good as the sources are far from the question.
"""

from collections.abc import Mapping
from math import exp

from melancia.evals.weights import PRIORS, WEIGHTS

Signals = Mapping[str, float]
Fitted = Mapping[str, Mapping[str, Mapping[str, float]]]
WAYS: dict[str, tuple[str, ...]] = {
    "numbers": ("numbers", "worst_number", "in_place"),
    "statements": ("worst_statement", "alike"),
    "polarity": ("polarity", "reference_polarity", "roles", "verdict"),
    "topic": ("words", "closeness", "statements", "facts", "recall", "reference_closeness"),
    "language": ("language",),
    "evidence": ("statements", "evidence", "covered"),
    "refusal": ("absence", "uncovered"),
}
"""Way of being wrong → the signals that see it."""
ALONE = ("refusal",)
"""Ways that are a refusal's only."""
ADMITTED = 0.5
"""Quality of an answer to what the base lacks that says so somewhere, and answers all the same."""
_CERTAIN = 50.0


def variant(*, known: bool, vectors: bool) -> str:
    """Name of the weights: with a reference or without, with vectors or without."""
    return f"{'reference' if known else 'alone'}-{'vectors' if vectors else 'words'}"


def quality(signals: Signals, name: str, weights: Fitted = WEIGHTS) -> float:
    """Probability that an answer is right, by the weights called ``name``."""
    ways = [way for way in weights[name] if way not in ALONE]
    return _probability(signals, ways, weights[name])


def refusal_quality(signals: Signals, name: str, weights: Fitted = WEIGHTS) -> float:
    """Probability that a refusal is due, by the weights called ``name``."""
    return _probability(signals, ALONE, weights[name])


def _probability(
    signals: Signals, ways: tuple[str, ...] | list[str], fitted: Mapping[str, Mapping[str, float]]
) -> float:
    against = sum(PRIORS[way] * exp(-_log_odds(fitted[way], signals)) for way in ways)
    return 1 / (1 + against)


def _log_odds(weights: Mapping[str, float], signals: Signals) -> float:
    terms = sum(weight * signals[name] for name, weight in weights.items() if name != "intercept")
    return max(-_CERTAIN, min(_CERTAIN, weights["intercept"] + terms))
