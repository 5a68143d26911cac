"""Embeddings as LangChain knows them: ``local:enpt`` (offline), ``ollama:NAME``, ``openai:NAME``."""

from langchain_core.embeddings import Embeddings

from melancia.embeddings.masked import MaskedEmbeddings
from melancia.errors import EmbeddingError
from melancia.masking.providers import masked_providers
from melancia.settings import Settings


def create_embeddings(name: str, settings: Settings) -> Embeddings:
    """The embedding model called ``name``; one of a provider in MELANCIA_MASK_PROVIDERS is sent masked texts.

    Raises EmbeddingError for a name that no provider has, SettingsError.
    """
    provider, _, model = name.partition(":")
    made = _create(name, provider, model, settings)
    return MaskedEmbeddings(made) if provider in masked_providers(settings) else made


def _create(name: str, provider: str, model: str, settings: Settings) -> Embeddings:
    if provider == "local" and model in {"enpt", "original"}:
        from melancia.embeddings.local import LocalEmbeddings

        return LocalEmbeddings(model)
    if provider == "ollama" and model:
        from langchain_ollama import OllamaEmbeddings

        return OllamaEmbeddings(model=model, base_url=settings.ollama_base_url)
    if provider == "openai" and model:
        from langchain_openai import OpenAIEmbeddings

        return OpenAIEmbeddings(
            model=model,
            openai_api_key=settings.openai_api_key,
            openai_api_base=settings.openai_base_url,
            check_embedding_ctx_length=False,
        )
    raise EmbeddingError(
        f"O modelo de embeddings “{name}” não existe.",
        "Use local:enpt, ollama:MODELO ou openai:MODELO em MELANCIA_EMBEDDING_MODEL.",
    )
