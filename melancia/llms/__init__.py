"""Model providers behind one face: openai (and compatible servers), ollama, huggingface, extractive.

Names are loaded on first use, so that importing this package costs nothing; the modules ``catalog`` and
``prices`` can be reached as attributes too.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

# Not lazy: the submodule of the same name would take the function's place when it is first imported.
from melancia.llms.capabilities import Capabilities, capabilities

if TYPE_CHECKING:
    from melancia.llms import catalog, prices
    from melancia.llms.catalog import Availability, ModelCard, list_models
    from melancia.llms.errors import translate_error
    from melancia.llms.factory import create_chat_model
    from melancia.llms.ollama import OllamaStatus, ollama_status
    from melancia.llms.prices import Price, cost, price
    from melancia.llms.select import fallback_variants, parse_label, resolve_variant, variant_options

__all__ = [
    "Availability",
    "Capabilities",
    "ModelCard",
    "OllamaStatus",
    "Price",
    "capabilities",
    "catalog",
    "cost",
    "create_chat_model",
    "fallback_variants",
    "list_models",
    "ollama_status",
    "parse_label",
    "price",
    "prices",
    "resolve_variant",
    "translate_error",
    "variant_options",
]

_HOMES = {
    "Availability": "catalog",
    "ModelCard": "catalog",
    "OllamaStatus": "ollama",
    "Price": "prices",
    "cost": "prices",
    "create_chat_model": "factory",
    "fallback_variants": "select",
    "list_models": "catalog",
    "ollama_status": "ollama",
    "parse_label": "select",
    "price": "prices",
    "resolve_variant": "select",
    "translate_error": "errors",
    "variant_options": "select",
}


def __getattr__(name: str) -> Any:
    if name in ("catalog", "prices"):
        return import_module(f"{__name__}.{name}")
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
