"""Where a model runs and how much of its prompt it read: what it takes to believe a measurement.

Ollama falls back to the CPU and cuts prompts without a word; both are seen only in what it reports.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass

import httpx
from langchain_core.messages import BaseMessage

from melancia.addresses import is_own, normalised
from melancia.llms import ollama_status
from melancia.llms.catalog import same_model
from melancia.llms.ollama import ON_GPU
from melancia.records import Usage, Variant
from melancia.settings import Settings

# No tokenizer packs this much Portuguese into a token (3 to 5 is usual; whole words are 6).
_MOST_CHARS = 10.0
_UNLOADING = httpx.Timeout(30.0, connect=5.0)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Placement:
    """Where Ollama runs a loaded model: the share in the GPU's memory, the context window in tokens."""

    gpu_share: float | None = None
    context_window: int | None = None


class Host:
    """The machine that own models run on."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def placement(self, variant: Variant) -> Placement:
        """Where ``variant`` runs, once loaded; nothing is known of other providers."""
        if variant.provider != "ollama":
            return Placement()
        status = await asyncio.to_thread(ollama_status, self._settings)
        for loaded in status.running:
            if same_model(loaded.name, variant.model):
                return Placement(loaded.gpu_share, loaded.context_window)
        return Placement()

    async def unload(self, variant: Variant) -> None:
        """Give the memory of a model of Ollama back, for the next one. A failure is logged only."""
        address = normalised(self._settings.ollama_base_url)
        if variant.provider != "ollama" or address is None:
            return
        request = {"model": variant.model, "keep_alive": 0}
        try:
            async with httpx.AsyncClient(
                base_url=address, timeout=_UNLOADING, trust_env=not is_own(address)
            ) as client:
                (await client.post("/api/generate", json=request)).raise_for_status()
        except httpx.HTTPError as error:
            logger.info("%s stays loaded: %s", variant.label, type(error).__name__)


def quarantine(
    variant: Variant, placement: Placement, messages: Sequence[BaseMessage], usage: Usage, settings: Settings
) -> str:
    """Why an answer was not measured under the conditions asked for, in Portuguese; "" when it was."""
    share, window, wanted = placement.gpu_share, placement.context_window, variant.context_window
    if settings.expect_gpu and share is not None and share < ON_GPU:
        return (
            f"O modelo rodou na CPU ({round(100 * share)} % na GPU), embora MELANCIA_EXPECT_GPU peça a GPU."
        )
    if wanted and window and window < wanted:
        return f"O servidor abriu uma janela de {window} tokens, menor que a pedida ({wanted})."
    read = usage.prompt_tokens
    if variant.provider != "ollama" or not read:
        return ""  # the others refuse what does not fit
    sent = sum(len(message.text) for message in messages)
    if sent / read > _MOST_CHARS or (wanted and read >= wanted):
        return f"O prompt foi cortado: o servidor leu {read} tokens de um texto de {sent} caracteres."
    return ""
