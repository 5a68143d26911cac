"""Vectors of texts, kept: sources and references come again with every model that is asked."""

from collections import OrderedDict
from collections.abc import Sequence
from threading import Lock

import numpy as np
from langchain_core.embeddings import Embeddings
from numpy.typing import NDArray

KEPT = 4096

Vector = NDArray[np.float64]


class Vectors:
    """Unit vectors by text, the last ``kept`` of them. Thread-safe."""

    def __init__(self, embeddings: Embeddings, kept: int = KEPT) -> None:
        self._embeddings = embeddings
        self._kept = kept
        self._known: OrderedDict[tuple[str, str], Vector] = OrderedDict()
        self._lock = Lock()

    def question(self, text: str) -> Vector:
        """Vector of a question. Raises EmbeddingError."""
        return self._get("question", text)

    def passages(self, texts: Sequence[str]) -> Vector:
        """Vectors (n × dimensions) of passages. Raises EmbeddingError."""
        return np.stack([self._get("passage", text) for text in texts])

    def cosine(self, question: str, passage: str) -> float:
        """Cosine of a question and a passage. Raises EmbeddingError."""
        return float(self._get("passage", passage) @ self.question(question))

    def _get(self, role: str, text: str) -> Vector:
        key = role, text
        with self._lock:
            if key in self._known:
                self._known.move_to_end(key)
                return self._known[key]
        if role == "question":
            vector = np.asarray(self._embeddings.embed_query(text), float)
        else:
            vector = np.asarray(self._embeddings.embed_documents([text])[0], float)
        length = float(np.linalg.norm(vector))
        vector = vector / length if length else vector
        with self._lock:
            self._known[key] = vector
            while len(self._known) > self._kept:
                self._known.popitem(last=False)
        return vector
