"""Nearest neighbours among the chunks' vectors: a Chroma server, Chroma in this process, or exact search.

A Chroma path belongs to one process at a time (two lose vectors and corrupt the database), so a lock
file decides. Another process, such as ``melancia ask`` beside a running page, compares against the
vectors of the catalog directly: the same results, linear time.
"""

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Protocol
from urllib.parse import urlsplit

import numpy as np

from melancia.errors import IndexLockedError, SettingsError, VectorsUnavailableError
from melancia.index.catalog import Catalog
from melancia.records import Filters
from melancia.telemetry.secrets import without_login

_BATCH = 5000  # Chroma refuses more than 5,461 a call


class VectorIndex(Protocol):
    """Chunk ids by cosine similarity."""

    def sync(self) -> None:
        """Bring the index to the catalog's chunks and vectors."""

    def query(
        self, vector: Sequence[float], n: int, filters: Filters, kind: str = "passage"
    ) -> list[tuple[str, float]]:
        """The ``n`` nearest chunks of a kind as (chunk id, cosine), best first."""

    def close(self) -> None:
        """Release files and locks."""


def open_vectors(directory: Path, catalog: Catalog, model: str, server: str | None = None) -> VectorIndex:
    """The Chroma server at ``server``; without one, Chroma in ``directory``, or exact search if that is held.

    Raises VectorsUnavailableError when the server does not answer.
    """
    if server is not None:
        return ChromaServerVectors(server, catalog, model)
    try:
        return ChromaVectors(directory, catalog, model)
    except IndexLockedError:
        return ExactVectors(catalog, model)


def matches(filters: Filters, topic: str, marketplaces: Sequence[str]) -> bool:
    """Whether a document passes the filters; one on "geral" serves every marketplace."""
    if filters.topic and filters.topic != topic:
        return False
    return not filters.marketplace or filters.marketplace in marketplaces or "geral" in marketplaces


class ExactVectors:
    """Cosine against every vector of the catalog."""

    def __init__(self, catalog: Catalog, model: str) -> None:
        self._catalog = catalog
        self._model = model
        self.sync()

    def sync(self) -> None:
        hashes, matrix = self._catalog.vectors(self._model)
        row_of = {key: row for row, key in enumerate(hashes)}
        documents = {document.id: document for document in self._catalog.documents()}
        found = [chunk for chunk in self._catalog.chunks() if chunk.text_hash in row_of]
        found = [chunk for chunk in found if chunk.document_id in documents]
        self._ids = [chunk.id for chunk in found]
        self._kinds = [chunk.kind for chunk in found]
        self._documents = [documents[chunk.document_id] for chunk in found]
        self._matrix = matrix[[row_of[chunk.text_hash] for chunk in found]] if found else matrix[:0]

    def query(
        self, vector: Sequence[float], n: int, filters: Filters, kind: str = "passage"
    ) -> list[tuple[str, float]]:
        if not self._ids:
            return []
        cosines = self._matrix @ np.asarray(vector, np.float32)
        ranked = np.argsort(-cosines, kind="stable")
        kept = [
            (self._ids[i], float(cosines[i]))
            for i in ranked
            if self._kinds[i] == kind
            and matches(filters, self._documents[i].topic, self._documents[i].marketplaces)
        ]
        return kept[:n]

    def close(self) -> None:
        """Nothing is held."""


