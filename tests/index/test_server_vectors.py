"""Vectors on a real Chroma server: the same results, and words alone while it is away."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from melancia.app import Runtime
from melancia.errors import SettingsError, VectorsUnavailableError
from melancia.index.catalog import Catalog
from melancia.index.vectors import ExactVectors, open_vectors
from melancia.records import Filters
from tests.api.conftest import open_runtime
from tests.conftest import MODEL
from tests.ports import free_port


class ChromaServer:
    """``chroma run`` on a port of its own; can be stopped and started again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Start it and wait until it answers."""
        command = [str(Path(sys.executable).parent / "chroma"), "run", "--path", str(self._folder)]
        self._process = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(self._port)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                httpx.get(f"{self.url}/api/v2/heartbeat").raise_for_status()
                return
            except httpx.HTTPError:
                time.sleep(0.1)
        pytest.fail("chroma run did not answer")

    def stop(self) -> None:
        """Stop it."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(timeout=20)
            self._process = None


@pytest.fixture
def chroma(tmp_path: Path) -> Iterator[ChromaServer]:
    """A running server."""
    made = ChromaServer(tmp_path / "server")
    made.start()
    yield made
    made.stop()


def test_a_server_finds_what_exact_search_finds(chroma: ChromaServer, tmp_path: Path) -> None:
    runtime = open_runtime(tmp_path, chroma_url=chroma.url)
    runtime.index.compute_vectors()
    found = runtime.index.retriever.search("como ganho a buy box?")
    assert found.mode == "hybrid"
    catalog = Catalog(runtime.settings.index_dir / "catalog.db")
    exact, served = ExactVectors(catalog, MODEL), open_vectors(tmp_path / "x", catalog, MODEL, chroma.url)
    vector = runtime.index.embeddings.embed_query("entrega")
    filters = Filters(marketplace="mercado-livre")
    assert [i for i, _ in served.query(vector, 5, filters)] == [i for i, _ in exact.query(vector, 5, filters)]
    assert not (tmp_path / "x").exists()
    assert not (runtime.settings.index_dir / "chroma").exists()
    served.close()
    catalog.close()
    runtime.close()


def test_words_are_searched_while_the_server_is_away_and_both_when_it_is_back(
    chroma: ChromaServer, tmp_path: Path
) -> None:
    runtime = open_runtime(tmp_path, chroma_url=chroma.url)
    runtime.index.compute_vectors()
    chroma.stop()
    found = runtime.index.retriever.search("como ganho a buy box?")
    assert (found.mode, found.passages[0].document_id) == ("lexical", "buy-box")
    chroma.start()
    assert runtime.index.retriever.search("como ganho a buy box?").mode == "hybrid"
    runtime.close()


def test_a_server_that_is_away_at_the_start_is_awaited(chroma: ChromaServer, tmp_path: Path) -> None:
    chroma.stop()
    settings = open_runtime(tmp_path, chroma_url=chroma.url.replace("//", "//ana:senha@"))
    with pytest.raises(VectorsUnavailableError, match="docker compose up -d chroma") as away:
        settings.index.compute_vectors()
    assert away.value.message == f"O ChromaDB não responde em {chroma.url}."
    settings.close()
    runtime = Runtime.open(settings.settings, index_in_background=True)
    assert runtime.index.retriever.search("buy box").mode == "lexical"
    chroma.start()
    deadline = time.monotonic() + 60
    while runtime.index.retriever.search("buy box").mode != "hybrid":
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert runtime.index.progress().error is None
    runtime.close()


@pytest.mark.parametrize("url", ["chroma:8000", "ftp://chroma", "http://"])
def test_an_address_that_is_none_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(SettingsError, match="MELANCIA_CHROMA_URL"):
        open_vectors(tmp_path, Catalog(tmp_path / "c.db"), MODEL, url)
