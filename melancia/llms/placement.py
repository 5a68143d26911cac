"""Where a model of Ollama really runs: a short generation, its timing, and what the server has loaded."""

import asyncio
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from melancia.addresses import is_own, normalised
from melancia.llms.catalog import same_model
from melancia.llms.errors import translate_error
from melancia.llms.ollama import ollama_status
from melancia.llms.waiting import while_wanted
from melancia.settings import Settings

_LOADING = httpx.Timeout(300.0, connect=5.0)  # a big model takes minutes from a slow disk into memory
_TOKENS = 16
_PROMPT = "Conte de um até vinte, por extenso."


@dataclass(frozen=True, slots=True)
class Placement:
    """Share of the model in the GPU's memory and tokens a second; None where the server did not say."""

    gpu_share: float | None
    tokens_per_second: float | None


def measure(settings: Settings, model: str, stop: threading.Event) -> Placement:
    """Generate a little with ``model`` and look at where it is. Raises ProviderError, StoppedError."""
    try:
        said = asyncio.run(_generate(settings, model, stop))
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise translate_error("ollama", model, error, settings) from error
    # While it is still loaded, which it is for some minutes after its last word.
    share = next(
        (loaded.gpu_share for loaded in ollama_status(settings).running if same_model(loaded.name, model)),
        None,
    )
    tokens, nanoseconds = _count(said.get("eval_count")), _count(said.get("eval_duration"))
    speed = tokens / (nanoseconds / 1e9) if tokens and nanoseconds else None
    return Placement(share, speed)


def _count(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


async def _generate(settings: Settings, model: str, stop: threading.Event) -> Mapping[str, Any]:
    address = normalised(settings.ollama_base_url)
    if address is None:
        raise httpx.InvalidURL("OLLAMA_BASE_URL")
    asked = {
        "model": model,
        "prompt": _PROMPT,
        "stream": False,
        # The window that answers use: another one would make Ollama load the model anew, twice.
        "options": {"num_ctx": settings.context_window, "num_predict": _TOKENS, "temperature": 0},
    }
    async with httpx.AsyncClient(base_url=address, timeout=_LOADING, trust_env=not is_own(address)) as client:
        response = await while_wanted(client.post("/api/generate", json=asked), stop)
    if response.is_error:
        # With the server's words, which say why, and which are only searched.
        raise httpx.HTTPStatusError(response.text[:1000], request=response.request, response=response)
    said = response.json()
    if not isinstance(said, dict):
        raise ValueError("/api/generate did not answer an object")
    return said
