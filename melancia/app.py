"""Wires the parts together. The doors (CLI, page) get a ``Runtime`` and nothing else."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from langchain_core.embeddings import Embeddings

from melancia.agent.retriever import HybridRetriever
from melancia.embeddings import create_embeddings
from melancia.index.catalog import Catalog
from melancia.index.vectors import VectorIndex, open_vectors
from melancia.knowledge.embed import compute_missing
from melancia.knowledge.ingest import IngestReport, ingest
from melancia.settings import Settings


@dataclass(frozen=True, slots=True)
class IndexProgress:
    """Documents, chunks and vectors so far; ``ready`` when every chunk has its vector."""

    documents: int
    chunks: int
    vectors: int
    ready: bool
    error: str | None = None


class KnowledgeIndex:
    """The index of one data directory: its catalog, its vectors, its retriever."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._catalog = Catalog(settings.index_dir / "catalog.db")
        self._writing = threading.Lock()
        self._vectors: VectorIndex | None = None

    @cached_property
    def _embeddings(self) -> Embeddings:
        return create_embeddings(self._settings.embedding_model, self._settings)

    @cached_property
    def retriever(self) -> HybridRetriever:
        """The retriever over this index. Lexical until vectors exist."""
        return HybridRetriever(
            catalog=self._catalog,
            embeddings=self._embeddings,
            embedding_model=self._settings.embedding_model,
            vectors=self._open_vectors() if self.progress().vectors else None,
            k=self._settings.k,
        )

    @property
    def embeddings(self) -> Embeddings:
        """The embedding model of this index."""
        return self._embeddings

    @property
    def version(self) -> str:
        """Changes whenever a document changes."""
        return self._catalog.version

    def ingest(
        self, roots: Sequence[Path], on_progress: Callable[[str, int, int], None] | None = None
    ) -> IngestReport:
        """Bring folders into the index; none given means the project's knowledge folder."""
        with self._writing:
            return ingest(self._catalog, list(roots) or [self._settings.knowledge_dir], on_progress)

    def ensure_ingested(self) -> IngestReport:
        """Bring every folder ingested before up to date, or the knowledge folder if there was none."""
        known = [Path(root) for root in self._catalog.roots() if Path(root).exists()]
        return self.ingest(known)

    def compute_vectors(
        self, on_progress: Callable[[int, int], None] | None = None, threads: int = 2
    ) -> None:
        """Compute the missing vectors, bring the vector index up to date, calibrate the evidence cut."""
        with self._writing:
            model = self._settings.embedding_model
            compute_missing(self._catalog, self._embeddings, model, threads=threads, on_progress=on_progress)
            vectors = self._open_vectors()
            vectors.sync()
            self.retriever.vectors = vectors
            if self._catalog.fact("calibrated") != self.version:
                self.retriever.calibrate()
                self._catalog.set_fact("calibrated", self.version)

    def progress(self) -> IndexProgress:
        """How far the index is."""
        documents, chunks, vectors = self._catalog.counts(self._settings.embedding_model)
        return IndexProgress(documents, chunks, vectors, ready=chunks == vectors)

    def close(self) -> None:
        """Release the vector index and the catalog."""
        if self._vectors is not None:
            self._vectors.close()
        self._catalog.close()

    def _open_vectors(self) -> VectorIndex:
        if self._vectors is None:
            self._vectors = open_vectors(
                self._settings.index_dir / "chroma", self._catalog, self._settings.embedding_model
            )
        return self._vectors
