"""Which models a server that speaks OpenAI's API has."""

import json

import httpx

from melancia.addresses import is_own, normalised
from melancia.llms.ollama import PROBE_TIMEOUT
from melancia.provider_keys import key_of
from melancia.settings import Settings

_FAR_TIMEOUT = httpx.Timeout(5.0)


def server_models(settings: Settings) -> tuple[str, ...] | None:
    """The models at OPENAI_BASE_URL, in the server's order; None when it does not answer. Never raises."""
    address = normalised(settings.openai_base_url or "")
    if address is None:
        return None
    key = key_of("openai", settings)
    headers = {"Authorization": f"Bearer {key}"} if key and key.isascii() and key.isprintable() else {}
    try:
        own = is_own(address)
        timeout = PROBE_TIMEOUT if own else _FAR_TIMEOUT
        with httpx.Client(timeout=timeout, trust_env=not own, headers=headers) as client:
            body = json.loads(client.get(f"{address}/models").raise_for_status().content)
        names = [str(entry["id"]) for entry in body["data"] or []]
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, TypeError, KeyError):
        return None
    return tuple(dict.fromkeys(name for name in names if "embed" not in name.lower()))
