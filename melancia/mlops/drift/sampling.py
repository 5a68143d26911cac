"""Random samples that are the same every time: the draw is a hash of the interaction's id."""

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from langchain_core.embeddings import Embeddings
from numpy.typing import NDArray

from melancia.text import normalise

_BATCH = 32
_THREADS = 2


def order(ids: Sequence[str]) -> list[int]:
    """Positions in ``ids`` in the order in which they are drawn."""
    return sorted(range(len(ids)), key=lambda place: (_lot(ids[place]), place))


def embedded(
    texts: Sequence[str], ids: Sequence[str], embeddings: Embeddings, most: int, go_on: Callable[[], None]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Positions, ascending, of up to ``most`` questions, and their unit vectors. Empty ones are never drawn.

    ``go_on`` is called between batches, and may raise. Raises EmbeddingError.
    """
    drawn = sorted([place for place in order(ids) if normalise(texts[place])][:most])
    once = list(dict.fromkeys(texts[place] for place in drawn))  # what many ask is embedded once
    vectors: dict[str, list[float]] = {}
    with ThreadPoolExecutor(_THREADS) as pool:
        for start in range(0, len(once), _BATCH):
            go_on()
            batch = once[start : start + _BATCH]
            vectors.update(zip(batch, pool.map(embeddings.embed_query, batch), strict=True))
    if not drawn:
        return np.zeros(0, np.int64), np.zeros((0, 0), np.float32)
    matrix = np.array([vectors[texts[place]] for place in drawn], np.float32)
    lengths = np.linalg.norm(matrix, axis=1, keepdims=True)
    return np.array(drawn, np.int64), np.asarray(matrix / np.where(lengths > 0, lengths, 1), np.float32)


def _lot(id_: str) -> bytes:
    return hashlib.blake2b(id_.encode(), digest_size=8).digest()
