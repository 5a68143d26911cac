"""Wires the parts together. The doors (CLI, page) get a ``Runtime`` and nothing else."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Self
from weakref import WeakKeyDictionary

from langchain_core.embeddings import Embeddings
from langchain_core.language_models import BaseChatModel

from melancia.agent.assistant import Assistant
from melancia.agent.retriever import HybridRetriever
from melancia.embeddings import create_embeddings
from melancia.errors import MelanciaError
from melancia.index.catalog import Catalog, Document
from melancia.index.vectors import VectorIndex, open_vectors
from melancia.knowledge.embed import compute_missing
from melancia.knowledge.ingest import IngestReport, ingest
from melancia.llms import create_chat_model, fallback_variants, resolve_variant, variant_options
from melancia.llms.extractive import ExtractiveChatModel
from melancia.records import Variant
from melancia.settings import Settings
from melancia.store import Store

_CHOICE_LASTS = 30.0  # seconds that an automatic choice of model is kept: it asks the network

logger = logging.getLogger(__name__)


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
        self._worker: threading.Thread | None = None
        self._closing = threading.Event()
        self._error: str | None = None

    def start_updating(self) -> None:
        """Bring documents and vectors up to date in a thread; ``progress`` tells how far it is."""
        if self._worker is None:
            self._worker = threading.Thread(target=self._update, name="melancia-index", daemon=True)
            self._worker.start()

    def _update(self) -> None:
        try:
            report = self.ensure_ingested()
            for failure in report.failures:
                logger.warning("not indexed: %s: %s", failure.path, failure.reason)
            if report.failures:
                self._error = f"{len(report.failures)} documento(s) não indexado(s); veja os registros."
            self.compute_vectors()
        except MelanciaError as error:
            logger.error("the index could not be brought up to date: %s", error)
            self._error = str(error)
        except Exception as error:
            logger.exception("the index could not be brought up to date")
            self._error = f"O índice não pôde ser atualizado ({type(error).__name__}); veja os registros."

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

    def documents(self) -> list[Document]:
        """What is indexed, by id."""
        return self._catalog.documents()

    def sections(self, document_id: str) -> list[tuple[str, str]]:
        """(heading path, Markdown) of a document's sections, in order."""
        parts = (
            (chunk.section, chunk.section_text)
            for chunk in self._catalog.chunks()
            if chunk.document_id == document_id and chunk.kind == "passage"
        )
        return list(dict.fromkeys(parts))

    def marketplaces(self) -> list[str]:
        """The marketplaces that documents speak of, sorted."""
        return sorted({place for document in self._catalog.documents() for place in document.marketplaces})

    def ingest(
        self, roots: Sequence[Path | str], on_progress: Callable[[str, int, int], None] | None = None
    ) -> IngestReport:
        """Bring folders, files and addresses into the index; none given means the knowledge folder."""
        with self._writing:
            return ingest(self._catalog, list(roots) or [self._settings.knowledge_dir], on_progress)

    def ensure_ingested(self) -> IngestReport:
        """Bring every folder ingested before up to date.

        The knowledge folder joins them when there was none, or when it was chosen on purpose.
        """
        known = [Path(root) for root in self._catalog.roots() if Path(root).exists()]
        chosen = self._settings.knowledge_dir
        if known and "knowledge_dir" in self._settings.model_fields_set and chosen not in known:
            known.append(chosen)
        return self.ingest(known)

    def compute_vectors(
        self, on_progress: Callable[[int, int], None] | None = None, threads: int = 2
    ) -> None:
        """Compute the missing vectors, bring the vector index up to date, calibrate the evidence cut."""
        with self._writing:
            model = self._settings.embedding_model
            compute_missing(
                self._catalog,
                self._embeddings,
                model,
                threads=threads,
                on_progress=on_progress,
                stopped=self._closing.is_set,
            )
            if self._closing.is_set():
                return
            vectors = self._open_vectors()
            vectors.sync()
            self.retriever.vectors = vectors
            if self._catalog.fact("calibrated") != self.version:
                self.retriever.calibrate()
                self._catalog.set_fact("calibrated", self.version)

    def progress(self) -> IndexProgress:
        """How far the index is."""
        documents, chunks, vectors = self._catalog.counts(self._settings.embedding_model)
        return IndexProgress(documents, chunks, vectors, ready=chunks == vectors, error=self._error)

    def close(self) -> None:
        """Stop updating, release the vector index and the catalog."""
        self._closing.set()
        if self._worker is not None:
            self._worker.join()
        if self._vectors is not None:
            self._vectors.close()
        self._catalog.close()

    def _open_vectors(self) -> VectorIndex:
        if self._vectors is None:
            self._vectors = open_vectors(
                self._settings.index_dir / "chroma", self._catalog, self._settings.embedding_model
            )
        return self._vectors


class Models:
    """Which variant answers, and the chat models that speak for them."""

    def __init__(self, settings: Settings, index: KnowledgeIndex) -> None:
        self._settings = settings
        self._index = index
        self._choosing = threading.Lock()
        self._chosen: tuple[float, Variant] | None = None
        # A provider's client belongs to the event loop in which it opened its connections.
        self._made: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, BaseChatModel]] = (
            WeakKeyDictionary()
        )

    def current(self) -> Variant:
        """Who answers now. May ask Ollama; the reply is kept for half a minute."""
        with self._choosing:
            if self._chosen is None or time.monotonic() - self._chosen[0] > _CHOICE_LASTS:
                self._chosen = (time.monotonic(), resolve_variant(self._settings))
            return self._chosen[1]

    def choose(self, wanted: Variant | None) -> list[Variant]:
        """``wanted`` (or who answers now), then the fallbacks; the extractive answerer is always the last."""
        first = wanted or self.current()
        return [first, *fallback_variants(self._settings, first)]

    def make(self, variant: Variant) -> BaseChatModel:
        """The chat model of ``variant``, one a loop."""
        if variant.provider == "extractive":
            hybrid = self._index.retriever.vectors is not None
            return ExtractiveChatModel(embeddings=self._index.embeddings if hybrid else None)
        made = self._made.setdefault(asyncio.get_running_loop(), {})
        if variant.hash not in made:
            made[variant.hash] = create_chat_model(
                variant.provider, variant.model, self._settings, **variant_options(variant)
            )
        return made[variant.hash]


class Runtime:
    """Everything that a door needs, opened once a process."""

    def __init__(self, settings: Settings, store: Store, index: KnowledgeIndex) -> None:
        self.settings = settings
        self.store = store
        self.index = index
        self.models = Models(settings, index)
        self.assistant = Assistant(
            settings=settings,
            recorder=store,
            retriever=lambda: index.retriever,
            index_version=lambda: index.version,
            choose=self.models.choose,
            make_model=self.models.make,
        )

    @classmethod
    def open(cls, settings: Settings, *, index_in_background: bool = False) -> Self:
        """Open the store and the index; read the documents if none was read yet.

        With ``index_in_background`` the documents are brought up to date and the vectors computed in a
        thread, while lexical search answers. Raises StoreError, KnowledgeError.
        """
        store = Store.open(settings.store_url)
        try:
            index = KnowledgeIndex(settings)
            if index_in_background:
                index.start_updating()
            elif not index.progress().documents:
                index.ensure_ingested()
        except BaseException:
            store.close()
            raise
        return cls(settings, store, index)

    def close(self) -> None:
        """Stop the background work, release the index and the store."""
        self.index.close()
        self.store.close()
