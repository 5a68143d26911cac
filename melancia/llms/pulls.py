"""Pulls a model into Ollama, saying how far it is, until it is there, it fails, it stalls or one stops it."""

import asyncio
import json
import logging
import re
import threading
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from melancia.addresses import is_own, normalised
from melancia.errors import (
    ModelNotFoundError,
    ProviderError,
    ProviderResponseError,
    ProviderTimeoutError,
    ProviderUnavailableError,
)
from melancia.llms.waiting import while_wanted
from melancia.settings import Settings
from melancia.text import gigabytes

PATIENCE = 60.0  # seconds without a byte
_CHECKING = 900.0  # seconds that Ollama may be silent while it checks and writes what it has got
_CONNECT = 5.0
_FETCHING = ("consultando o registro", "baixando")
_DETAILS = (
    ("pulling manifest", "consultando o registro"),
    ("pulling", "baixando"),
    ("verifying", "conferindo"),
    ("writing", "gravando"),
    ("removing", "limpando"),
    ("success", "pronto"),
)
_TOO_OLD = re.compile(r"newer version|\b412\b", re.I)
_DISK = re.compile(r"no space left|not enough space|disk (is )?full|quota exceeded", re.I)
_UNKNOWN = re.compile(r"file does not exist|manifest unknown|not found|invalid model name|\b40[04]\b", re.I)
_NO_WAY_OUT = re.compile(
    r"dial tcp|no such host|lookup |connection (refused|reset)|timeout|unreachable|handshake|x509|\bEOF\b"
    r"|deadline exceeded|max retries exceeded|proxyconnect",
    re.I,
)

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class PullProgress:
    """How far a pull is: bytes so far and in all, by layer, and what is being done, in Portuguese."""

    detail: str = "consultando o registro"
    layers: dict[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def completed(self) -> int:
        """Bytes that are there."""
        return sum(done for done, _ in self.layers.values())

    @property
    def total(self) -> int:
        """Bytes in all; 0 while unknown."""
        return sum(total for _, total in self.layers.values())

    def take(self, report: Mapping[str, Any]) -> None:
        """Read one line of Ollama's."""
        status = str(report.get("status") or "").lower()
        self.detail = next((said for word, said in _DETAILS if status.startswith(word)), self.detail)
        if digest := report.get("digest"):
            known = self.layers.get(str(digest), (0, 0))
            done, total = int(report.get("completed") or known[0]), int(report.get("total") or known[1])
            self.layers[str(digest)] = (done, total)


def pull(
    settings: Settings,
    model: str,
    report: Callable[[PullProgress], None],
    stop: threading.Event,
    patience: float = PATIENCE,
) -> None:
    """Pull ``model``; ``report`` hears of it at every line and at least twice a second.

    What was pulled before a failure is kept by Ollama, and the next pull goes on from there. Raises
    StoppedError, ModelNotFoundError (not in the registry), ProviderUnavailableError (Ollama is away),
    ProviderTimeoutError (no byte came for ``patience`` seconds), ProviderResponseError (anything else).
    """
    address = normalised(settings.ollama_base_url)
    if address is None:
        raise ProviderResponseError(
            "ollama", model, "O endereço em OLLAMA_BASE_URL não é válido.", "Corrija-o no arquivo .env."
        )
    try:
        asyncio.run(_pull(address, model, _Watch(report, patience), stop))
    except TimeoutError as error:
        raise ProviderTimeoutError(
            "ollama",
            model,
            f"O download de {model} parou: nenhum byte chegou em {patience:.0f} s.",
            "Ele recomeça sozinho, de onde parou; confira a internet e o registro do Ollama.",
        ) from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise ProviderUnavailableError(
            "ollama",
            model,
            "O Ollama ainda não responde.",
            "Inicie-o com `ollama serve` ou corrija OLLAMA_BASE_URL.",
        ) from error


class _Watch:
    """Tells of the pull, and raises TimeoutError when it does not move any more."""

    def __init__(self, report: Callable[[PullProgress], None], patience: float) -> None:
        self.progress = PullProgress()
        self._report = report
        self._patience = patience
        self._seen, self._moved = ("", 0), time.monotonic()

    def look(self) -> None:
        # Ollama repeats the same figure several times a second while no byte comes: lines prove nothing.
        now = (self.progress.detail, self.progress.completed)
        if now != self._seen:
            self._seen, self._moved = now, time.monotonic()
        fetching = self.progress.detail in _FETCHING
        limit = self._patience if fetching else max(self._patience, _CHECKING)
        if time.monotonic() - self._moved > limit:
            raise TimeoutError
        self._report(self.progress)


async def _pull(address: str, model: str, watch: _Watch, stop: threading.Event) -> None:
    # No limit on reading: Ollama is silent for minutes while it checks a big model. The watch keeps the time.
    limits = httpx.Timeout(None, connect=_CONNECT)
    done = False
    async with httpx.AsyncClient(base_url=address, timeout=limits, trust_env=not is_own(address)) as client:
        request = client.build_request("POST", "/api/pull", json={"model": model, "stream": True})
        response = await while_wanted(client.send(request, stream=True), stop, watch.look)
        try:
            lines = response.aiter_lines()
            while (line := await while_wanted(_next(lines), stop, watch.look)) is not None:
                if not line.strip():
                    continue
                said = _parsed(line)
                if "error" in said or response.is_error:
                    raise _failure(
                        model, str(said.get("error") or f"HTTP{response.status_code}"), watch.progress
                    )
                watch.progress.take(said)
                watch.look()
                done = said.get("status") == "success"
        finally:
            await response.aclose()
    if not done:
        raise _failure(model, f"HTTP{response.status_code}, ended without success", watch.progress)


async def _next(lines: AsyncIterator[str]) -> str | None:
    async for line in lines:
        return line
    return None


def _parsed(line: str) -> Mapping[str, Any]:
    try:
        said = json.loads(line)
    except ValueError:
        return {"error": "not JSON"}
    return said if isinstance(said, dict) else {"error": "not an object"}


def _failure(model: str, said: str, progress: PullProgress) -> ProviderError:
    """What Ollama's words mean to people. They are logged and not shown: they hold paths and addresses."""
    logger.warning("ollama could not pull %s: %s", model, said[:500])
    who = ("ollama", model)
    if _TOO_OLD.search(said):
        return ProviderResponseError(
            *who,
            f"O modelo {model} pede um Ollama mais novo.",
            "Atualize-o: docker compose pull ollama && docker compose up -d ollama, ou https://ollama.com/download.",
        )
    if _DISK.search(said):
        missing = progress.total - progress.completed
        needed = f": faltam {gigabytes(missing)} de {gigabytes(progress.total)}" if progress.total > 0 else ""
        return ProviderResponseError(
            *who,
            f"O disco do Ollama não tem espaço para {model}{needed}.",
            "Veja o que ocupa com `docker system df`, apague um modelo com `ollama rm MODELO` ou escolha um "
            "menor; depois o download continua sozinho.",
        )
    # Before the name: "lookup registry.ollama.ai: no such host" must not read as an unknown model.
    if _NO_WAY_OUT.search(said):
        return ProviderResponseError(
            *who,
            f"O Ollama não alcança o registro de modelos para baixar {model}.",
            "Confira a internet da máquina do Ollama (proxy: HTTPS_PROXY); a próxima tentativa é automática.",
        )
    if _UNKNOWN.search(said):
        return ModelNotFoundError(
            *who,
            f"O registro do Ollama não tem o modelo {model}.",
            "Confira o nome em https://ollama.com/library e corrija MELANCIA_VARIANT, MELANCIA_FALLBACKS ou "
            "MELANCIA_EMBEDDING_MODEL.",
        )
    return ProviderResponseError(
        *who,
        f"O Ollama não conseguiu baixar {model}.",
        "Veja o registro dele (docker compose logs ollama); a próxima tentativa é automática.",
    )
