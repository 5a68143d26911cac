"""Hybrid retrieval: dense and lexical legs, min–max fused; chunks expanded to their section; diversity."""

import json
import logging
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document as LangChainDocument
from langchain_core.embeddings import Embeddings
from langchain_core.retrievers import BaseRetriever
from pydantic import ConfigDict, PrivateAttr

from melancia.agent.evidence import Calibration, Signal, calibrate, offtopic_questions
from melancia.agent.lexical import LexicalIndex
from melancia.embeddings import create_embeddings
from melancia.errors import InputError, VectorsUnavailableError
from melancia.index.catalog import Catalog, Chunk, Document
from melancia.index.vectors import VectorIndex, matches, open_vectors
from melancia.records import Filters, Passage
from melancia.settings import get_settings
from melancia.text import normalise, words

DENSE_WEIGHT = 0.65  # 0.6–0.7 was best on six sets; reciprocal rank fusion was below it
_POOL = 50
_PER_DOCUMENT = 2
_MAX_QUERY_CHARS = 600
_CALIBRATION_SAMPLE = 60

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Retrieval:
    """Passages by rank; ``mode`` "hybrid" or "lexical"; ``supported``: whether they are evidence enough."""

    passages: tuple[Passage, ...]
    mode: str
    supported: bool


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """What the catalog held at ``version``, ready to be searched."""

    version: str
    chunks: list[Chunk]
    documents: dict[str, Document]
    row_of: dict[str, int]
    lexical: LexicalIndex
    calibration: Calibration


