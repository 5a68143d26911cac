"""BM25 over Portuguese stems, with a share of BM25 over character 4-grams: robust to typos and accents."""

from collections.abc import Callable, Sequence

import bm25s
import numpy as np
from numpy.typing import NDArray

from melancia.text import char_ngrams, stems

NGRAM_SHARE = 0.3  # chosen on the dev questions; see docs/decisions/0005


class _Leg:
    """BM25 over one way of cutting texts into terms."""

    def __init__(self, texts: Sequence[str], terms: Callable[[str], list[str]]) -> None:
        self._terms = terms
        corpus = [terms(text) or ["_"] for text in texts]
        self._vocabulary = {term for document in corpus for term in document}
        self._bm25 = bm25s.BM25(method="lucene")
        self._bm25.index(corpus, show_progress=False)

    def scores(self, query: str) -> NDArray[np.float32]:
        """Scores divided by their maximum, so that two legs can be averaged."""
        known = [term for term in self._terms(query) if term in self._vocabulary]
        if not known:
            return np.zeros(self._bm25.scores["num_docs"], np.float32)
        scores = np.asarray(self._bm25.get_scores(known), np.float32)
        top = float(scores.max())
        return scores / top if top > 0 else scores


class LexicalIndex:
    """Immutable; made anew when the catalog changes."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._legs = [_Leg(texts, stems), _Leg(texts, char_ngrams)] if texts else []
        self._size = len(texts)
        self._df: dict[str, int] = {}
        for text in texts:
            for stem in set(stems(text)):
                self._df[stem] = self._df.get(stem, 0) + 1

    def scores(self, query: str) -> NDArray[np.float32]:
        """One score in [0, 1] a text, in the order given."""
        if not self._legs:
            return np.zeros(0, np.float32)
        words, grams = (leg.scores(query) for leg in self._legs)
        return np.asarray((1 - NGRAM_SHARE) * words + NGRAM_SHARE * grams, np.float32)

    def idf(self, stem: str) -> float:
        """Inverse document frequency (Robertson/Lucene form); the highest for a stem never seen."""
        df = self._df.get(stem, 0)
        return float(np.log(1 + (self._size - df + 0.5) / (df + 0.5)))

    def coverage(self, query: str, text: str) -> float:
        """Idf-weighted share of the query's content stems that occur in ``text``; 0 without any."""
        wanted = set(stems(query))
        total = sum(self.idf(stem) for stem in wanted)
        present = set(stems(text))
        return sum(self.idf(stem) for stem in wanted & present) / total if total else 0.0
