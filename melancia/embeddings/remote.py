"""Embeddings that a server computes: every failure of it is an EmbeddingError that says what to do.

The text of a foreign exception is never shown: it may hold a key or an address with a password. Foreign
classes are known by name, so that no library is loaded for this.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from langchain_core.embeddings import Embeddings

from melancia.errors import EmbeddingError


@dataclass(frozen=True, slots=True)
class Service:
    """Who computes, as sentences begin with it, and the variables that say where and with which key."""

    title: str
    model: str
    address_variable: str
    key_variable: str | None
    start: str  # what to do when nothing answers
    fetch: str  # what to do when the model is not there


class RemoteEmbeddings(Embeddings):
    """``inner``, which asks ``service``. Thread-safe as it is. Raises nothing but EmbeddingError."""

    def __init__(self, inner: Embeddings, service: Service) -> None:
        self._inner = inner
        self._service = service

    def embed_query(self, text: str) -> list[float]:
        """Vector of a question."""
        with _translating(self._service):
            return self._inner.embed_query(text)

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Vectors of passages."""
        with _translating(self._service):
            return self._inner.embed_documents(texts)


@contextmanager
def _translating(service: Service) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        raise _failure(service, error) from error


def _failure(service: Service, error: Exception) -> EmbeddingError:
    status = getattr(error, "status_code", None)
    if isinstance(status, int) and status >= 400:
        return _refused(service, status)
    names = {kind.__name__ for kind in type(error).__mro__}
    if names & {"TimeoutException", "APITimeoutError", "TimeoutError"} and "ConnectTimeout" not in names:
        return EmbeddingError(
            f"{service.title} não calculou o vetor a tempo com o modelo {service.model}.",
            "Tente de novo, use um modelo menor ou aumente MELANCIA_FIRST_TOKEN_TIMEOUT.",
        )
    if names & {"ConnectionError", "TransportError", "APIConnectionError"}:
        return EmbeddingError(
            f"{service.title}, que calcula os embeddings, não está respondendo.", service.start
        )
    return EmbeddingError(
        f"{service.title} falhou de um modo inesperado ao calcular embeddings ({type(error).__name__}).",
        f"Confira MELANCIA_EMBEDDING_MODEL e {service.address_variable}.",
    )


def _refused(service: Service, status: int) -> EmbeddingError:
    """The server answered, with an error."""
    if status in (401, 403):
        return EmbeddingError(
            f"{service.title} negou o acesso ao modelo de embeddings {service.model} (erro {status}).",
            f"Confira {service.key_variable or service.address_variable} no arquivo .env.",
        )
    if status == 404:
        return EmbeddingError(
            f"{service.title} não tem o modelo de embeddings {service.model}.", service.fetch
        )
    if status == 429:
        return EmbeddingError(
            f"{service.title} pediu para ir mais devagar, ou a cota acabou.",
            "Espere um pouco e tente de novo; se continuar, confira os créditos da conta.",
        )
    return EmbeddingError(
        f"{service.title} falhou ao calcular embeddings (erro {status}).",
        f"Tente de novo; se continuar, confira se {service.model} é um modelo de embeddings.",
    )
