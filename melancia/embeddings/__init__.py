"""Embeddings as LangChain knows them: ``local:enpt`` (offline), ``ollama:NAME``, ``openai:NAME``."""

from langchain_core.embeddings import Embeddings
from pydantic import SecretStr

from melancia.addresses import OPENAI_URL, is_openai
from melancia.embeddings.masked import MaskedEmbeddings
from melancia.embeddings.remote import RemoteEmbeddings, Service
from melancia.errors import EmbeddingError, SettingsError
from melancia.masking.providers import masked_providers
from melancia.provider_keys import NO_KEY, key_of
from melancia.settings import Settings

_CONNECT_TIMEOUT = 5.0


def create_embeddings(name: str, settings: Settings) -> Embeddings:
    """The embedding model called ``name``; one of a provider in MELANCIA_MASK_PROVIDERS is sent masked texts.

    Nothing is sent yet; what a server does wrong later is EmbeddingError, and so is a vector that takes
    longer than MELANCIA_FIRST_TOKEN_TIMEOUT. Raises EmbeddingError for a name that no provider has,
    SettingsError for a missing key or an address that Ollama's client refuses.
    """
    provider, _, model = name.partition(":")
    made = _create(name, provider, model, settings)
    return MaskedEmbeddings(made) if provider in masked_providers(settings) else made


def _create(name: str, provider: str, model: str, settings: Settings) -> Embeddings:
    if provider == "local" and model in {"enpt", "original"}:
        from melancia.embeddings.local import LocalEmbeddings

        return LocalEmbeddings(model)
    if provider == "ollama" and model:
        return _ollama(model, settings)
    if provider == "openai" and model:
        return _openai(model, settings)
    raise EmbeddingError(
        f"O modelo de embeddings “{name}” não existe.",
        "Use local:enpt, ollama:MODELO ou openai:MODELO em MELANCIA_EMBEDDING_MODEL.",
    )


def _ollama(model: str, settings: Settings) -> Embeddings:
    import httpx
    from langchain_ollama import OllamaEmbeddings

    timeout = httpx.Timeout(settings.first_token_timeout, connect=_CONNECT_TIMEOUT)
    service = Service(
        title="O Ollama",
        model=model,
        address_variable="OLLAMA_BASE_URL",
        key_variable=None,
        start="Inicie-o com `ollama serve` ou corrija OLLAMA_BASE_URL.",
        fetch=f"Baixe-o com `ollama pull {model}`.",
    )
    try:
        inner = OllamaEmbeddings(
            model=model, base_url=settings.ollama_base_url, client_kwargs={"timeout": timeout}
        )
    except ValueError as error:
        raise SettingsError(
            "O endereço em OLLAMA_BASE_URL não é válido.", "Corrija-o no arquivo .env."
        ) from error
    return RemoteEmbeddings(inner, service)


def _openai(model: str, settings: Settings) -> Embeddings:
    import httpx
    from langchain_openai import OpenAIEmbeddings

    own_server = not is_openai(settings.openai_base_url or OPENAI_URL)
    service = Service(
        title="O servidor em OPENAI_BASE_URL" if own_server else "A OpenAI",
        model=model,
        address_variable="OPENAI_BASE_URL",
        key_variable="OPENAI_API_KEY",
        start="Confira a internet e OPENAI_BASE_URL.",
        fetch="Confira MELANCIA_EMBEDDING_MODEL e OPENAI_BASE_URL.",
    )
    inner = OpenAIEmbeddings(
        model=model,
        openai_api_key=_key(model, settings, needed=not own_server),
        openai_api_base=settings.openai_base_url,
        check_embedding_ctx_length=False,
        request_timeout=httpx.Timeout(settings.first_token_timeout, connect=_CONNECT_TIMEOUT),
    )
    return RemoteEmbeddings(inner, service)


def _key(model: str, settings: Settings, *, needed: bool) -> SecretStr:
    """As for chat models: the guide's ``sk-...`` is none, and the SDK insists on one where none is needed."""
    key = key_of("openai", settings)
    if key is None and needed:
        raise SettingsError(
            f"Falta a chave da OpenAI para os embeddings {model}.",
            "Crie uma em https://platform.openai.com/api-keys e escreva OPENAI_API_KEY=sk-... no arquivo "
            ".env, ou volte a MELANCIA_EMBEDDING_MODEL=local:enpt.",
        )
    return SecretStr(key or NO_KEY)
