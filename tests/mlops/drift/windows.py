"""Windows to look for topics in, and an embedding model that costs nothing."""

import zlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
from langchain_core.embeddings import Embeddings
from numpy.typing import NDArray

from melancia.mlops.drift.frame import Window, typed
from melancia.mlops.drift.references import blank

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


class ByWords(Embeddings):
    """A direction a word: questions with words in common are near. Counts what it was asked."""

    def __init__(self, size: int = 64) -> None:
        self.asked: list[str] = []
        self._size = size

    def embed_query(self, text: str) -> list[float]:
        self.asked.append(text)
        vector = np.full(self._size, 0.01)
        for word in text.lower().split():
            vector[zlib.crc32(word.encode()) % self._size] += 1
        return [float(value) for value in vector]

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [self.embed_query(text) for text in texts]


def window(
    questions: Sequence[str], vectors: NDArray[Any], unanswered: Sequence[bool] | None = None
) -> Window:
    """A window of these questions, each embedded."""
    rows = [
        {**blank(), "id": f"i{number}", "created_at": NOON, "question": question}
        for number, question in enumerate(questions)
    ]
    for row, refused in zip(rows, unanswered or [], strict=False):
        row["unanswered"] = refused
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return Window(
        kind="store",
        since=NOON,
        until=NOON,
        frame=typed({name: [row[name] for row in rows] for name in blank()}),
        sampled=np.arange(len(rows)),
        vectors=unit.astype(np.float32),
        total=len(rows),
        retrieved={},
    )
