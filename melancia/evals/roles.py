"""Does an answer exchange two things, saying of each what is true of the other? Pure; no parser.

Range [0, 1], 1: no. Every word belongs to the last mention before it of one of the two things. For each pair
of names (or of words of the question) that answer and text share, the words that both have are compared by
whom they belong to; the score is 1 minus the largest surplus (idf-weighted) of words that changed hands, if
words of both did.
"""

import re
from collections.abc import Sequence
from itertools import combinations

from melancia.evals.sources import Idf
from melancia.text import stems

_NAME = re.compile(r"(?<!^)\b[A-ZÀ-Ü][\w&-]+")
_REACH = 14  # words after a mention that are still said of it
_MAX_IDF = 2.0
_STRENGTH = 8.0  # units of weight; a few words that changed hands are no exchange
_MOST = 12  # words that may be exchanged; pairs grow with their square

Owned = dict[str, tuple[int, int]]


def roles(answer: Sequence[str], text: str, question: str, idf: Idf) -> float:
    """How little the sentences of ``answer`` exchange things, compared with ``text``."""
    said = [stem for sentence in answer for stem in stems(sentence)]
    there = stems(text)
    names = {stem for sentence in answer for name in _NAME.findall(sentence) for stem in stems(name)}
    shared = [
        stem
        for stem in dict.fromkeys(there)
        if stem in said and stem in names.union(stems(question)) and not stem[0].isdigit()
    ]
    pairs = combinations(shared[:_MOST], 2)
    return 1 - max(
        (_exchanged(_owned(said, *pair), _owned(there, *pair), idf) for pair in pairs), default=0.0
    )


def _owned(row: Sequence[str], first: str, second: str) -> Owned:
    """Stem → how often it belongs to ``first`` and to ``second``."""
    found: Owned = {}
    owner, since = -1, 0
    for stem in row:
        since += 1
        if stem in (first, second):
            owner, since = int(stem == second), 0
        elif owner >= 0 and since <= _REACH:
            one, two = found.get(stem, (0, 0))
            found[stem] = (one + (owner == 0), two + (owner == 1))
    return found


def _exchanged(said: Owned, there: Owned, idf: Idf) -> float:
    kept, changed = 0.0, [0.0, 0.0]
    for stem, (one, two) in said.items():
        if stem not in there or (one > 0) == (two > 0):
            continue
        weight = min(_MAX_IDF, idf(stem))
        mine = there[stem][int(two > 0)] / sum(there[stem])
        kept += weight * mine
        changed[int(two > 0)] += weight * (1 - mine)
    if not all(changed):
        return 0.0
    surplus = sum(changed) - kept
    return max(0.0, surplus / (sum(changed) + kept + _STRENGTH))
