"""Fixtures that several suites share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from melancia.agent.retriever import HybridRetriever
from melancia.embeddings.local import LocalEmbeddings
from melancia.index.catalog import Catalog
from melancia.index.vectors import open_vectors
from melancia.knowledge.embed import compute_missing
from melancia.knowledge.ingest import ingest
from scripts import vector_cache

MODEL = "local:enpt"
KNOWLEDGE = Path(__file__).parent.parent / "data" / "knowledge"


@pytest.fixture(scope="session")
def embeddings() -> LocalEmbeddings:
    """The bundled embedding model."""
    return LocalEmbeddings()


@pytest.fixture(scope="session")
def retriever(
    tmp_path_factory: pytest.TempPathFactory, embeddings: LocalEmbeddings
) -> Iterator[HybridRetriever]:
    """A calibrated retriever over the real knowledge base, vectors computed."""
    directory = tmp_path_factory.mktemp("index")
    catalog = Catalog(directory / "catalog.db")
    ingest(catalog, [KNOWLEDGE])
    vector_cache.give(catalog, MODEL)
    compute_missing(catalog, embeddings, MODEL, threads=2)
    vector_cache.keep(catalog, MODEL)
    vectors = open_vectors(directory / "chroma", catalog, MODEL)
    made = HybridRetriever(catalog=catalog, embeddings=embeddings, embedding_model=MODEL, vectors=vectors)
    made.calibrate()
    yield made
    vectors.close()
    catalog.close()


@pytest.fixture(autouse=True)
def _no_tracking_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow writes its address into the environment, where the next test's settings would see it."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
