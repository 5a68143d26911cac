"""What an answer from a batch costs in US$: OpenAI's batch price where the table lists it, else half."""

from datetime import datetime
from typing import Any

from melancia.llms.prices import Price, cost, find_priced, price
from melancia.records import Usage, Variant, utc_now
from melancia.settings import Settings

_GUIDE = "https://developers.openai.com/api/docs/guides/batch"
BATCH_DISCOUNT = 0.5  # the guide: "50% cost discount compared to synchronous APIs"
_SAMPLE = 1000  # tokens: below every threshold from which long prompts cost more
_CONTEXT = {"processing": "batch"}  # how genai-prices tells batch prices from the others


def batch_cost(
    variant: Variant, usage: Usage, settings: Settings, at: datetime | None = None
) -> float | None:
    """US$ of one answer of a batch at the instant ``at`` (now by default); None when the price or the tokens
    are not known, 0 on a server of one's own.
    """
    moment = at or utc_now()
    whole = cost(variant.provider, variant.model, usage, moment, settings=settings)
    if not whole:
        return whole
    listed = _listed(variant, usage, settings, moment)
    return whole * BATCH_DISCOUNT if listed is None else listed


def batch_price(variant: Variant, settings: Settings, at: datetime | None = None) -> Price | None:
    """The rate that ``batch_cost`` counts with, and whose it is; None when the price is not known."""
    moment = at or utc_now()
    whole = price(variant.provider, variant.model, moment, settings=settings)
    sent = batch_cost(variant, Usage(_SAMPLE, 0), settings, moment)
    written = batch_cost(variant, Usage(0, _SAMPLE), settings, moment)
    if not whole or sent is None or written is None or not sent + written:
        return whole
    listed = _row(variant, settings, moment)
    told = "preço de lote" if listed else f"a metade, em lote: {_GUIDE}"
    since = getattr(listed.constraint, "start_date", None) if listed else whole.since
    read, said = (round(amount * 1_000_000 / _SAMPLE, 9) for amount in (sent, written))
    return Price(read, said, f"{whole.source}; {told}", since)


def _listed(variant: Variant, usage: Usage, settings: Settings, moment: datetime) -> float | None:
    """The cost at the table's batch price; None when it has none for this model at this moment."""
    from genai_prices import Usage as Tokens

    found = find_priced(variant.provider, variant.model, None, settings)
    if found is None or _row(variant, settings, moment) is None:
        return None
    provider, model = found
    tokens = Tokens(input_tokens=usage.prompt_tokens, output_tokens=usage.completion_tokens)
    charged = model.calc_price(tokens, provider, genai_request_timestamp=moment, price_context=_CONTEXT)
    return float(charged.total_price)


def _row(variant: Variant, settings: Settings, moment: datetime) -> Any:
    """The table's batch price for this model at this moment; None when it has none."""
    found = find_priced(variant.provider, variant.model, None, settings)
    for known in (found[1].price_variants or ()) if found else ():
        if known.when == _CONTEXT and (known.constraint is None or known.constraint.active(moment)):
            return known
    return None