class HybridRetriever(BaseRetriever):
    """Searches a catalog and its vectors. Thread-safe; follows changes of the catalog by its version."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    catalog: Any
    embeddings: Any
    embedding_model: str
    vectors: Any = None
    k: int = 5

    _snapshot: _Snapshot | None = PrivateAttr(None)
    _lock: threading.Lock = PrivateAttr(default_factory=threading.Lock)

    def search(self, query: str, k: int | None = None, filters: Filters | None = None) -> Retrieval:
        """The ``k`` best passages for ``query``. Raises InputError for an empty query or unknown filter."""
        text = normalise(query)[:_MAX_QUERY_CHARS]
        if not text:
            raise InputError("A pergunta está vazia.", "Escreva o que deseja saber.")
        filters = filters or Filters()
        snapshot = self._current()
        _check_filters(filters, snapshot)
        dense = self._dense(text, filters)
        allowed = self._allowed(filters, snapshot)
        lexical = snapshot.lexical.scores(text)
        if len(lexical):
            lexical = np.where(allowed, lexical, 0)
        fused = _fuse(dense, lexical, snapshot)
        passages = _select(fused, snapshot, k or self.k)
        signal = _signal(text, dense, passages, snapshot)
        return Retrieval(
            passages=passages,
            mode="hybrid" if dense else "lexical",
            supported=bool(passages) and snapshot.calibration.supported(signal),
        )

    def calibrate(self) -> Calibration:
        """Fit the evidence threshold on this index and keep it with the index."""
        snapshot = self._current()
        passages = [chunk for chunk in snapshot.chunks if chunk.kind == "passage"]
        positives = [chunk for chunk in snapshot.chunks if chunk.kind == "question"]
        texts = [(chunk.text, chunk.id) for chunk in positives] or [
            (f"{snapshot.documents[chunk.document_id].title} {chunk.section}", "") for chunk in passages
        ]
        step = max(1, len(texts) // _CALIBRATION_SAMPLE)
        fitted = calibrate(
            [self._probe(text, own, snapshot) for text, own in texts[::step]],
            [self._probe(text, "", snapshot) for text in offtopic_questions()],
        )
        self.catalog.set_fact("calibration", json.dumps(asdict(fitted)))
        with self._lock:
            self._snapshot = None
        return fitted

    def _probe(self, text: str, own: str, snapshot: _Snapshot) -> Signal:
        dense = [hit for hit in self._dense(text, Filters()) if hit[0] != own]
        lexical = snapshot.lexical.scores(text)
        if own in snapshot.row_of:
            lexical[snapshot.row_of[own]] = 0
        return _signal(text, dense, _select(_fuse(dense, lexical, snapshot), snapshot, self.k), snapshot)

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun
    ) -> list[LangChainDocument]:
        return [
            LangChainDocument(
                id=passage.chunk_id,
                page_content=passage.text,
                metadata={key: value for key, value in passage.as_dict().items() if key != "text"},
            )
            for passage in self.search(query).passages
        ]

    def _dense(self, text: str, filters: Filters) -> list[tuple[str, float]]:
        index: VectorIndex | None = self.vectors
        if index is None:
            return []
        embedder: Embeddings = self.embeddings
        try:
            return index.query(embedder.embed_query(text), _POOL, filters)
        except VectorsUnavailableError as error:
            logger.warning("lexical search only: %s", error)
            return []

    def _allowed(self, filters: Filters, snapshot: _Snapshot) -> np.ndarray[Any, np.dtype[np.bool_]]:
        if filters == Filters():
            return np.ones(len(snapshot.chunks), bool)
        documents = (snapshot.documents[chunk.document_id] for chunk in snapshot.chunks)
        return np.fromiter((matches(filters, d.topic, d.marketplaces) for d in documents), bool)

    def refresh(self) -> None:
        """Take in what the catalog holds now."""
        self._current()

    def idf(self, stem: str) -> float:
        """Weight of a stem in this index."""
        return self._current().lexical.idf(stem)

    def _current(self) -> _Snapshot:
        catalog: Catalog = self.catalog
        version = catalog.version
        with self._lock:
            if self._snapshot is None or self._snapshot.version != version:
                self._snapshot = _snapshot(catalog, version)
            return self._snapshot


def _snapshot(catalog: Catalog, version: str) -> _Snapshot:
    documents = {document.id: document for document in catalog.documents()}
    chunks = [chunk for chunk in catalog.chunks() if chunk.document_id in documents]
    stored = catalog.fact("calibration")
    return _Snapshot(
        version=version,
        chunks=chunks,
        documents=documents,
        row_of={chunk.id: row for row, chunk in enumerate(chunks)},
        lexical=LexicalIndex([chunk.embed_text for chunk in chunks]),
        calibration=Calibration(**json.loads(stored)) if stored else Calibration(),
    )


def _check_filters(filters: Filters, snapshot: _Snapshot) -> None:
    topics = {document.topic for document in snapshot.documents.values()}
    places = {place for document in snapshot.documents.values() for place in document.marketplaces}
    for name, value, known in (
        ("marketplace", filters.marketplace, places),
        ("tópico", filters.topic, topics),
    ):
        if value and value not in known:
            raise InputError(
                f"Não há documentos com {name} “{value}”.", f"Existem: {', '.join(sorted(known - {''}))}."
            )


def _fuse(
    dense: Sequence[tuple[str, float]], lexical: np.ndarray[Any, Any], snapshot: _Snapshot
) -> list[tuple[int, float]]:
    """(row, score in [0, 1]) over the union of both legs' best, min–max normalised, best first."""
    by_row = {snapshot.row_of[id_]: cosine for id_, cosine in dense if id_ in snapshot.row_of}
    top = np.argsort(-lexical, kind="stable")[:_POOL] if len(lexical) else np.zeros(0, int)
    best = [int(row) for row in top if lexical[row] > 0]
    pool = sorted({*by_row, *best})
    if not pool:
        return []
    high = max((float(lexical[row]) for row in pool), default=0.0)
    weight = DENSE_WEIGHT if by_row else 0.0
    low_cosine = min(by_row.values(), default=0.0)
    span = max(by_row.values(), default=1.0) - low_cosine or 1.0
    scored = [
        (
            row,
            weight * ((by_row.get(row, low_cosine) - low_cosine) / span)
            + (1 - weight) * (float(lexical[row]) / high if high else 0.0),
        )
        for row in pool
    ]
    return sorted(scored, key=lambda item: (-item[1], item[0]))


