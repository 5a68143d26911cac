"""The guide's lines work as they are written."""

from collections.abc import Iterator

import pytest

from melancia.errors import UnsupportedOptionError
from melancia.experiments.multi_llm import MultiLLMManager
from melancia.settings import get_settings
from tests.standins.ollama import OllamaStandin


@pytest.fixture
def ollama(monkeypatch: pytest.MonkeyPatch) -> Iterator[OllamaStandin]:
    with OllamaStandin(models=["llama3.1:8b"]) as running:
        monkeypatch.setenv("OLLAMA_BASE_URL", running.url)
        get_settings.cache_clear()
        yield running
    get_settings.cache_clear()


def test_the_guides_line_answers(ollama: OllamaStandin) -> None:
    ollama.set_script("Retail Media é publicidade no varejo.")
    llm = MultiLLMManager.create_llm("ollama", "llama3.1:8b")
    assert llm.invoke("O que é Retail Media?").content == "Retail Media é publicidade no varejo."


def test_options_reach_the_model(ollama: OllamaStandin) -> None:
    MultiLLMManager.create_llm("ollama", "llama3.1:8b", temperature=0.9).invoke("oi")
    assert ollama.requests[-1].body["options"]["temperature"] == 0.9
    with pytest.raises(UnsupportedOptionError):
        MultiLLMManager.create_llm("extractive", "extractive", temperature=0.9)


def test_the_models_are_listed(ollama: OllamaStandin) -> None:
    usable = {card.label for card in MultiLLMManager.available_models() if card.availability.usable}
    assert {"ollama:llama3.1:8b", "extractive:extractive"} <= usable
