"""Does an answer say the contrary of its sources (or of the reference)? Negations and opposites. Pure.

Range [0, 1], 1: no contradiction. For each content word of the answer, the places in the texts that have the
same word, or its opposite, are compared by how well the words around them agree (idf-weighted share). Where
the best place has the other polarity (negated here and not there, or the opposite word) by a margin, that
margin counts; the score is 1 minus its mean over the words. After the idea of aligning negation and antonyms
in textual entailment (MacCartney & Manning 2008, aclanthology.org/C08-1066), without a parser. Two
subjects exchanged for each other are left to ``roles``.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache

from melancia.evals.opposites import NEGATIONS, NEXT_ONLY, has_opposite, opposites, stem
from melancia.text import fold, stems

_TOKEN = re.compile(r"[0-9a-z]+(?:[.,][0-9]+)*|[,;:.!?()—–]")
_BREAKS = frozenset(",;:.!?()—–") | {"mas", "sim", "porque", "pois"}
_REACH = 3  # content words after a negation that it may negate
_NEAR, _FAR = 5, 7
_FADING = 0.3
_MAX_IDF = 2.0  # agreement of common words counts nearly as much as of rare ones: an answer paraphrases

Token = tuple[str, bool]
Places = dict[str, list[tuple[bool, frozenset[str]]]]
Idf = Callable[[str], float]


@lru_cache(maxsize=4096)
def tokens(text: str) -> tuple[Token, ...]:
    """Stems of content words in order, each with whether it is negated."""
    found: list[Token] = []
    left = 0
    for word in _TOKEN.findall(fold(text)):
        if word in _BREAKS:
            left = 0
        elif word in NEGATIONS:
            left = _REACH
        elif word in NEXT_ONLY:
            left = 1
        elif stems(word) or has_opposite(word):
            found.append((stem(word), left > 0))
            left = max(0, left - 1)
    return tuple(found)


def places(texts: Iterable[str]) -> Places:
    """Where each stem stands in ``texts``: whether negated, and the stems around it."""
    found: Places = {}
    for text in texts:
        row = tokens(text)
        for at, (word, negated) in enumerate(row):
            found.setdefault(word, []).append((negated, _around(row, at, _FAR)))
    return found


def polarity(answer: Sequence[str], known: Places, idf: Idf) -> float:
    """Agreement of ``answer`` (its sentences) with the texts of ``known``. 1 when they share nothing."""
    margins = [margin for sentence in answer for margin in _margins(tokens(sentence), known, idf)]
    return 1 - sum(margins) / len(margins) if margins else 1.0


def _margins(row: Sequence[Token], known: Places, idf: Idf) -> list[float]:
    found = []
    for at, (word, negated) in enumerate(row):
        weights = _weights(row, at, idf)
        total = sum(weights.values())
        if word[0].isdigit() or not total:
            continue
        agree, contradict = 0.0, 0.0
        for other, flipped in [(word, False), *((opposite, True) for opposite in opposites(word))]:
            for there, context in known.get(other, ()):
                share = sum(weight for near, weight in weights.items() if near in context) / total
                if (there == negated) != flipped:
                    agree = max(agree, share)
                else:
                    contradict = max(contradict, share)
        found.append(max(0.0, contradict - agree))
    return found


def _weights(row: Sequence[Token], at: int, idf: Idf) -> dict[str, float]:
    """Weight of each word around, the less the farther."""
    weights: dict[str, float] = {}
    for place in range(max(0, at - _NEAR), min(len(row), at + _NEAR + 1)):
        if place != at:
            word = row[place][0]
            weight = min(_MAX_IDF, idf(word)) / (1 + _FADING * (abs(place - at) - 1))
            weights[word] = max(weight, weights.get(word, 0.0))
    return weights


def _around(row: Sequence[Token], at: int, reach: int) -> frozenset[str]:
    return frozenset(word for word, _ in [*row[max(0, at - reach) : at], *row[at + 1 : at + 1 + reach]])