def _select(fused: Sequence[tuple[int, float]], snapshot: _Snapshot, k: int) -> tuple[Passage, ...]:
    """Questions lend their score to their document's best chunk; one passage a section, few a document."""
    score_of = dict(fused)
    question_best: dict[str, float] = {}
    for row, score in fused:
        chunk = snapshot.chunks[row]
        if chunk.kind == "question":
            question_best[chunk.document_id] = max(score, question_best.get(chunk.document_id, 0.0))
    lifted: dict[int, float] = {}
    carried: set[str] = set()
    for row, score in fused:
        chunk = snapshot.chunks[row]
        if chunk.kind == "passage":
            own = question_best.get(chunk.document_id, 0.0) if chunk.document_id not in carried else 0.0
            carried.add(chunk.document_id)
            lifted[row] = max(score, own)
    for document_id in question_best.keys() - carried:
        first = next(
            row
            for row, chunk in enumerate(snapshot.chunks)
            if chunk.document_id == document_id and chunk.kind == "passage"
        )
        lifted[first] = max(score_of.get(first, 0.0), question_best[document_id])
    chosen: list[tuple[Chunk, float]] = []
    held: list[tuple[Chunk, float]] = []
    seen: list[frozenset[str]] = []
    used: set[tuple[str, str]] = set()
    for row, score in sorted(lifted.items(), key=lambda item: (-item[1], item[0])):
        chunk = snapshot.chunks[row]
        shape = frozenset(words(chunk.text))
        if (chunk.document_id, chunk.section_text) in used or any(_alike(shape, other) for other in seen):
            continue
        used.add((chunk.document_id, chunk.section_text))
        seen.append(shape)
        crowded = sum(c.document_id == chunk.document_id for c, _ in chosen) >= _PER_DOCUMENT
        (held if crowded else chosen).append((chunk, score))
        if len(chosen) == k:
            break
    ranked = sorted((chosen + held)[:k], key=lambda item: -item[1])
    return tuple(_passage(rank, chunk, score, snapshot) for rank, (chunk, score) in enumerate(ranked, 1))


def _alike(a: frozenset[str], b: frozenset[str]) -> bool:
    return len(a & b) > 0.8 * len(a | b)


def _passage(rank: int, chunk: Chunk, score: float, snapshot: _Snapshot) -> Passage:
    document = snapshot.documents[chunk.document_id]
    return Passage(
        rank=rank,
        score=round(min(1.0, max(0.0, score)), 6),
        document_id=document.id,
        chunk_id=chunk.id,
        title=document.title,
        section=chunk.section,
        text=chunk.section_text,
        chunk=chunk.text,
        topic=document.topic,
        marketplaces=document.marketplaces,
        source=document.reference,
    )


def _signal(
    text: str, dense: Sequence[tuple[str, float]], passages: Sequence[Passage], snapshot: _Snapshot
) -> Signal:
    context = " ".join(f"{p.title} {p.section} {p.text}" for p in passages[:3])
    return Signal(
        cosine=max(cosine for _, cosine in dense) if dense else None,
        coverage=snapshot.lexical.coverage(text, context),
    )


def get_retriever(path: str, embedding_model: str) -> HybridRetriever:
    """The retriever over the index folder ``path`` (``config.VECTOR_DB_DIR``), as in the user's guide."""
    directory = Path(path)
    catalog = Catalog(directory / "catalog.db")
    return HybridRetriever(
        catalog=catalog,
        embeddings=create_embeddings(embedding_model, get_settings()),
        embedding_model=embedding_model,
        vectors=open_vectors(directory / "chroma", catalog, embedding_model),
    )
