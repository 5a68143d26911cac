"""What an answer from a batch costs in US$: OpenAI's batch price where the table lists it, else half."""

from datetime import datetime

from melancia.llms.prices import cost, find_priced
from melancia.records import Usage, Variant, utc_now
from melancia.settings import Settings

# "50% cost discount compared to synchronous APIs": https://developers.openai.com/api/docs/guides/batch
BATCH_DISCOUNT = 0.5
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


def _listed(variant: Variant, usage: Usage, settings: Settings, moment: datetime) -> float | None:
    """The cost at the table's batch price; None when it has none for this model at this moment."""
    from genai_prices import Usage as Tokens

    found = find_priced(variant.provider, variant.model, None, settings)
    if found is None:
        return None
    provider, model = found
    for known in model.price_variants or ():
        if known.when == _CONTEXT and (known.constraint is None or known.constraint.active(moment)):
            tokens = Tokens(input_tokens=usage.prompt_tokens, output_tokens=usage.completion_tokens)
            price = model.calc_price(tokens, provider, genai_request_timestamp=moment, price_context=_CONTEXT)
            return float(price.total_price)
    return None
