"""Whether questions mean something else than before: Evidently's classifier of embeddings, calibrated by us.

``ModelDriftMethod`` learns to tell the windows apart on half of the rows and says how well it does on the
other half (ROC AUC). Its own threshold ignores how many rows there were, and its bootstrap draws 100 times,
too few to correct for many tests. But the AUC on rows that were not learnt from is Mann–Whitney's statistic,
whose distribution without drift is known, provided that rows are independent: hence one question a user and
window. Stretches of equal length, for a longer one would hold more users who rarely ask.
"""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from melancia.mlops.drift.frame import Window
from melancia.mlops.drift.hypotheses import Hypothesis
from melancia.mlops.drift.pairs import LIVE

LEAST_QUESTIONS = 100  # a side; half of them teach
_MOST = 2000  # a side: more take long and find what is too small to matter
_LEAST_AUC = 0.55  # Evidently's own threshold
FIGURE = "question_embedding"


def compare(current: Window, reference: Window, seed: int) -> Hypothesis:
    """The hypothesis of the questions' vectors."""
    rng = np.random.default_rng(seed)
    span = current.until - current.since
    now = _one_a_user(current, np.ones(len(current.sampled), dtype=bool), rng)
    then = _one_a_user(reference, _latest(reference, span), rng)
    found = Hypothesis(FIGURE)
    least = min(len(now), len(then))
    if least < LEAST_QUESTIONS:
        return replace(
            found,
            reason=f"perguntas de {len(now)} usuários agora e {len(then)} antes, em tempos iguais; são "
            f"precisos {LEAST_QUESTIONS}",
        )
    size = min(least, _MOST)
    now, then = rng.permutation(now)[:size], rng.permutation(then)[:size]
    auc = _auc(current.vectors[now], reference.vectors[then])
    if not np.isfinite(auc):
        return replace(found, reason="os vetores não puderam ser comparados")
    return replace(
        found,
        value=auc,
        reference=0.5,
        effect=max(0.0, auc - 0.5),
        large=auc >= _LEAST_AUC,
        p_value=_chance(auc, size),
    )


def _auc(now: NDArray[np.float32], then: NDArray[np.float32]) -> float:
    from evidently.legacy.metrics.data_drift.embedding_drift_methods import ModelDriftMethod

    # Embeddings of one model share most of their direction: what differs is the rest.
    both = np.vstack([now, then]).astype(np.float64)
    both -= both.mean(axis=0)
    both /= max(float(both.std()), np.finfo(float).tiny)
    frames = [pd.DataFrame(side).add_prefix("d") for side in (both[: len(now)], both[len(now) :])]
    score, _, _ = ModelDriftMethod()(*frames)
    return float(score)


def _chance(auc: float, size: int) -> float:
    """How likely so good a separation is without drift; ``size`` rows a side, half of them held out."""
    from scipy import stats

    held = size / 2
    return float(stats.norm.sf((auc - 0.5) / np.sqrt((2 * held + 1) / (12 * held**2))))


def _latest(window: Window, span: timedelta) -> NDArray[np.bool_]:
    """The sampled questions of the last ``span`` of ``window``; all of a file's."""
    frame = window.frame.iloc[window.sampled]
    if window.kind != LIVE:
        return np.ones(len(frame), dtype=bool)
    return np.asarray(frame["created_at"] >= window.until - span)


def _one_a_user(window: Window, mask: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.int64]:
    """Positions in ``vectors`` of one question a user, drawn; every question of nobody."""
    places = rng.permutation(np.flatnonzero(mask))
    users = window.frame["user"].iloc[window.sampled[places]]
    return np.asarray(places[(~users.duplicated() | (users == "")).to_numpy()])
