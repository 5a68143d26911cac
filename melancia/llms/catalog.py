"""The catalog: the models that we recommend and those that the servers have, and which can be used now."""

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache
from importlib import resources
from typing import Any

import psutil

from melancia.addresses import OPENAI_URL, is_loopback, is_openai
from melancia.errors import ProviderError
from melancia.llms.compatible import server_models
from melancia.llms.keys import needs_key, required_key
from melancia.llms.ollama import OllamaModel, OllamaStatus, is_cloud, pulled_models
from melancia.llms.prices import context_window, price
from melancia.provider_keys import key_of
from melancia.settings import Settings

_GB = 1_000_000_000
_OVERHEAD = 1.25  # where no source gives the RAM: the weights, a quarter more for the context


class State(StrEnum):
    """Whether a model can be used, in words."""

    READY = "pronto"
    NO_KEY = "chave ausente"
    BAD_KEY = "chave inválida"
    NOT_PULLED = "não baixado"
    UNREACHABLE = "servidor não responde"
    NOT_SERVED = "o servidor não tem"
    LOW_MEMORY = "memória insuficiente"
    UNPRICED = "preço desconhecido"


@dataclass(frozen=True, slots=True)
class Availability:
    """Whether a model can be used now; ``reason`` and ``remedy`` are Portuguese, for people."""

    usable: bool
    state: State
    reason: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class ModelCard:
    """A model. Bytes, tokens, US$ per million tokens; None where no source says."""

    provider: str
    model: str
    title: str
    size_bytes: int | None
    ram_bytes: int | None
    context: int | None
    input_price: float | None
    output_price: float | None
    note: str
    availability: Availability

    @property
    def label(self) -> str:
        """``provider:model``."""
        return f"{self.provider}:{self.model}"


_READY = Availability(True, State.READY, "pronto")


def list_models(settings: Settings) -> list[ModelCard]:
    """Every model that we recommend or that a server has; one request to each server. Never raises."""
    ollama = pulled_models(settings)
    other = settings.openai_base_url
    served = server_models(settings) if other and not is_openai(other) else None
    known = recommended()
    cards = [_judged(card, ollama, served, settings) for card in known]
    cards += _more_ollama(ollama, known, settings) + _more_served(served, known)
    return [_completed(card, settings) for card in cards]


@cache
def recommended() -> tuple[ModelCard, ...]:
    """The cards of ``catalog.toml``, best first within Ollama, without prices; all count as ready."""
    text = resources.files("melancia.llms").joinpath("catalog.toml").read_text(encoding="utf-8")
    return tuple(_card(entry) for entry in tomllib.loads(text)["model"])


def full_name(name: str) -> str:
    """An Ollama model's name with its tag."""
    return name if ":" in name.rsplit("/", 1)[-1] else f"{name}:latest"


def same_model(one: str, other: str) -> bool:
    """Whether two names mean the same model of Ollama: the tag may be left out, case does not matter."""
    return full_name(one).lower() == full_name(other).lower()


def among(name: str, names: Iterable[str]) -> bool:
    """Whether one of ``names`` means the same model of Ollama as ``name``."""
    return any(same_model(name, other) for other in names)


def each_once(names: Iterable[str]) -> tuple[str, ...]:
    """``names`` of models of Ollama in order, each model by its first one."""
    found: dict[str, str] = {}
    for name in names:
        found.setdefault(full_name(name).lower(), name)
    return tuple(found.values())


def memory_problem(card: ModelCard, settings: Settings) -> Availability | None:
    """What is missing when the model does not fit this machine's RAM; None when it fits or runs elsewhere."""
    if card.provider != "ollama" or is_cloud(card.model) or not is_loopback(settings.ollama_base_url):
        return None
    needed = card.ram_bytes or int((card.size_bytes or 0) * _OVERHEAD)
    present = psutil.virtual_memory().total
    if needed <= present:
        return None
    return Availability(
        False,
        State.LOW_MEMORY,
        f"memória insuficiente: precisa de {_gigabytes(needed)}, há {_gigabytes(present)}",
        "Escolha um modelo menor.",
    )


def usable_ollama(ollama: OllamaStatus, settings: Settings) -> list[ModelCard]:
    """The pulled chat models that run on one's own machines and fit: recommended ones first, best first."""
    pulled = {full_name(model.name): model for model in ollama.models if _chats(model) and not model.remote}
    cards = [_measured(card, pulled[card.model]) for card in recommended() if card.model in pulled]
    known = {card.model for card in cards}
    cards += [_pulled_card(model) for name, model in pulled.items() if name not in known]
    return [card for card in cards if memory_problem(card, settings) is None]


