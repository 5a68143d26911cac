"""Who answers, and who takes over."""

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from melancia.errors import InputError, SettingsError, UnknownProviderError
from melancia.llms import create_chat_model, fallback_variants, parse_label, resolve_variant, variant_options
from melancia.llms.capabilities import PROVIDERS
from melancia.records import Variant
from melancia.settings import Settings
from tests.llms.servers import NOBODY, SECRET, settings_of
from tests.standins.ollama import OllamaStandin


@given(
    st.sampled_from(["openai", "ollama", "huggingface"]),
    st.text(st.characters(exclude_categories=["Z", "C"]), min_size=1),
)
def test_a_label_is_read_as_it_is_written(provider: str, model: str) -> None:
    assert parse_label(Variant(provider, model).label) == (provider, model)


def test_extractive_stands_alone() -> None:
    assert parse_label("extractive") == parse_label(" extractive:extractive ") == ("extractive", "extractive")


@pytest.mark.parametrize("label", ["", ":", "ollama", "ollama:", ":llama3", "extractive:gpt", "auto"])
def test_a_label_that_says_nothing_is_refused(label: str) -> None:
    with pytest.raises(InputError):
        parse_label(label)


def test_an_unknown_provider_is_refused() -> None:
    with pytest.raises(UnknownProviderError):
        parse_label("olama:llama3")


@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_options_of_a_variant_are_accepted(provider: str) -> None:
    settings = settings_of(openai_api_key=SECRET, huggingface_api_token=SECRET)
    variant = Variant(provider, "m")
    create_chat_model(provider, "m", settings, **variant_options(variant))
    assert ("context_window" in variant_options(variant)) == (provider == "ollama")


def resolved(settings: Settings) -> str:
    return resolve_variant(settings).label


def test_auto_goes_from_own_machines_to_paid_to_extractive(ollama: OllamaStandin) -> None:
    keys = {"openai_api_key": SECRET, "huggingface_api_token": SECRET}
    assert resolved(settings_of(ollama_base_url=ollama.url, **keys)) == "ollama:llama3.1:8b"
    assert resolved(settings_of(**keys)) == "openai:gpt-4o-mini"
    served = resolved(settings_of(openai_base_url=ollama.openai_url, **keys))
    assert served.removeprefix("openai:") in ollama.models
    assert "embed" not in served
    dead = resolved(settings_of(openai_base_url=f"{NOBODY}/v1", **keys))
    assert dead == "huggingface:meta-llama/Llama-3.1-8B-Instruct"
    assert resolved(settings_of(openai_api_key="sk-...")) == "extractive:extractive"


def test_auto_takes_the_best_pulled_model_that_fits(
    ollama: OllamaStandin, monkeypatch: pytest.MonkeyPatch
) -> None:
    present = SimpleNamespace(total=100_000_000_000)
    monkeypatch.setattr("psutil.virtual_memory", lambda: present)
    settings = settings_of(ollama_base_url=ollama.url)
    assert resolved(settings) == "ollama:llama3.1:8b"
    present.total = 4_000_000_000
    assert resolved(settings) == "ollama:foo:1b"
    present.total = 100_000_000
    assert resolved(settings) == "extractive:extractive"


def test_auto_takes_no_embedding_model_and_none_of_the_cloud() -> None:
    with OllamaStandin(models=["nomic-embed-text", "gpt-oss:120b-cloud"]) as running:
        assert resolved(settings_of(ollama_base_url=running.url)) == "extractive:extractive"


def test_a_named_variant_is_taken_at_its_word() -> None:
    variant = resolve_variant(settings_of(variant="ollama:llama3.1:8b", temperature=0.7, k=3, max_tokens=99))
    assert variant == Variant("ollama", "llama3.1:8b", "v1", 0.7, 99, 8192, 3)
    assert resolve_variant(settings_of(variant="openai:gpt-4o")).context_window is None


def test_the_extractive_answerer_has_one_hash() -> None:
    hot = resolve_variant(settings_of(variant="extractive", temperature=1.5, context_window=4096))
    assert hot.hash == resolve_variant(settings_of(variant="extractive")).hash


@pytest.mark.parametrize("value", ["olama:x", "ollama", "x"])
def test_a_bad_setting_is_named(value: str) -> None:
    with pytest.raises(SettingsError, match="MELANCIA_VARIANT"):
        resolve_variant(settings_of(variant=value))
    with pytest.raises(SettingsError, match="MELANCIA_FALLBACKS"):
        fallback_variants(settings_of(fallbacks=f"extractive,{value}"), Variant("ollama", "x"))


def test_fallbacks_come_in_order_and_end_in_extractive() -> None:
    settings = settings_of(fallbacks="ollama:a, extractive,openai:b ,ollama:a,, ollama:c:1b")
    labels = [variant.label for variant in fallback_variants(settings, Variant("openai", "b"))]
    assert labels == ["ollama:a", "ollama:c:1b", "extractive:extractive"]


def test_without_fallbacks_extractive_takes_over() -> None:
    (only,) = fallback_variants(settings_of(), Variant("openai", "gpt-4o"))
    assert only == resolve_variant(settings_of(variant="extractive"))
    assert fallback_variants(settings_of(), only) == []
