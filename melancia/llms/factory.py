"""Makes LangChain chat models."""

from typing import Any

from langchain_core.language_models import BaseChatModel
from pydantic import SecretStr

from melancia.addresses import OPENAI_URL, is_openai, is_own
from melancia.errors import InputError
from melancia.llms.capabilities import capabilities, checked_options
from melancia.llms.keys import address_of, required_key
from melancia.llms.masked import masking
from melancia.masking.providers import masked_providers
from melancia.settings import Settings

CONNECT_TIMEOUT = 5.0


def create_chat_model(provider: str, model: str, settings: Settings, **options: Any) -> BaseChatModel:
    """A chat model that streams, reports usage, never retries by itself and gives up in time.

    It sends no personal data to the providers of MELANCIA_MASK_PROVIDERS (``masked``).
    ``options`` are those of ``capabilities(provider).options``; those not given (or None) come from
    ``settings`` where it has them. Nothing is sent yet. Raises UnknownProviderError,
    UnsupportedOptionError, InputError (a bad value), ProviderUnavailableError (missing key, bad address),
    AuthenticationError (a key that cannot be one), SettingsError (masking is asked for an unknown provider).
    """
    masked = provider in masked_providers(settings)
    given = checked_options(provider, model, options)
    if provider == "extractive":
        from melancia.llms.extractive import ExtractiveChatModel

        return ExtractiveChatModel()
    if not model.strip():
        raise InputError("Falta o nome do modelo.", "Escreva provedor:modelo; veja `melancia models`.")
    defaults = {
        "temperature": settings.temperature,
        "max_tokens": settings.max_tokens,
        "context_window": settings.context_window,
        "timeout": settings.total_timeout,
    }
    accepted = capabilities(provider).options
    chosen = {name: value for name, value in defaults.items() if name in accepted} | given
    if provider == "ollama":
        return _ollama(model, settings, chosen, masked=masked)
    return _openai(provider, model, settings, chosen, masked=masked)


def _ollama(model: str, settings: Settings, options: dict[str, Any], *, masked: bool) -> BaseChatModel:
    import httpx
    from langchain_ollama import ChatOllama

    address = address_of("ollama", model, settings, options.get("base_url"))
    timeout = float(options["timeout"])
    kind = masking(ChatOllama) if masked else ChatOllama
    return kind(
        model=model,
        base_url=address,
        temperature=options["temperature"],
        num_predict=options["max_tokens"],
        num_ctx=options["context_window"],
        top_p=options.get("top_p"),
        seed=options.get("seed"),
        stop=options.get("stop"),
        # Unset, a thinking model spends max_tokens on thoughts that nobody sees, and may answer nothing.
        reasoning=options.get("reasoning", False),
        client_kwargs={
            "timeout": httpx.Timeout(timeout, connect=min(CONNECT_TIMEOUT, timeout)),
            "trust_env": not is_own(address),
        },
    )


def _openai(
    provider: str, model: str, settings: Settings, options: dict[str, Any], *, masked: bool
) -> BaseChatModel:
    import openai
    from langchain_openai import ChatOpenAI

    address = address_of(provider, model, settings, options.get("base_url"))
    key = required_key(provider, model, settings, address)
    timeout = openai.Timeout(
        float(options["timeout"]), connect=min(CONNECT_TIMEOUT, float(options["timeout"]))
    )
    more: dict[str, Any] = {}
    if is_openai(address):
        more["max_tokens"] = options["max_tokens"]
    else:
        # LangChain sends max_completion_tokens, which Ollama's and other servers ignore without a word.
        more["extra_body"] = {"max_tokens": options["max_tokens"]}
    if is_own(address):
        # A company's proxy cannot reach a server of this machine or this network.
        more["http_client"] = openai.DefaultHttpxClient(timeout=timeout, trust_env=False)
        more["http_async_client"] = openai.DefaultAsyncHttpxClient(timeout=timeout, trust_env=False)
    kind = masking(ChatOpenAI) if masked else ChatOpenAI
    return kind(
        model=model,
        base_url=address or OPENAI_URL,
        api_key=SecretStr(key),
        temperature=options["temperature"],
        top_p=options.get("top_p"),
        seed=options.get("seed"),
        stop_sequences=options.get("stop"),
        timeout=timeout,
        stream_chunk_timeout=float(options["timeout"]),
        max_retries=0,
        stream_usage=True,
        **more,
    )
