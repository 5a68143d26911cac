"""Embeddings of texts without personal data, for models that another machine runs."""

from langchain_core.embeddings import Embeddings

from melancia.masking import mask


class MaskedEmbeddings(Embeddings):
    """``inner``, which is given masked texts. Thread-safe as it is."""

    def __init__(self, inner: Embeddings) -> None:
        self._inner = inner

    def embed_query(self, text: str) -> list[float]:
        """Vector of a question."""
        return self._inner.embed_query(mask(text))

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Vectors of passages."""
        return self._inner.embed_documents([mask(text) for text in texts])
