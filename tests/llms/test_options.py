"""Options, addresses and keys: what is accepted, what is refused, and that no secret is ever said."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from melancia.addresses import is_loopback, is_openai, is_own, normalised
from melancia.errors import (
    AuthenticationError,
    InputError,
    MelanciaError,
    ProviderUnavailableError,
    UnknownProviderError,
    UnsupportedOptionError,
)
from melancia.llms import capabilities, create_chat_model
from melancia.llms.capabilities import PROVIDERS, checked_options
from tests.llms.servers import SECRET, settings_of

VALID = {
    "temperature": 0.5,
    "max_tokens": 10,
    "top_p": 0.9,
    "seed": 1,
    "stop": "fim",
    "timeout": 5,
    "context_window": 2048,
    "base_url": "http://127.0.0.1:9/v1",
    "reasoning": False,
}


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("option", VALID)
def test_an_option_is_honoured_or_refused(provider: str, option: str) -> None:
    settings = settings_of(openai_api_key=SECRET, huggingface_api_token=SECRET)
    if option in capabilities(provider).options:
        create_chat_model(provider, "m", settings, **{option: VALID[option]})
    else:
        with pytest.raises(UnsupportedOptionError, match=option) as caught:
            create_chat_model(provider, "m", settings, **{option: VALID[option]})
        assert (caught.value.provider, caught.value.model) == (provider, "m")


def test_what_each_provider_refuses() -> None:
    refused = {name: set(VALID) - known.options for name, known in PROVIDERS.items()}
    assert refused == {
        "openai": {"context_window", "reasoning"},
        "ollama": set(),
        "huggingface": {"context_window", "reasoning", "seed"},
        "extractive": set(VALID),
    }


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("temperature", 2.1),
        ("temperature", float("nan")),
        ("temperature", True),
        ("max_tokens", 0),
        ("max_tokens", 1.5),
        ("top_p", 0),
        ("seed", -1),
        ("stop", ""),
        ("stop", ["a", "b", "c", "d", "e"]),
        ("timeout", 0),
        ("context_window", 1),
        ("base_url", "ftp://x"),
        ("reasoning", "sim"),
    ],
)
def test_a_bad_value_is_refused(option: str, value: object) -> None:
    with pytest.raises(InputError, match=option):
        checked_options("ollama", "m", {option: value})


def test_an_option_that_is_none_is_not_given() -> None:
    assert checked_options("extractive", "extractive", {"temperature": None}) == {}


def test_an_unknown_provider_is_named_with_the_nearest() -> None:
    with pytest.raises(UnknownProviderError, match="Quis dizer ollama"):
        create_chat_model("olama", "m", settings_of())


def test_a_model_needs_a_name() -> None:
    with pytest.raises(InputError):
        create_chat_model("ollama", " ", settings_of())


@given(st.text(max_size=60))
def test_a_normalised_address_stays_as_it_is(text: str) -> None:
    address = normalised(text)
    if address is not None:
        assert normalised(address) == address
        assert address.startswith(("http://", "https://"))


@given(st.ip_addresses(v=4, network="10.0.0.0/8") | st.ip_addresses(v=4, network="192.168.0.0/16"))
def test_private_addresses_are_own_and_not_this_machine(address: object) -> None:
    assert is_own(f"http://{address}:11434")
    assert not is_loopback(f"http://{address}:11434")


def test_whose_server_it_is() -> None:
    assert all(is_own(url) for url in ("http://ollama:11434", "localhost:8000", "http://[::1]/v1"))
    assert not any(is_own(url) for url in ("https://api.openai.com/v1", "http://8.8.8.8", "https://x.com.br"))
    assert is_openai("https://api.openai.com/v1")
    assert not is_openai("https://api.openai.com.example.com/v1")


@pytest.mark.parametrize(
    ("provider", "variable"), [("openai", "OPENAI_API_KEY"), ("huggingface", "HUGGINGFACE_API_TOKEN")]
)
@pytest.mark.parametrize("key", [None, "", "  ", "sk-...", "hf_..."])
def test_a_missing_or_placeholder_key_is_asked_for(provider: str, variable: str, key: str | None) -> None:
    settings = settings_of(openai_api_key=key, huggingface_api_token=key)
    with pytest.raises(ProviderUnavailableError) as caught:
        create_chat_model(provider, "m", settings)
    assert variable in caught.value.remedy


def test_a_server_of_ones_own_needs_no_key() -> None:
    create_chat_model("openai", "m", settings_of(openai_base_url="http://127.0.0.1:9/v1"))


@given(st.text(st.characters(exclude_categories=["Zs", "Cs"]), max_size=5).filter(lambda t: not t.isascii()))
def test_a_key_that_cannot_be_one_is_refused_and_not_said(odd: str) -> None:
    with pytest.raises(AuthenticationError) as caught:
        create_chat_model("openai", "m", settings_of(openai_api_key=SECRET + odd + "x"))
    assert_silent(caught.value)


def test_a_bad_address_is_not_said() -> None:
    with pytest.raises(ProviderUnavailableError) as caught:
        create_chat_model("ollama", "m", settings_of(ollama_base_url=f"http://user:{SECRET}@bad host"))
    assert_silent(caught.value)
    assert "OLLAMA_BASE_URL" in caught.value.message


@pytest.mark.parametrize("provider", ["openai", "huggingface"])
def test_keys_stay_out_of_settings_and_models(provider: str) -> None:
    settings = settings_of(openai_api_key=SECRET, huggingface_api_token=SECRET)
    model = create_chat_model(provider, "m", settings)
    assert SECRET not in repr(settings) + str(settings) + settings.model_dump_json() + repr(model) + str(
        model
    )


def assert_silent(error: MelanciaError) -> None:
    """Nothing that a person sees holds the secret."""
    assert SECRET not in f"{error} {error!r} {error.message} {error.remedy} {error.args}"
