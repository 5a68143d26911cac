"""Does what was given support each sentence of an answer? Pure.

Support of a sentence, in [0, 1]: the idf-weighted share of its content stems in the best place of the sources
(three neighbouring sentences under their heading, with the question), shrunk towards ``PRIOR`` by
``STRENGTH`` units of weight, so that a short remark does not weigh like a claim. Idf is capped: a paraphrase
replaces rare words first. ``alike``, in [0, 1]: how little the worst sentence falls behind what the others
lead one to expect; an addition stands out in an answer that keeps to its sources, and a free paraphrase is
free throughout. Word overlap as a floor for faithfulness: FEQA and SummaC compare against it (Laban et al.
2022, doi:10.1162/tacl_a_00453); the minimum over sentences is theirs too.
"""

import math
from collections.abc import Sequence

from melancia.evals.sources import Evidence, Sentence

PRIOR = 0.8
STRENGTH = 15.0
MAX_IDF = 2.0
_USUAL = 0.7  # support per unit of weight of a sentence of which nothing else is known


def support(sentence: Sentence, given: Evidence, source: int | None = None) -> float:
    """Support of ``sentence`` by the best place of ``given``, or of the ``source`` of that rank."""
    wanted = set(sentence.stems)
    weights = {stem: min(MAX_IDF, given.idf(stem)) for stem in wanted}
    total = sum(weights.values())
    best = max(
        (
            sum(weights[stem] for stem in wanted & (window | given.asked))
            for window, place in zip(given.windows, given.sentences, strict=True)
            if source is None or place.source == source
        ),
        default=0.0,
    )
    return (best + STRENGTH * PRIOR) / (total + STRENGTH)


def worst(answer: Sequence[Sentence], given: Evidence) -> float:
    """The least supported sentence's support; ``PRIOR`` when no sentence says enough to be checked."""
    return min((support(sentence, given) for sentence in answer if sentence.telling), default=PRIOR)


def alike(answer: Sequence[Sentence], given: Evidence) -> float:
    """1 minus a quarter of the standard errors by which the worst sentence falls behind the others."""
    totals, found = [], []
    for sentence in answer:
        if sentence.telling:
            total = _total(sentence, given)
            totals.append(total)
            found.append(support(sentence, given) * (total + STRENGTH) - STRENGTH * PRIOR)
    gaps = [0.0]
    for total, here in zip(totals, found, strict=True):
        others = sum(found) - here + 2 * STRENGTH * _USUAL
        expected = total * others / (sum(totals) - total + 2 * STRENGTH)
        gaps.append((expected - here) / math.sqrt(total * MAX_IDF / 4 + STRENGTH))
    return max(0.0, 1 - max(gaps) / 4)


def share(answer: Sequence[Sentence], given: Evidence) -> float:
    """Mean support over sentences, without shrinkage, in [0, 1]."""
    found = [_plain(support(s, given), s, given) for s in answer if s.telling and s.stems]
    return sum(found) / len(found) if found else 0.0


def _plain(shrunk: float, sentence: Sentence, given: Evidence) -> float:
    total = _total(sentence, given)
    return (shrunk * (total + STRENGTH) - STRENGTH * PRIOR) / total if total else PRIOR


def _total(sentence: Sentence, given: Evidence) -> float:
    return sum(min(MAX_IDF, given.idf(stem)) for stem in set(sentence.stems))
