"""The knowledge index of one data directory: catalog, vectors, retriever, and all that writes to them."""

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from langchain_core.embeddings import Embeddings

from melancia.agent.retriever import HybridRetriever
from melancia.embeddings import create_embeddings
from melancia.errors import EmbeddingError, InputError, MelanciaError, VectorsUnavailableError
from melancia.index import ready_vectors
from melancia.index.catalog import Catalog, Contribution, Document
from melancia.index.vectors import VectorIndex, open_vectors
from melancia.knowledge import uploads
from melancia.knowledge.embed import compute_missing
from melancia.knowledge.ingest import IngestReport, ingest
from melancia.knowledge.web import is_url
from melancia.records import utc_now
from melancia.settings import Settings

logger = logging.getLogger(__name__)

_RETRY = 10.0  # seconds until a server of vectors or embeddings that does not answer is asked again


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
            said = self._error
            while not self._closing.is_set():
                try:
                    self.compute_vectors()
                    self._error = said
                    break
                except (VectorsUnavailableError, EmbeddingError) as error:
                    # A server may come later than this page, its model later still.
                    logger.warning("vectors not brought up to date, trying again: %s", error)
                    if isinstance(error, EmbeddingError):
                        self._error = str(error)
                    self._closing.wait(_RETRY)
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
            vectors=self._vectors_now(),
            k=self._settings.k,
        )

    @property
    def embeddings(self) -> Embeddings:
        """The embedding model of this index."""
        return self._embeddings

    @property
    def embedding_model(self) -> str:
        """Its name, as in MELANCIA_EMBEDDING_MODEL."""
        return self._settings.embedding_model

    @property
    def folder(self) -> Path:
        """Where the catalog is."""
        return self._settings.index_dir

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
            report = ingest(self._catalog, list(roots) or [self._settings.knowledge_dir], on_progress)
            self._catalog.set_fact("ingested_at", utc_now().isoformat(timespec="seconds"))
            return report

    def ensure_ingested(self) -> IngestReport:
        """Bring every folder ingested before up to date, and what was sent through the page.

        The knowledge folder joins them when there was none, or when it was chosen on purpose. Addresses are
        not visited: what they said stays until they are ingested again.
        """
        own = self._settings.uploads_dir
        folders = [Path(root) for root in self._catalog.roots() if not is_url(root) and Path(root).exists()]
        chosen = self._settings.knowledge_dir
        only_own = folders in ([], [own])
        if (only_own or "knowledge_dir" in self._settings.model_fields_set) and chosen not in folders:
            folders.append(chosen)
        if own.is_dir() and own not in folders:
            folders.append(own)
        return self.ingest(folders)

    def roots(self) -> list[Path | str]:
        """Every folder, file and address that was ever ingested."""
        return [root if is_url(root) else Path(root) for root in self._catalog.roots()]

    def keep_upload(self, file: Path) -> None:
        """Keep a file that was sent through the page, to be ingested with its folder, ``uploads_dir``.

        Raises InputError for a kind that cannot be read, DocumentError when the file itself cannot.
        """
        uploads.keep(self.uploads_dir, file.name, file)

    def discard_refused(self, report: IngestReport) -> None:
        """Delete sent files that were refused and are not indexed: they would fail at every start."""
        indexed = {document.path for document in self._catalog.documents(str(self.uploads_dir))}
        for failure in report.failures:
            if Path(failure.path).parent == self.uploads_dir and failure.path not in indexed:
                uploads.discard(self.uploads_dir, failure.path)

    @property
    def uploads_dir(self) -> Path:
        """Folder of the files that were sent through the page."""
        return self._settings.uploads_dir

    def removable(self, document: Document) -> bool:
        """Whether a document came through the page or from an address, and can be removed there."""
        return is_url(document.root) or document.root == str(self._settings.uploads_dir)

    def remove(self, document_id: str) -> list[str]:
        """Remove a sent file, or an address with all its pages; returns the titles that are gone.

        Raises InputError for what comes from a folder, which the next ingest would bring back.
        """
        with self._writing:
            document = next((item for item in self._catalog.documents() if item.id == document_id), None)
            if document is None:
                raise InputError("Esse documento não está na base.", "Recarregue a página.")
            if not self.removable(document):
                raise InputError(
                    f"Esse documento vem da pasta {document.root}.",
                    "Apague o arquivo nela e rode `melancia ingest`.",
                )
            if is_url(document.root):
                gone = self._catalog.documents(document.root)
                self._catalog.forget(document.root)
            else:
                gone = [document]
                uploads.discard(self._settings.uploads_dir, document.path)
                self._catalog.remove([document.id])
            if self._vectors is not None:
                self._vectors.sync()
            return [item.title for item in gone]

    def contributions(self) -> dict[str, Contribution]:
        """What each document adds to the index, by document id."""
        return self._catalog.contributions()

    @property
    def last_ingest(self) -> str:
        """When documents were last compared with the index (ISO 8601, UTC); "" if never."""
        return self._catalog.fact("ingested_at") or ""

    def compute_vectors(
        self, on_progress: Callable[[int, int], None] | None = None, threads: int = 2
    ) -> None:
        """Compute the missing vectors, bring the vector index up to date, calibrate the evidence cut."""
        with self._writing:
            model = self._settings.embedding_model
            ready_vectors.lend(self._catalog, model)
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

    def stop(self) -> None:
        """Let no more vectors be computed; those that are there stay."""
        self._closing.set()

    def close(self) -> None:
        """Stop updating, release the vector index and the catalog."""
        self.stop()
        if self._worker is not None:
            self._worker.join()
        if self._vectors is not None:
            self._vectors.close()
        self._catalog.close()

    def _vectors_now(self) -> VectorIndex | None:
        """The vectors that can be searched at once; the background update brings the others."""
        if not self.progress().vectors:
            return None
        try:
            return self._open_vectors()
        except VectorsUnavailableError as error:
            logger.warning("lexical search only: %s", error)
            return None

    def _open_vectors(self) -> VectorIndex:
        if self._vectors is None:
            self._vectors = open_vectors(
                self._settings.index_dir / "chroma",
                self._catalog,
                self._settings.embedding_model,
                self._settings.chroma_url,
            )
        return self._vectors
