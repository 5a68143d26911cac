"""Fixtures that several suites share."""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import hypothesis
import pytest
import sqlalchemy as sa

from melancia.agent.retriever import HybridRetriever
from melancia.embeddings.local import LocalEmbeddings
from melancia.index import ready_vectors
from melancia.index.catalog import Catalog
from melancia.index.vectors import open_vectors
from melancia.knowledge.embed import compute_missing
from melancia.knowledge.ingest import ingest
from tests.postgres import create_database, server
from tests.worker_process import Process, Start

# How long an example takes says how busy the machine is.
hypothesis.settings.register_profile("melancia", deadline=None)
hypothesis.settings.load_profile("melancia")

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
    ready_vectors.lend(catalog, MODEL)
    compute_missing(catalog, embeddings, MODEL, threads=2)
    vectors = open_vectors(directory / "chroma", catalog, MODEL)
    made = HybridRetriever(catalog=catalog, embeddings=embeddings, embedding_model=MODEL, vectors=vectors)
    made.calibrate()
    yield made
    vectors.close()
    catalog.close()


@pytest.fixture(scope="session")
def postgres() -> Iterator[sa.URL]:
    """A running PostgreSQL server."""
    with server() as address:
        yield address


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Address of an empty database, of either kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'melancia.db'}"
    return create_database(request.getfixturevalue("postgres"), uuid4().hex)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts workers, and leaves none behind."""
    made: list[Process] = []

    def begin(name: str, variables: dict[str, str]) -> Process:
        made.append(Process(tmp_path, name, variables))
        return made[-1]

    yield begin
    for one in made:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait(timeout=20)


@pytest.fixture(autouse=True)
def _no_tracking_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow writes its address into the environment, where the next test's settings would see it."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
