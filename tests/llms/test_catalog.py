"""The catalog says what can be used now, and why not."""

from types import SimpleNamespace

import pytest

from melancia.llms import ModelCard, list_models
from melancia.llms.catalog import State, memory_problem, recommended
from melancia.settings import Settings
from tests.llms.servers import SECRET, Answering, settings_of
from tests.standins.ollama import OllamaStandin

GUIDE = {
    "openai": {"gpt-4o-mini", "gpt-4o", "gpt-3.5-turbo"},
    "ollama": {
        "llama3.1:8b",
        "llama3.1:70b",
        "mistral:7b",
        "phi3:mini",
        "gemma2:9b",
        "qwen3:8b",
        "gemma3:4b",
    },
    "extractive": {"extractive"},
}


def cards(settings: Settings) -> dict[str, ModelCard]:
    listed = list_models(settings)
    by_label = {card.label: card for card in listed}
    assert len(by_label) == len(listed), "a model is listed twice"
    return by_label


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """This machine's memory, as a test wants it."""
    present = SimpleNamespace(total=17_000_000_000)
    monkeypatch.setattr("psutil.virtual_memory", lambda: present)
    return present


def test_with_nothing_set_up_only_the_extractive_answerer_can_be_used() -> None:
    listed = cards(settings_of())
    for provider, models in GUIDE.items():
        assert all(f"{provider}:{model}" in listed for model in models)
    assert [label for label, card in listed.items() if card.availability.usable] == ["extractive:extractive"]
    ollama, openai = listed["ollama:mistral:7b"], listed["openai:gpt-4o-mini"]
    assert ollama.availability.state is State.UNREACHABLE
    assert "ollama serve" in ollama.availability.remedy
    assert openai.availability.reason == "chave ausente"
    assert "OPENAI_API_KEY" in openai.availability.remedy
    assert (openai.input_price, openai.output_price, openai.context) == (0.15, 0.6, 128_000)
    assert (ollama.size_bytes, ollama.ram_bytes, ollama.input_price) == (4_100_000_000, 8_000_000_000, 0.0)
    assert listed["huggingface:Qwen/Qwen3-32B"].input_price is None


def test_with_keys_the_paid_models_can_be_used() -> None:
    listed = cards(settings_of(openai_api_key=SECRET, huggingface_api_token=SECRET))
    paid = [card for card in listed.values() if card.provider in ("openai", "huggingface")]
    assert paid
    assert all(card.availability.usable for card in paid)
    assert SECRET not in repr(listed)


def test_a_key_that_cannot_be_one_is_told() -> None:
    card = cards(settings_of(openai_api_key="chave ruim"))["openai:gpt-4o"]
    assert card.availability.state is State.BAD_KEY


def test_what_ollama_has(ollama: OllamaStandin, memory: SimpleNamespace) -> None:
    listed = cards(settings_of(ollama_base_url=ollama.url))
    assert [request.path for request in ollama.requests] == ["/api/tags"], "one request for the listing"
    ready = listed["ollama:llama3.1:8b"]
    assert ready.availability.usable
    assert ready.size_bytes == 4_800_000_000, "what the server says, once it has it"
    assert listed["ollama:mistral:7b"].availability.reason == "não baixado: ollama pull mistral:7b"
    assert listed["ollama:foo:1b"].availability.usable
    assert not [label for label in listed if "embed" in label]
    big = listed["ollama:llama3.1:70b"].availability
    assert not big.usable
    assert big.reason == "memória insuficiente: precisa de 64 GB, há 17 GB"


def test_memory_of_this_machine_says_nothing_of_another(memory: SimpleNamespace) -> None:
    card = next(card for card in recommended() if card.model == "llama3.1:8b")
    memory.total = 1
    assert memory_problem(card, settings_of(ollama_base_url="http://127.0.0.1:11434")) is not None
    assert memory_problem(card, settings_of(ollama_base_url="http://192.168.0.7:11434")) is None


def test_what_a_compatible_server_has(ollama: OllamaStandin) -> None:
    listed = cards(settings_of(openai_base_url=ollama.openai_url))
    assert listed["openai:foo:1b"].availability.usable
    assert listed["openai:foo:1b"].input_price == 0.0
    missing = listed["openai:gpt-4o-mini"]
    assert missing.availability.state is State.NOT_SERVED
    assert missing.input_price == 0.15


def test_a_compatible_server_that_does_not_answer(answering: Answering) -> None:
    answering.reply(500, "")
    card = cards(settings_of(openai_base_url=answering.url))["openai:gpt-4o-mini"]
    assert card.availability.state is State.UNREACHABLE
    assert "OPENAI_BASE_URL" in card.availability.reason
