"""The vectors that come with the project: all of its base's, right, and never in the way."""

from pathlib import Path

import numpy as np
import pytest

from melancia.embeddings.local import LocalEmbeddings
from melancia.index import ready_vectors
from melancia.index.catalog import Catalog
from melancia.knowledge.ingest import ingest
from melancia.knowledge_base import KnowledgeIndex
from melancia.settings import load_settings
from tests.conftest import KNOWLEDGE, MODEL


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """The base, read, with no vector but those that came with it."""
    made = Catalog(tmp_path_factory.mktemp("ready") / "catalog.db")
    ingest(made, [KNOWLEDGE])
    ready_vectors.lend(made, MODEL)
    return made


def test_the_whole_base_has_its_vectors(catalog: Catalog) -> None:
    assert catalog.missing(MODEL) == [], "data/knowledge was changed: run `make vectors`"


def test_they_are_those_of_their_texts(catalog: Catalog, embeddings: LocalEmbeddings) -> None:
    names, matrix = catalog.vectors(MODEL)
    kept = dict(zip(names, matrix, strict=True))
    chunks = catalog.chunks()
    drawn = np.random.default_rng(7).choice(len(chunks), 8, replace=False)
    for chunk in [chunks[at] for at in drawn]:
        text = chunk.embed_text
        fresh = (
            embeddings.embed_query(text)
            if chunk.kind == "question"
            else embeddings.embed_documents([text])[0]
        )
        assert float(np.dot(kept[chunk.text_hash], fresh)) == pytest.approx(1, abs=0.002)


def test_a_text_of_one_s_own_is_computed(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "meu.md").write_text(
        "# Lances\n\nO lance máximo é a margem vezes a conversão.\n", "utf-8"
    )
    index = KnowledgeIndex(
        load_settings(_env_file=None, data_dir=tmp_path / "data", knowledge_dir=tmp_path / "docs")
    )
    index.ensure_ingested()
    computed: list[int] = []
    index.compute_vectors(on_progress=lambda done, _total: computed.append(done))
    assert computed
    assert index.progress().ready
    index.close()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 broken", b"not a zip at all"])
def test_a_broken_file_lends_nothing_and_stops_nobody(
    tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    ready_vectors.file_of(MODEL, tmp_path).write_bytes(content)
    catalog = Catalog(tmp_path / "catalog.db")
    ingest(catalog, [KNOWLEDGE / "o-que-e-retail-media.md"])
    assert ready_vectors.lend(catalog, MODEL, tmp_path) == 0
    assert "cannot be read" in caplog.text
    catalog.close()


def test_another_model_has_none(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path / "catalog.db")
    ingest(catalog, [KNOWLEDGE / "o-que-e-retail-media.md"])
    assert ready_vectors.lend(catalog, "ollama:nomic-embed-text") == 0
    assert catalog.counts("ollama:nomic-embed-text")[2] == 0
    catalog.close()
