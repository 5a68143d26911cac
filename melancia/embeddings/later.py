"""Embeddings that are loaded when they are first asked for: a model takes a second that no start has."""

from collections.abc import Callable

from langchain_core.embeddings import Embeddings


class LaterEmbeddings(Embeddings):
    """What ``load`` gives, at each use: it must keep it. Raises whatever ``load`` raises."""

    def __init__(self, load: Callable[[], Embeddings]) -> None:
        self._load = load

    def embed_query(self, text: str) -> list[float]:
        """Vector of a question."""
        return self._load().embed_query(text)

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Vectors of passages."""
        return self._load().embed_documents(texts)
