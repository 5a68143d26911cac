"""What each provider can do, and the check that refuses what it cannot."""

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from melancia.addresses import normalised
from melancia.errors import InputError, UnknownProviderError, UnsupportedOptionError

_MAX_STOPS = 4  # OpenAI's limit; more would be refused there after the question was sent


@dataclass(frozen=True, slots=True)
class Capabilities:
    """A provider's declaration. ``local``: the data stays on machines of one's own.

    ``key_variable`` and ``address_variable`` name the environment's variables, None where there is none.
    For ``openai``, ``needs_key`` and ``local`` speak of OpenAI itself, not of another server at
    OPENAI_BASE_URL.
    """

    provider: str
    title: str
    options: frozenset[str]
    streaming: bool
    usage: bool
    needs_key: bool
    local: bool
    key_variable: str | None = None
    address_variable: str | None = None


_SAMPLING = frozenset({"temperature", "max_tokens", "top_p", "stop", "timeout", "base_url"})

PROVIDERS: Mapping[str, Capabilities] = {
    known.provider: known
    for known in (
        Capabilities(
            "openai",
            "OpenAI",
            _SAMPLING | {"seed"},
            streaming=True,
            usage=True,
            needs_key=True,
            local=False,
            key_variable="OPENAI_API_KEY",
            address_variable="OPENAI_BASE_URL",
        ),
        Capabilities(
            "ollama",
            "Ollama",
            _SAMPLING | {"seed", "context_window", "reasoning"},
            streaming=True,
            usage=True,
            needs_key=False,
            local=True,
            address_variable="OLLAMA_BASE_URL",
        ),
        # No seed: the router picks among many servers, and few of them honour it.
        Capabilities(
            "huggingface",
            "Hugging Face",
            _SAMPLING,
            streaming=True,
            usage=True,
            needs_key=True,
            local=False,
            key_variable="HUGGINGFACE_API_TOKEN",
            address_variable="HUGGINGFACE_BASE_URL",
        ),
        Capabilities(
            "extractive",
            "extrativo",
            frozenset(),
            streaming=True,
            usage=False,
            needs_key=False,
            local=True,
        ),
    )
}


def capabilities(provider: str, model: str = "") -> Capabilities:
    """The declaration of ``provider``. Raises UnknownProviderError with the nearest known name."""
    if provider in PROVIDERS:
        return PROVIDERS[provider]
    near = difflib.get_close_matches(provider.lower(), PROVIDERS, n=1)
    hint = f"Quis dizer {near[0]}?" if near else f"Os provedores são: {', '.join(PROVIDERS)}."
    raise UnknownProviderError(provider, model, f"O provedor “{provider}” não existe.", hint)


def checked_options(provider: str, model: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that were given (None means not given), each valid and honoured by ``provider``.

    Raises UnsupportedOptionError for an option that the provider cannot honour, InputError for a bad value.
    """
    known = capabilities(provider, model)
    given = {name: value for name, value in options.items() if value is not None}
    for name, value in given.items():
        if name not in known.options:
            accepted = ", ".join(sorted(known.options)) or "nenhuma"
            raise UnsupportedOptionError(
                provider,
                model,
                f"O provedor {known.title} não atende à opção “{name}”.",
                f"Opções aceitas: {accepted}.",
            )
        valid, expected = _CHECKS[name]
        if not valid(value):
            raise InputError(f"A opção “{name}” não aceita esse valor.", f"Informe {expected}.")
    if isinstance(given.get("stop"), str):
        given["stop"] = [given["stop"]]
    elif "stop" in given:
        given["stop"] = list(given["stop"])
    return given


def _number(low: float, high: float, *, above: bool = False) -> Callable[[Any], bool]:
    def check(value: Any) -> bool:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        return (low < value if above else low <= value) and value <= high

    return check


def _whole(low: int, high: int) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _stops(value: Any) -> bool:
    if isinstance(value, str):
        return value != ""
    if not isinstance(value, list | tuple):
        return False
    return 1 <= len(value) <= _MAX_STOPS and all(isinstance(item, str) and item for item in value)


def _address(value: Any) -> bool:
    return isinstance(value, str) and normalised(value) is not None


_CHECKS: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "temperature": (_number(0, 2), "um número de 0 a 2"),
    "max_tokens": (_whole(1, 1_000_000), "um número inteiro de 1 a 1000000"),
    "top_p": (_number(0, 1, above=True), "um número maior que 0 e até 1"),
    "seed": (_whole(0, 2**31 - 1), "um número inteiro de 0 a 2147483647"),
    "stop": (_stops, f"um texto ou uma lista de 1 a {_MAX_STOPS} textos não vazios"),
    "timeout": (_number(0, 86_400, above=True), "um número de segundos maior que 0 e até 86400"),
    "context_window": (_whole(256, 10_000_000), "um número inteiro de tokens, a partir de 256"),
    "base_url": (_address, "um endereço http:// ou https://"),
    "reasoning": (lambda value: isinstance(value, bool), "True ou False"),
}
