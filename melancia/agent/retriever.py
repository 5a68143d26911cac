"""Hybrid retrieval: passages by meaning and by words, documents by the questions that they answer.

Each leg is min–max normalised over its best and weighted; passages are expanded to their section, few of one
document.
"""

import json
import logging
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
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
from melancia.errors import EmbeddingError, InputError, VectorsUnavailableError
from melancia.index.catalog import Catalog, Chunk, Document
from melancia.index.vectors import VectorIndex, matches, open_vectors
from melancia.records import Filters, Passage
from melancia.settings import get_settings
from melancia.text import normalise, words

# Chosen on the dev questions, see docs/decisions/0005: here cosines say less than words, and likely questions
# crowd the passages out when ranked beside them, but tell well which document is meant.
DENSE_WEIGHT = 0.4
QUESTION_WEIGHT = 0.2  # on top of the dense and the lexical share, which add up to 1
_POOL = 50
_QUESTION_POOL = 100
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
    """What the catalog held at ``version``, ready to be searched. Rows are those of ``passages``."""

    version: str
    passages: list[Chunk]
    questions: dict[str, Chunk]
    documents: dict[str, Document]
    row_of: dict[str, int]
    lexical: LexicalIndex
    calibration: Calibration


@dataclass(frozen=True, slots=True)
class _Found:
    """What the legs found: (chunk id, cosine) of passages and of likely questions, and a score a row."""

    dense: list[tuple[str, float]]
    questions: list[tuple[str, float]]
    lexical: np.ndarray[Any, Any]


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
        """The ``k`` best passages for ``query``; by words alone while the vectors or their model are away.

        Raises InputError for an empty query or unknown filter.
        """
        text = normalise(query)[:_MAX_QUERY_CHARS]
        if not text:
            raise InputError("A pergunta está vazia.", "Escreva o que deseja saber.")
        filters = filters or Filters()
        snapshot = self._current()
        _check_filters(filters, snapshot)
        try:
            found = self._legs(text, filters, snapshot)
        except (EmbeddingError, VectorsUnavailableError) as error:
            logger.warning("lexical search only: %s", error)
            found = _Found([], [], _lexical(text, filters, snapshot))
        passages = _select(_fuse(found, snapshot), snapshot, k or self.k)
        signal = _signal(text, found, passages, snapshot)
        return Retrieval(
            passages=passages,
            mode="hybrid" if found.dense else "lexical",
            supported=bool(passages) and snapshot.calibration.supported(signal),
        )

    def calibrate(self) -> Calibration:
        """Fit the evidence threshold on this index and keep it with the index.

        Raises EmbeddingError, VectorsUnavailableError: one that was fitted on half an index would be kept.
        """
        snapshot = self._current()
        texts = [(chunk.text, chunk.id) for chunk in snapshot.questions.values()] or [
            (f"{snapshot.documents[chunk.document_id].title} {chunk.section}", "")
            for chunk in snapshot.passages
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
        """The signal of ``text``, as if the index did not hold the likely question ``own``."""
        found = self._legs(text, Filters(), snapshot)
        found = replace(found, questions=[hit for hit in found.questions if hit[0] != own])
        return _signal(text, found, _select(_fuse(found, snapshot), snapshot, self.k), snapshot)

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

    def _legs(self, text: str, filters: Filters, snapshot: _Snapshot) -> _Found:
        lexical = _lexical(text, filters, snapshot)
        index: VectorIndex | None = self.vectors
        if index is None:
            return _Found([], [], lexical)
        embedder: Embeddings = self.embeddings
        vector = embedder.embed_query(text)
        dense = index.query(vector, _POOL, filters)
        return _Found(dense, index.query(vector, _QUESTION_POOL, filters, "question"), lexical)

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
    passages = [chunk for chunk in chunks if chunk.kind == "passage"]
    stored = catalog.fact("calibration")
    return _Snapshot(
        version=version,
        passages=passages,
        questions={chunk.id: chunk for chunk in chunks if chunk.kind == "question"},
        documents=documents,
        row_of={chunk.id: row for row, chunk in enumerate(passages)},
        lexical=LexicalIndex([chunk.embed_text for chunk in passages]),
        calibration=Calibration(**json.loads(stored)) if stored else Calibration(),
    )


def _lexical(text: str, filters: Filters, snapshot: _Snapshot) -> np.ndarray[Any, Any]:
    """A score a row by words alone, 0 where the filters do not let it through."""
    scores = snapshot.lexical.scores(text)
    if filters == Filters():
        return scores
    documents = (snapshot.documents[chunk.document_id] for chunk in snapshot.passages)
    allowed = np.fromiter((matches(filters, d.topic, d.marketplaces) for d in documents), bool)
    return np.where(allowed, scores, 0)


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


def _fuse(found: _Found, snapshot: _Snapshot) -> list[tuple[int, float]]:
    """(row, score in [0, 1]) over the union of the passage legs' best, best first."""
    lexical = found.lexical
    dense = _normalised(
        [(snapshot.row_of[id_], cosine) for id_, cosine in found.dense if id_ in snapshot.row_of]
    )
    top = np.argsort(-lexical, kind="stable")[:_POOL] if len(lexical) else np.zeros(0, int)
    words = _normalised([(int(row), float(lexical[row])) for row in top if lexical[row] > 0])
    asked: dict[str, float] = {}
    for id_, score in _normalised(found.questions).items():
        if id_ in snapshot.questions:
            document = snapshot.questions[id_].document_id
            asked[document] = max(score, asked.get(document, 0.0))
    weight = DENSE_WEIGHT if dense else 0.0
    total = 1 + QUESTION_WEIGHT if asked else 1.0
    scored = [
        (
            row,
            (
                weight * dense.get(row, 0.0)
                + (1 - weight) * words.get(row, 0.0)
                + QUESTION_WEIGHT * asked.get(snapshot.passages[row].document_id, 0.0)
            )
            / total,
        )
        for row in {*dense, *words}
    ]
    return sorted(scored, key=lambda item: (-item[1], item[0]))


def _normalised(hits: Sequence[tuple[Any, float]]) -> dict[Any, float]:
    """A leg's best (key, score) on [0, 1], min–max; one alone has 1."""
    if not hits:
        return {}
    low, high = min(score for _, score in hits), max(score for _, score in hits)
    return {key: (score - low) / (high - low) if high > low else 1.0 for key, score in hits}


def _select(fused: Sequence[tuple[int, float]], snapshot: _Snapshot, k: int) -> tuple[Passage, ...]:
    """The best passages: one a section, few a document, none that repeats another."""
    chosen: list[tuple[Chunk, float]] = []
    held: list[tuple[Chunk, float]] = []
    seen: list[frozenset[str]] = []
    used: set[tuple[str, str]] = set()
    for row, score in fused:
        chunk = snapshot.passages[row]
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


def _signal(text: str, found: _Found, passages: Sequence[Passage], snapshot: _Snapshot) -> Signal:
    context = " ".join(f"{p.title} {p.section} {p.text}" for p in passages[:3])
    return Signal(
        cosine=max(cosine for _, cosine in found.dense) if found.dense else None,
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
