"""Which models a benchmark asks, and as which variants."""

from collections.abc import Sequence
from dataclasses import replace

from melancia.errors import InputError
from melancia.llms import ModelCard, list_models, parse_label, price, resolve_variant
from melancia.llms.catalog import Availability, State, same_model
from melancia.llms.ollama import is_cloud
from melancia.llms.select import EXTRACTIVE
from melancia.records import Variant
from melancia.settings import Settings

_ORDER = (EXTRACTIVE, "ollama", "openai", "huggingface")  # the control, own machines, what costs money
_UNPRICED = Availability(
    False,
    State.UNPRICED,
    "preço desconhecido: o orçamento não poderia ser garantido",
    "Para medir sem orçamento, rode sem --budget.",
)


def candidates(settings: Settings) -> list[ModelCard]:
    """Every known model, usable or not, by provider, the control first; asks the servers what they have.

    Models that Ollama runs on its cloud are left out: nobody chose to send the questions there.
    """
    cards = [card for card in list_models(settings) if card.provider != "ollama" or not is_cloud(card.model)]
    return sorted(cards, key=lambda card: _ORDER.index(card.provider))


def priced(cards: Sequence[ModelCard], settings: Settings) -> list[ModelCard]:
    """``cards``, of which those that could be used but have no known price are not usable: for a budget."""
    return [
        replace(card, availability=_UNPRICED)
        if card.availability.usable and price(card.provider, card.model, settings=settings) is None
        else card
        for card in cards
    ]


def variant_of(label: str, settings: Settings) -> Variant:
    """The variant in which users would meet the model ``provider:model``."""
    return resolve_variant(settings.model_copy(update={"variant": label}))


def chosen(cards: Sequence[ModelCard], labels: Sequence[str], settings: Settings) -> list[Variant]:
    """The usable ones among ``cards``; or those of ``labels``, and the control, which is always there.

    A label that no card has is taken at its word, since its server may know it; only Ollama lists all that it
    has. Raises InputError for one that cannot be used, or that is not ``provider:model``;
    UnknownProviderError.
    """
    if not labels:
        return [variant_of(card.label, settings) for card in cards if card.availability.usable]
    wanted = [(EXTRACTIVE, EXTRACTIVE), *(parse_label(label) for label in labels)]
    for provider, model in wanted:
        card = _card(cards, provider, model)
        if card is None and provider == "ollama":
            raise InputError(
                f"O Ollama não tem o modelo {model}, ou não responde.",
                f"Baixe-o com `ollama pull {model}`; veja `melancia models`.",
            )
        if card is not None and not card.availability.usable:
            known = card.availability
            raise InputError(f"{card.label} não pode ser medido: {known.reason.rstrip('.')}.", known.remedy)
    variants = [variant_of(f"{provider}:{model}", settings) for provider, model in wanted]
    return list(dict.fromkeys(variants))


def _card(cards: Sequence[ModelCard], provider: str, model: str) -> ModelCard | None:
    for card in cards:
        same = same_model(card.model, model) if provider == "ollama" else card.model == model
        if card.provider == provider and same:
            return card
    return None
