"""What a call costs in US$, from the price table bundled in the genai-prices package: no network.

Unknown is not zero: a model that the table does not know, or tokens that nobody counted, cost None.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from melancia.addresses import OPENAI_URL, is_own, normalised
from melancia.llms.ollama import is_cloud
from melancia.records import Usage, utc_now
from melancia.settings import Settings

_LOCAL_SOURCE = "servidor próprio: não há preço por token"


@dataclass(frozen=True, slots=True)
class Price:
    """US$ per million tokens; above a long prompt's threshold some models cost more, which ``cost`` knows.

    ``source`` names the table and its version; ``since`` is the day from which the price holds, where the
    table says.
    """

    input: float
    output: float
    source: str
    since: date | None = None


def price(
    provider: str,
    model: str,
    at: datetime | None = None,
    *,
    base_url: str | None = None,
    settings: Settings | None = None,
) -> Price | None:
    """The price at the instant ``at`` (now by default); None when it is not known."""
    if _is_free(provider, model, base_url, settings):
        return Price(0.0, 0.0, _LOCAL_SOURCE)
    found = find_priced(provider, model, base_url, settings)
    if found is None:
        return None
    known_provider, info = found
    moment = _aware(at)
    prices = info.get_prices(moment)
    rates = [_base(getattr(prices, name, None)) for name in ("input_mtok", "output_mtok")]
    if rates[0] is None or rates[1] is None:
        return None
    return Price(rates[0], rates[1], _source(known_provider), _since(info, moment))


def cost(
    provider: str,
    model: str,
    usage: Usage,
    at: datetime | None = None,
    *,
    base_url: str | None = None,
    settings: Settings | None = None,
) -> float | None:
    """US$ of one call; None when the price or the tokens are not known. Cached prompts count in full."""
    if _is_free(provider, model, base_url, settings):
        return 0.0
    if usage.prompt_tokens is None or usage.completion_tokens is None:
        return None
    if price(provider, model, at, base_url=base_url, settings=settings) is None:
        return None
    found = find_priced(provider, model, base_url, settings)
    if found is None:
        return None
    from genai_prices import Usage as Tokens

    known_provider, info = found
    tokens = Tokens(input_tokens=usage.prompt_tokens, output_tokens=usage.completion_tokens)
    calculation = info.calc_price(tokens, known_provider, genai_request_timestamp=_aware(at))
    return float(calculation.total_price)


def context_window(provider: str, model: str, settings: Settings | None = None) -> int | None:
    """The model's context window in tokens, as the price table knows it."""
    found = find_priced(provider, model, None, settings)
    return None if found is None else found[1].context_window


def _is_free(provider: str, model: str, base_url: str | None, settings: Settings | None) -> bool:
    if provider == "extractive":
        return True
    if provider == "ollama":
        return not is_cloud(model)
    return is_own(_address(provider, base_url, settings))


def _address(provider: str, base_url: str | None, settings: Settings | None) -> str:
    configured = None
    if settings is not None:
        configured = {
            "openai": settings.openai_base_url,
            "huggingface": settings.huggingface_base_url,
        }.get(provider)
    default = OPENAI_URL if provider == "openai" else ""
    return normalised(base_url or configured or default) or ""


def find_priced(
    provider: str, model: str, base_url: str | None, settings: Settings | None
) -> tuple[Any, Any] | None:
    """The price table's own provider and model; None when it does not know them."""
    from genai_prices.data_snapshot import get_snapshot

    try:
        if provider == "openai":
            # By address: OpenAI's API is spoken by others, with prices of their own.
            address = _address(provider, base_url, settings)
            found: tuple[Any, Any] = get_snapshot().find_provider_model(model, None, None, address)
            return found
        if provider == "huggingface" and ":" in model:
            # Without the server's name after the model's, the router chooses, and their prices differ.
            name, server = model.rsplit(":", 1)
            table = get_snapshot().find_provider(None, f"huggingface_{server}", None)
            return None if table.id != f"huggingface_{server}" else _within(table, name)
    except LookupError:
        return None
    return None


def _within(table: Any, name: str) -> tuple[Any, Any] | None:
    info = table.find_model(name)
    return None if info is None else (table, info)


def _base(rate: Any) -> float | None:
    if rate is None:
        return None
    return float(getattr(rate, "base", rate))


def _since(info: Any, moment: datetime) -> date | None:
    if not isinstance(info.prices, list):
        return None
    for entry in reversed(info.prices):
        if entry.constraint is None or entry.constraint.active(moment):
            return getattr(entry.constraint, "start_date", None)
    return None


def _source(table: Any) -> str:
    from genai_prices import __version__

    pages = table.pricing_urls or []
    return f"genai-prices {__version__}" + (f" ({pages[0]})" if pages else "")


def _aware(at: datetime | None) -> datetime:
    if at is None:
        return utc_now()
    return at if at.tzinfo else at.replace(tzinfo=UTC)
