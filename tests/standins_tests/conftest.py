"""One stand-in for all tests of this folder, set back before each."""

from collections.abc import Iterator

import httpx
import ollama
import pytest

from tests.standins.ollama import OllamaStandin
from tests.standins_tests.samples import MODEL


@pytest.fixture(scope="module")
def server() -> Iterator[OllamaStandin]:
    with OllamaStandin(models=[MODEL, "nomic-embed-text"]) as running:
        yield running


@pytest.fixture
def standin(server: OllamaStandin) -> OllamaStandin:
    server.reset()
    return server


@pytest.fixture
def client(standin: OllamaStandin) -> Iterator[ollama.Client]:
    with ollama.Client(standin.url, timeout=60) as connected:
        yield connected


@pytest.fixture
def http(standin: OllamaStandin) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=standin.url, timeout=60) as connected:
        yield connected
