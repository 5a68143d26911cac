"""Documents that went silent, and documents that answer everything.

The counts of documents do not say whose questions they were: a user counts as one answer, the most cautious
reading of rows that depend on each other.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from melancia.mlops.drift.clusters import LEAST_CLUSTERS
from melancia.mlops.drift.frame import Window
from melancia.mlops.drift.hypotheses import LEAST_ROWS, Hypothesis
from melancia.mlops.drift.pairs import LIVE

_DOMINANT = 0.15  # of answers, that a document must have gained
_HEARD = 0.05  # of answers, in which a document was found before it went silent
_NAMED = 5


def compare(current: Window, reference: Window) -> list[Hypothesis]:
    """Dominance, silence, and the documents that nothing found, which is a fact and no test."""
    facts = [_never(current)]
    found = [Hypothesis("document_dominance"), Hypothesis("document_silent")]
    if reference.kind != LIVE:
        return [*(replace(one, reason="a referência não passou pela busca") for one in found), *facts]
    now, then = _answers(current), _answers(reference)
    if min(now) < LEAST_ROWS or min(then) < LEAST_ROWS or min(now[1], then[1]) < LEAST_CLUSTERS:
        reason = f"buscas de {now[1]} usuários agora e {then[1]} antes; são precisos {LEAST_ROWS}"
        return [*(replace(one, reason=reason) for one in found), *facts]
    names = sorted({*current.retrieved, *reference.retrieved})
    if not names:
        return [*(replace(one, reason="a busca não trouxe documentos") for one in found), *facts]
    share_now, share_then = _shares(current, names, now[0]), _shares(reference, names, then[0])
    p_values = _fisher(share_now, share_then, min(now), min(then))
    gained = share_now - share_then
    risen = int(np.argmax(np.where(gained > 0, -np.log(np.maximum(p_values, 1e-300)), -1)))
    lost = np.flatnonzero((share_now == 0) & (share_then >= _HEARD))
    first = int(lost[np.argmin(p_values[lost])]) if len(lost) else int(np.argmin(gained))
    dominance = replace(
        found[0],
        value=float(share_now[risen]),
        reference=float(share_then[risen]),
        effect=float(gained[risen]),
        large=bool(gained[risen] >= _DOMINANT),
        p_value=min(1.0, len(names) * float(p_values[risen])),
        parts=(names[risen],),
    )
    silence = replace(
        found[1],
        value=float(len(lost)),
        reference=0.0,
        effect=float(len(lost)),
        large=bool(len(lost)),
        p_value=min(1.0, len(names) * float(p_values[first])) if len(lost) else 1.0,
        parts=tuple(names[place] for place in lost[:_NAMED]),
    )
    return [dominance, silence, *facts]


def _never(window: Window) -> Hypothesis:
    """The share of the base that no question of the window found."""
    if not window.documents:
        return Hypothesis("documents_never", reason="a base não tem documentos")
    silent = [name for name in window.documents if not window.retrieved.get(name)]
    return Hypothesis(
        "documents_never",
        value=len(silent) / len(window.documents),
        reason=f"{len(silent)} de {len(window.documents)} documentos",
        parts=tuple(silent[:_NAMED]),
    )


def _answers(window: Window) -> tuple[int, int]:
    """Answers for which something was retrieved, and the users who got them."""
    users = window.frame["user"][window.frame["top_score"].notna()]
    return len(users), int(users[users != ""].nunique() + (users == "").sum())


def _shares(window: Window, names: list[str], answers: int) -> NDArray[np.float64]:
    counts: Mapping[str, int] = window.retrieved
    return np.minimum(1.0, np.array([counts.get(name, 0) for name in names]) / max(1, answers))


def _fisher(
    now: NDArray[np.float64],
    then: NDArray[np.float64],
    size_now: int,
    size_then: int,
) -> NDArray[np.float64]:
    """Fisher's test of each document, as if each user had asked once."""
    from scipy import stats

    tables = [
        [
            [round(a * size_now), size_now - round(a * size_now)],
            [round(b * size_then), size_then - round(b * size_then)],
        ]
        for a, b in zip(now, then, strict=True)
    ]
    return np.array([float(stats.fisher_exact(table).pvalue) for table in tables])