def _card(entry: dict[str, Any]) -> ModelCard:
    size, ram = entry.get("size_gb"), entry.get("ram_gb")
    return ModelCard(
        provider=entry["provider"],
        model=entry["model"],
        title=entry["title"],
        size_bytes=round(size * _GB) if size else None,
        ram_bytes=round(ram * _GB) if ram else None,
        context=entry.get("context"),
        input_price=None,
        output_price=None,
        note=entry["note"],
        availability=_READY,
    )


def _completed(card: ModelCard, settings: Settings) -> ModelCard:
    """With today's price, and the context window if the file does not say."""
    # What the server at hand lacks is priced as OpenAI sells it.
    elsewhere = card.provider == "openai" and not card.availability.usable
    found = price(card.provider, card.model, base_url=OPENAI_URL if elsewhere else None, settings=settings)
    context = card.context or context_window(card.provider, card.model)
    if found is None:
        return replace(card, context=context)
    return replace(card, context=context, input_price=found.input, output_price=found.output)


def _judged(
    card: ModelCard, ollama: OllamaStatus, served: Iterable[str] | None, settings: Settings
) -> ModelCard:
    if card.provider == "ollama":
        pulled = {full_name(model.name): model for model in ollama.models}.get(card.model)
        card = card if pulled is None else _measured(card, pulled)
        return replace(card, availability=_of_ollama(card, ollama, pulled is not None, settings))
    if card.provider == "openai" and not is_openai(settings.openai_base_url or OPENAI_URL):
        return replace(card, availability=_of_server(card, served))
    if card.provider in ("openai", "huggingface"):
        return replace(card, availability=_of_key(card, settings))
    return card


def _of_ollama(card: ModelCard, ollama: OllamaStatus, pulled: bool, settings: Settings) -> Availability:
    if not ollama.reachable:
        return Availability(
            False,
            State.UNREACHABLE,
            ollama.problem,
            "Inicie-o com `ollama serve` ou corrija OLLAMA_BASE_URL.",
        )
    # Before "not pulled": nobody should download what cannot run.
    if (problem := memory_problem(card, settings)) is not None:
        return problem
    if not pulled:
        command = f"ollama pull {card.model}"
        return Availability(False, State.NOT_PULLED, f"não baixado: {command}", f"Baixe-o com `{command}`.")
    return _READY


def _of_server(card: ModelCard, served: Iterable[str] | None) -> Availability:
    if served is None:
        return Availability(
            False,
            State.UNREACHABLE,
            "o servidor em OPENAI_BASE_URL não responde",
            "Inicie-o ou corrija OPENAI_BASE_URL.",
        )
    if card.model not in served:
        return Availability(
            False,
            State.NOT_SERVED,
            "o servidor em OPENAI_BASE_URL não tem este modelo",
            "Para usar a OpenAI, apague OPENAI_BASE_URL.",
        )
    return _READY


def _of_key(card: ModelCard, settings: Settings) -> Availability:
    try:
        required_key(card.provider, card.model, settings)
    except ProviderError as error:
        missing = key_of(card.provider, settings) is None and needs_key(card.provider, settings)
        state = State.NO_KEY if missing else State.BAD_KEY
        return Availability(False, state, state.value, error.remedy)
    return _READY


def _more_ollama(ollama: OllamaStatus, known: Iterable[ModelCard], settings: Settings) -> list[ModelCard]:
    names = {card.model for card in known if card.provider == "ollama"}
    more = [_pulled_card(m) for m in ollama.models if _chats(m) and full_name(m.name) not in names]
    return [replace(card, availability=memory_problem(card, settings) or _READY) for card in more]


def _more_served(served: Iterable[str] | None, known: Iterable[ModelCard]) -> list[ModelCard]:
    names = {card.model for card in known if card.provider == "openai"}
    note = "No servidor em OPENAI_BASE_URL."
    return [_bare("openai", name, note) for name in served or () if name not in names]


def _chats(model: OllamaModel) -> bool:
    return not model.embedding


def _measured(card: ModelCard, pulled: OllamaModel) -> ModelCard:
    """With the size on disk, which says more than any table."""
    return replace(card, size_bytes=pulled.size) if pulled.size else card


def _pulled_card(model: OllamaModel) -> ModelCard:
    if model.remote:
        return _bare("ollama", model.name, "Roda na nuvem do Ollama: as perguntas saem desta máquina.")
    note = " ".join(filter(None, ("No Ollama.", model.parameters, model.quantization)))
    return _measured(_bare("ollama", model.name, note), model)


def _bare(provider: str, model: str, note: str) -> ModelCard:
    return ModelCard(provider, model, model, None, None, None, None, None, note, _READY)


def _gigabytes(count: int) -> str:
    return f"{count / _GB:.1f} GB".replace(".0 ", " ").replace(".", ",")
