"""Who answers: reads ``provider:model``, and finds out what MELANCIA_VARIANT and the fallbacks mean now."""

from typing import Any

from melancia.addresses import is_openai
from melancia.errors import InputError, ProviderError, SettingsError, UnknownProviderError
from melancia.llms.capabilities import PROVIDERS, capabilities
from melancia.llms.catalog import recommended, usable_ollama
from melancia.llms.compatible import server_models
from melancia.llms.keys import required_key
from melancia.llms.ollama import pulled_models
from melancia.records import Variant
from melancia.settings import Settings

EXTRACTIVE = "extractive"
_OPENAI_MODEL = "gpt-4o-mini"


def parse_label(label: str) -> tuple[str, str]:
    """Provider and model of ``provider:model``; the model may hold colons, ``extractive`` stands alone.

    Raises InputError when it is not of this form, UnknownProviderError for a provider that does not exist.
    """
    provider, _, model = (part.strip() for part in label.partition(":"))
    if provider == EXTRACTIVE and model in ("", EXTRACTIVE):
        return EXTRACTIVE, EXTRACTIVE
    if not provider or not model:
        raise InputError(
            f"“{label.strip()}” não diz quem responde.",
            "Escreva provedor:modelo, como ollama:llama3.1:8b; veja `melancia models`.",
        )
    capabilities(provider, model)
    if provider == EXTRACTIVE:
        raise InputError("O provedor extrativo não tem modelos.", "Escreva só extractive.")
    return provider, model


def variant_options(variant: Variant) -> dict[str, Any]:
    """The options of ``create_chat_model`` that ``variant`` fixes and its provider accepts."""
    accepted = capabilities(variant.provider, variant.model).options
    fixed = {
        "temperature": variant.temperature,
        "max_tokens": variant.max_tokens,
        "context_window": variant.context_window,
    }
    return {name: value for name, value in fixed.items() if name in accepted and value is not None}


def resolve_variant(settings: Settings) -> Variant:
    """The variant that MELANCIA_VARIANT means now. ``auto`` asks the servers, and never fails.

    Raises SettingsError when the value is not ``auto``, ``extractive`` or ``provider:model``.
    """
    wanted = settings.variant.strip()
    if wanted == "auto":
        return _variant(settings, *_automatic(settings))
    return _variant(settings, *_configured("MELANCIA_VARIANT", wanted))


def fallback_variants(settings: Settings, first: Variant) -> list[Variant]:
    """Who takes over when ``first`` fails, in order; the last one is extractive, which cannot fail.

    Raises SettingsError when MELANCIA_FALLBACKS names no provider and model.
    """
    labels = [part.strip() for part in settings.fallbacks.split(",") if part.strip()]
    chosen = [_configured("MELANCIA_FALLBACKS", label) for label in labels]
    chosen = list(dict.fromkeys(pair for pair in chosen if pair[0] != EXTRACTIVE))
    chosen.append((EXTRACTIVE, EXTRACTIVE))
    return [_variant(settings, *pair) for pair in chosen if pair != (first.provider, first.model)]


def configured_ollama(settings: Settings) -> tuple[str, ...]:
    """The models of Ollama that the settings name: embeddings first (search waits for them, and they are
    small), then who answers, then the fallbacks, then MELANCIA_PULL_MODELS. ``auto`` takes what is there.

    Raises SettingsError when MELANCIA_VARIANT or MELANCIA_FALLBACKS names no provider and model.
    """
    return tuple(dict.fromkeys((*_configured_embedding(settings), *answering_ollama(settings))))


def answering_ollama(settings: Settings) -> tuple[str, ...]:
    """Those of ``configured_ollama`` that answer questions, who answers first. Raises SettingsError."""
    wanted = settings.variant.strip()
    pairs = [] if wanted == "auto" else [_configured("MELANCIA_VARIANT", wanted)]
    for name, label in (("A", settings.variant_a), ("B", settings.variant_b)):
        pairs += [_configured(f"MELANCIA_VARIANT_{name}", label)] if label.strip() else []
    labels = [part.strip() for part in settings.fallbacks.split(",") if part.strip()]
    pairs += [_configured("MELANCIA_FALLBACKS", label) for label in labels]
    pairs += [("ollama", name.strip()) for name in settings.pull_models.split(",") if name.strip()]
    return tuple(dict.fromkeys(model for provider, model in pairs if provider == "ollama"))


def _configured_embedding(settings: Settings) -> tuple[str, ...]:
    provider, _, model = (part.strip() for part in settings.embedding_model.partition(":"))
    return (model,) if provider == "ollama" and model else ()


def _automatic(settings: Settings) -> tuple[str, str]:
    """Own machines first, then a paid service that was set up, then the extractive answerer."""
    local = usable_ollama(pulled_models(settings), settings)
    if local:
        return "ollama", local[0].model
    if settings.openai_base_url and not is_openai(settings.openai_base_url):
        served = server_models(settings)
        if served:
            return "openai", served[0]
    elif _has_key("openai", settings):
        return "openai", _OPENAI_MODEL
    if _has_key("huggingface", settings):
        return "huggingface", next(card.model for card in recommended() if card.provider == "huggingface")
    return EXTRACTIVE, EXTRACTIVE


def _has_key(provider: str, settings: Settings) -> bool:
    try:
        required_key(provider, "", settings)
    except ProviderError:
        return False
    return True


def _configured(variable: str, label: str) -> tuple[str, str]:
    try:
        return parse_label(label)
    except (InputError, UnknownProviderError) as error:
        providers = ", ".join(PROVIDERS)
        raise SettingsError(
            f"{variable}: {error.message}",
            error.remedy or f"Escreva provedor:modelo; os provedores são: {providers}.",
        ) from error


def _variant(settings: Settings, provider: str, model: str) -> Variant:
    return Variant(
        provider=provider,
        model=model,
        prompt_version=settings.prompt_version,
        # Neither means anything without a language model, and the same answerer must have one hash.
        temperature=0.0 if provider == EXTRACTIVE else settings.temperature,
        max_tokens=settings.max_tokens,
        context_window=settings.context_window if provider == "ollama" else None,
        k=settings.k,
    )