class _Collection:
    """A Chroma collection, one a model, wherever it lives."""

    def __init__(self, client: Any, catalog: Catalog, model: str) -> None:
        self._catalog = catalog
        self._model = model
        self._client = client
        self._collection = client.get_or_create_collection(
            "chunks-" + "".join(char if char.isalnum() else "-" for char in model),
            embedding_function=None,  # the default would fetch a model from outside
            configuration={
                "hnsw": {"space": "cosine", "ef_construction": 200, "max_neighbors": 16, "ef_search": 400}
            },
        )
        self.sync()

    def sync(self) -> None:
        wanted = {chunk.id: chunk for chunk in self._catalog.chunks()}
        present = set(self._collection.get(include=[])["ids"])
        stale = sorted(present - set(wanted))
        for start in range(0, len(stale), _BATCH):
            self._collection.delete(ids=stale[start : start + _BATCH])
        missing = sorted(set(wanted) - present)
        if not missing:
            return
        hashes, matrix = self._catalog.vectors(self._model)
        row_of = {key: row for row, key in enumerate(hashes)}
        documents = {document.id: document for document in self._catalog.documents()}
        ready = [
            wanted[id_]
            for id_ in missing
            if wanted[id_].text_hash in row_of and wanted[id_].document_id in documents
        ]
        for start in range(0, len(ready), _BATCH):
            batch = ready[start : start + _BATCH]
            self._collection.add(
                ids=[chunk.id for chunk in batch],
                embeddings=matrix[[row_of[chunk.text_hash] for chunk in batch]],
                metadatas=[_metadata(documents[chunk.document_id], chunk.kind) for chunk in batch],
            )

    def query(
        self, vector: Sequence[float], n: int, filters: Filters, kind: str = "passage"
    ) -> list[tuple[str, float]]:
        count = self._collection.count()
        if count == 0:
            return []
        found = self._collection.query(
            query_embeddings=[list(vector)],
            n_results=min(n, count),
            where=_where(filters, kind),
            include=["distances"],
        )
        distances = found["distances"] or [[]]
        return [(id_, 1.0 - d) for id_, d in zip(found["ids"][0], distances[0], strict=True)]

    def close(self) -> None:
        """Let go of the database."""
        self._client.close()


class ChromaVectors(_Collection):
    """A Chroma of this process. Raises IndexLockedError when another process has it."""

    def __init__(self, directory: Path, catalog: Catalog, model: str) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._lock = _acquire(directory.parent / "chroma.lock")
        import chromadb

        client = chromadb.PersistentClient(
            path=str(directory), settings=chromadb.Settings(anonymized_telemetry=False)
        )
        super().__init__(client, catalog, model)

    def close(self) -> None:
        """Close the database and let another process have it."""
        super().close()
        self._lock.close()


class ChromaServerVectors(_Collection):
    """A collection of a Chroma server. Every failure to reach it is VectorsUnavailableError."""

    def __init__(self, server: str, catalog: Catalog, model: str) -> None:
        import chromadb

        address = urlsplit(server)
        if address.scheme not in ("http", "https") or not address.hostname:
            raise SettingsError(
                "O endereço em MELANCIA_CHROMA_URL não é válido.", "Use, por exemplo, http://chroma:8000."
            )
        with _reaching(server):
            client = chromadb.HttpClient(
                host=address.hostname,
                port=address.port or (443 if address.scheme == "https" else 80),
                ssl=address.scheme == "https",
                settings=chromadb.Settings(anonymized_telemetry=False),
            )
            self._server = server
            super().__init__(client, catalog, model)

    def sync(self) -> None:
        with _reaching(self._server):
            super().sync()

    def query(
        self, vector: Sequence[float], n: int, filters: Filters, kind: str = "passage"
    ) -> list[tuple[str, float]]:
        with _reaching(self._server):
            return super().query(vector, n, filters, kind)


@contextmanager
def _reaching(server: str) -> Iterator[None]:
    import httpx
    from chromadb.errors import ChromaError

    try:
        yield
    # The client wraps a refused connection in a plain ValueError.
    except (httpx.HTTPError, ChromaError, ValueError, OSError) as error:
        raise VectorsUnavailableError(
            f"O ChromaDB não responde em {without_login(server)}.",
            "Inicie-o (docker compose up -d chroma); até lá, a busca usa só as palavras.",
        ) from error


def _metadata(document: Any, kind: str) -> dict[str, str | bool]:
    flags: dict[str, str | bool] = {f"m_{name}": True for name in document.marketplaces}
    return {"document_id": document.id, "topic": document.topic, "kind": kind, **flags}


def _where(filters: Filters, kind: str) -> Any:
    clauses: list[Any] = [{"kind": kind}]
    if filters.topic:
        clauses.append({"topic": filters.topic})
    if filters.marketplace:
        clauses.append({"$or": [{f"m_{filters.marketplace}": True}, {"m_geral": True}]})
    return clauses[0] if len(clauses) == 1 else {"$and": clauses}


def _acquire(path: Path) -> IO[str]:
    lock = path.open("a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        lock.seek(0)
        owner = lock.read().strip()
        lock.close()
        raise IndexLockedError(
            f"O índice de vetores está em uso pelo processo {owner or 'desconhecido'}.",
            "Pare o outro processo (por exemplo `melancia serve`) ou espere que termine.",
        ) from error
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return lock
