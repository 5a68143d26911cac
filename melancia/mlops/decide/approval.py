"""The primary figure: which share of an arm's questions gets an answer that people approve of.

An arm's approval is θ = (1 − f)·g. f is the share of its questions that were left without an answer: a
failure is known without a rating, and without f an arm that gives up on hard questions would be rated on the
easy ones only. g is the share of thumbs that are up, whoever answered in the end (intention to treat).

Ratings are rare and automatic scores X are on every answer, so g is prediction-powered (Angelopoulos, Bates,
Fannjiang, Jordan and Zrnic, “Prediction-powered inference”, Science 382, 2023; power tuning: Angelopoulos,
Duchi and Zrnic, “PPI++”, arXiv:2311.01453):

    g = mean(Y of the rated) + λ·(mean(X of all) − mean(X of the rated)),   λ = max(0, cov(X, Y) ÷ var(X))

where the rated are among “all”, which makes that λ the one of least variance. A bad score makes λ fall to 0
and leaves the thumbs alone; it cannot bias g, since X is compared with X. λ is one for both arms, from the
covariance within them.

The variance is that of the estimator's influence function, summed up a user before it is squared (cluster
robust: ratings of one user are alike). Each arm is given two more users of variance, one with each thumb, so
that unanimous ratings are not taken for certainty (Agresti and Caffo, 2000, in spirit).

Everything takes leading axes, so that thousands of simulated experiments go through the same lines.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from melancia.mlops.decide.configuration import Configuration
from melancia.mlops.decide.samples import Numbers, Sample, by_user

FEATURES = ("answered", "unanswered", "rated", "up", "scored", "score", "rated_scored", "rated_score")
"""What is summed up a user and side, each times its weight."""
LINKS = ("score_up", "score_square", "scored_up")
"""What is summed up a side for λ: X·Y, X² and Y of the rated answers that have a score."""
WIDTH = len(FEATURES)


@dataclass(frozen=True, slots=True)
class Approval:
    """θ of both sides (last axis: base, challenger), their difference (challenger − base) and its variance.

    ``spread``: the variance of one rating; ``raters``: effective raters a side, (Σn)² ÷ Σn² over users
    (Kish); ``variances``: of each side alone.
    """

    thumbs: Any
    approval: Any
    difference: Any
    variance: Any
    variances: Any
    spread: Any
    raters: Any
    weight_of_scores: Any


def summed(found: Sample, configuration: Configuration, *, scores: bool) -> tuple[Numbers, Numbers, Numbers]:
    """``FEATURES`` per side, their Gram matrix over users, and ``LINKS`` per side."""
    thumb = found.values(lambda row: row.thumb)
    unanswered = np.array([row.failed and not row.fell_back for row in found.rows], dtype=bool)
    score = found.values(lambda row: row.scores.get(configuration.score) if scores else None)
    answered = ~unanswered
    rated = answered & ~np.isnan(thumb)
    has = answered & ~np.isnan(score)
    up, value = np.where(rated, thumb > 0, 0.0), np.where(has, score, 0.0)
    table = np.stack([answered, unanswered, rated, up, has, value, rated & has, rated * value], axis=1)
    table = table * found.weight[:, None]
    link = np.stack([value * up, rated * value**2, has * up], axis=1) * found.weight[:, None]
    sums, gram = by_user(found.user, found.side, table)
    return sums, gram, np.stack([link[found.side == one].sum(axis=0) for one in (0, 1)])


def approval(sums: Any, gram: Any, links: Any, configuration: Configuration) -> Approval:
    """The estimate from what ``summed`` gives: (…, 2, F), (…, 2F, 2F) and (…, 2, 3).

    Where a side has no rating, its figures are NaN.
    """
    sums = np.asarray(sums, dtype=float)
    with np.errstate(divide="ignore", invalid="ignore"):
        answered, unanswered, rated, up, scored, score, both, both_score = np.moveaxis(sums, -1, 0)
        lam = _weight_of_scores(sums, links, configuration)[..., None]
        mean_score = np.where(scored > 0, score / np.maximum(scored, 1e-12), 0.0)
        thumbs = up / rated
        g = thumbs + lam * (both * mean_score - both_score) / rated
        questions = answered + unanswered
        f = unanswered / questions
        slope = (1 - f) / rated
        back = slope * lam * both / np.maximum(scored, 1e-12)
        influence = np.stack(
            [
                g * f / questions, -g * (1 - f) / questions, -slope * g, slope,
                -back * mean_score, back, slope * lam * mean_score, -slope * lam,
            ],
            axis=-1,
        )  # fmt: skip
        ratings = np.stack([gram[..., 2, 2], gram[..., WIDTH + 2, WIDTH + 2]], axis=-1)
        raters = rated**2 / ratings
        variances, variance = _variances(influence, gram, raters)
        doubt = (1 - f) ** 2 * (g**2 + (1 - g) ** 2) / raters**2
        theta = (1 - f) * g
        pooled = (up.sum(-1) + 1) / (rated.sum(-1) + 2)
    return Approval(
        thumbs=thumbs,
        approval=theta,
        difference=theta[..., 1] - theta[..., 0],
        variance=variance + doubt.sum(-1),
        variances=variances + doubt,
        spread=pooled * (1 - pooled),
        raters=raters,
        weight_of_scores=lam[..., 0],
    )


def _variances(influence: Any, gram: Any, raters: Any) -> tuple[Any, Any]:
    """Of each side, and of the difference, corrected for few users as a sample variance is (n ÷ (n − 1))."""
    first, second = gram[..., :WIDTH, :WIDTH], gram[..., WIDTH:, WIDTH:]
    cross = gram[..., :WIDTH, WIDTH:]
    own = np.stack(
        [_quadratic(influence[..., side, :], block) for side, block in ((0, first), (1, second))], axis=-1
    )
    shared = (influence[..., 0, None, :] @ cross @ influence[..., 1, :, None])[..., 0, 0]
    few = raters / np.maximum(raters - 1, 0.5)
    return own * few, (own * few).sum(-1) - 2 * shared


def _quadratic(vector: Any, matrix: Any) -> Any:
    return (vector[..., None, :] @ matrix @ vector[..., :, None])[..., 0, 0]


def _weight_of_scores(sums: Any, links: Any, configuration: Configuration) -> Any:
    """λ; 0 with fewer than ``least_scored`` rated answers that have a score."""
    score_up, score_square, scored_up = np.moveaxis(np.asarray(links, dtype=float), -1, 0)
    both, both_score = np.maximum(sums[..., 6], 1e-12), sums[..., 7]
    covariance = (score_up - both_score * scored_up / both).sum(-1)
    square = (score_square - both_score**2 / both).sum(-1)
    enough = (sums[..., 6].sum(-1) >= configuration.least_scored) & (square > 1e-9)
    return np.where(enough, np.maximum(0.0, covariance) / np.where(square > 1e-9, square, 1.0), 0.0)
