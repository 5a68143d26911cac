"""What the Ollama server says of itself: a few quick questions, for catalog, choice and doctor."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from melancia.addresses import is_own, normalised
from melancia.settings import Settings

PROBE_TIMEOUT = httpx.Timeout(2.0, connect=0.5)
ON_GPU = 0.99  # from this share on a model counts as being in the GPU's memory
_EMBEDDING = re.compile(r"embed|minilm|(^|/)(bge|gte|e5)-")


@dataclass(frozen=True, slots=True)
class OllamaModel:
    """Pulled; ``size`` in bytes. ``remote``: it runs on Ollama's cloud, questions leave the machine."""

    name: str
    size: int
    family: str = ""
    parameters: str = ""
    quantization: str = ""
    remote: bool = False
    embedding: bool = False


@dataclass(frozen=True, slots=True)
class RunningModel:
    """A loaded model: bytes in all and in the GPU's memory, and the context window in tokens, if told."""

    name: str
    size: int
    size_vram: int
    context_window: int | None = None

    @property
    def gpu_share(self) -> float:
        """How much of the model is in the GPU's memory, 0 to 1."""
        return min(1.0, self.size_vram / self.size) if self.size > 0 else 0.0


@dataclass(frozen=True, slots=True)
class OllamaStatus:
    """The server's state. When not ``reachable``, ``problem`` says why in Portuguese, all else is empty."""

    reachable: bool
    version: str | None = None
    models: tuple[OllamaModel, ...] = ()
    running: tuple[RunningModel, ...] = ()
    problem: str = ""


def pulled_models(settings: Settings) -> OllamaStatus:
    """Whether the server answers and which models it has: one request. Never raises."""
    return _ask(settings, details=False)


def ollama_status(settings: Settings) -> OllamaStatus:
    """Version, pulled and running models: three requests. Never raises."""
    return _ask(settings, details=True)


def _ask(settings: Settings, *, details: bool) -> OllamaStatus:
    address = normalised(settings.ollama_base_url)
    if address is None:
        return OllamaStatus(False, problem="o endereço em OLLAMA_BASE_URL não é válido")
    try:
        with httpx.Client(base_url=address, timeout=PROBE_TIMEOUT, trust_env=not is_own(address)) as client:
            models = tuple(_model(entry) for entry in _entries(client, "/api/tags"))
            if not details:
                return OllamaStatus(True, models=models)
            running = tuple(_running(entry) for entry in _entries(client, "/api/ps"))
            version = _get(client, "/api/version").get("version")
    except httpx.TimeoutException:
        return OllamaStatus(False, problem="o Ollama não respondeu a tempo")
    except httpx.HTTPStatusError as error:
        return OllamaStatus(False, problem=f"o Ollama respondeu com o erro {error.response.status_code}")
    except (httpx.HTTPError, httpx.InvalidURL):
        return OllamaStatus(False, problem="o Ollama não está respondendo em OLLAMA_BASE_URL")
    except (ValueError, TypeError, AttributeError):
        return OllamaStatus(False, problem="o que responde em OLLAMA_BASE_URL não parece ser o Ollama")
    return OllamaStatus(True, str(version) if version else None, models, running)


def _get(client: httpx.Client, path: str) -> Mapping[str, Any]:
    response = client.get(path).raise_for_status()
    body = json.loads(response.content)
    if not isinstance(body, dict):
        raise TypeError(f"{path} did not answer an object")
    return body


def _entries(client: httpx.Client, path: str) -> list[Mapping[str, Any]]:
    body = _get(client, path)
    if "models" not in body:
        raise ValueError(f"{path} did not answer models")
    entries = body["models"]
    return [entry for entry in entries or [] if entry.get("name") or entry.get("model")]


def _model(entry: Mapping[str, Any]) -> OllamaModel:
    name = str(entry.get("name") or entry.get("model"))
    details = entry.get("details") or {}
    family = str(details.get("family") or "")
    capabilities = entry.get("capabilities")
    embedding = "bert" in family or _EMBEDDING.search(name.lower()) is not None
    if isinstance(capabilities, list) and capabilities:
        embedding = "completion" not in capabilities
    return OllamaModel(
        name=name,
        size=int(entry.get("size") or 0),
        family=family,
        parameters=str(details.get("parameter_size") or ""),
        quantization=str(details.get("quantization_level") or ""),
        remote=bool(entry.get("remote_host")) or is_cloud(name),
        embedding=embedding,
    )


def is_cloud(name: str) -> bool:
    """Whether ``name`` is a model that Ollama runs on its cloud (``gpt-oss:120b-cloud``)."""
    return name.endswith(("-cloud", ":cloud"))


def _running(entry: Mapping[str, Any]) -> RunningModel:
    context = entry.get("context_length")
    return RunningModel(
        name=str(entry.get("name") or entry.get("model")),
        size=int(entry.get("size") or 0),
        size_vram=int(entry.get("size_vram") or 0),
        context_window=int(context) if context else None,
    )
