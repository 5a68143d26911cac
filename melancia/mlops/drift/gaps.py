"""Perguntas sem resposta na base: what was asked and nothing was found for, like beside like."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from langchain_core.embeddings import Embeddings
from numpy.typing import NDArray

from melancia.mlops.drift.frame import Window
from melancia.mlops.drift.labels import labels
from melancia.mlops.drift.sampling import embedded
from melancia.mlops.drift.topics import groups, unit
from melancia.text import fold, normalise

_GROUPS = 30
_EXAMPLES = 5
_ENOUGH = 20  # vectors that a middle can be taken from; without it all questions look alike


def gaps(
    window: Window,
    *,
    embeddings: Embeddings | None = None,
    most: int = 500,
    go_on: Callable[[], None] = lambda: None,
) -> list[dict[str, Any]]:
    """The unanswered questions of ``window`` in groups, the largest first; plain JSON values.

    A group has its ``label`` ("" for a question that is alone), the ``count`` of its questions, how many of
    them are ``out_of_scope``, and ``examples`` (masked, the commonest first) with their interaction ``ids``.
    Looked at are those that are among the embedded ones, and with ``embeddings`` ``most`` others too. Raises
    EmbeddingError.
    """
    places, vectors = _unanswered(window, embeddings, most, go_on)
    if not len(places):
        return []
    texts = [str(text) for text in window.frame["question"].to_numpy()[places]]
    numbers = _grouped(vectors, window.vectors, texts)
    members = [np.flatnonzero(numbers == number) for number in range(numbers.max() + 1)]
    members.sort(key=lambda group: (-len(group), int(group[0])))
    named = _named([[texts[one] for one in group] for group in members[:_GROUPS]], _answered(window))
    return [_gap(window, places[group], label) for label, group in zip(named, members[:_GROUPS], strict=True)]


def _unanswered(
    window: Window, embeddings: Embeddings | None, most: int, go_on: Callable[[], None]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Places of the questions that are looked at, and their vectors."""
    wanted = window.frame["unanswered"].to_numpy()
    mine = wanted[window.sampled] if len(window.sampled) else np.zeros(0, bool)
    places, vectors = window.sampled[mine], window.vectors[mine]
    others = np.setdiff1d(np.flatnonzero(wanted), places)
    if embeddings is None or not len(others):
        return places, vectors
    frame = window.frame.iloc[others]
    drawn, more = embedded(frame["question"].tolist(), frame["id"].tolist(), embeddings, most, go_on)
    if not len(drawn):
        return places, vectors
    joined = np.concatenate([vectors, more]) if len(vectors) else more
    return np.concatenate([places, others[drawn]]), joined


def _grouped(
    vectors: NDArray[np.float32], asked: NDArray[np.float32], texts: Sequence[str]
) -> NDArray[np.int64]:
    """A number from 0 on for each question, equal within a group."""
    known = asked if len(asked) >= _ENOUGH else vectors
    if len(known) >= _ENOUGH:
        numbers = groups(unit(vectors - known.mean(axis=0)))
    else:
        once = {text: number for number, text in enumerate(dict.fromkeys(map(_plain, texts)))}
        numbers = np.array([once[_plain(text)] for text in texts])
    return np.asarray(np.unique(numbers, return_inverse=True)[1].reshape(-1), np.int64)


def _named(found: Sequence[Sequence[str]], answered: Sequence[str]) -> list[str]:
    """A group of several questions has a label. A question that is alone has none: labels are shown where
    nobody's own words may be, and outlive whoever asked."""
    several = [len(set(map(_plain, texts))) > 1 for texts in found]
    made = iter(labels([texts for texts, many in zip(found, several, strict=True) if many], answered))
    return [next(made) if many else "" for many in several]


def _gap(window: Window, places: NDArray[np.int64], label: str) -> dict[str, Any]:
    rows = window.frame.iloc[places]
    texts = [normalise(str(text)) for text in rows["question"]]
    first = dict(zip(reversed(texts), reversed(rows["id"].tolist()), strict=True))
    examples = [text for text, _ in Counter(texts).most_common(_EXAMPLES)]
    return {
        "label": label,
        "count": len(rows),
        "out_of_scope": int(rows["out_of_scope"].sum()),
        "examples": examples,
        "ids": [str(first[text]) for text in examples],
    }


def _answered(window: Window) -> list[str]:
    """Questions that were answered, for labels to stand out from."""
    rows = window.frame.iloc[window.sampled]
    return [str(text) for text in rows.loc[~rows["unanswered"], "question"]]


def _plain(text: str) -> str:
    return fold(normalise(text))
