"""Examines an installation: what works, what does not, and what to do about it."""

import logging
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psutil

from melancia.doctor import services
from melancia.doctor.agenda import agenda
from melancia.doctor.findings import Finding, Level
from melancia.embeddings import create_embeddings
from melancia.errors import MelanciaError
from melancia.index.catalog import Catalog
from melancia.llms import list_models, ollama_status, resolve_variant
from melancia.llms.keys import missing_key_remedy, required_key
from melancia.llms.ollama import OllamaStatus
from melancia.provider_keys import key_of
from melancia.settings import Settings
from melancia.store import Store

__all__ = ["Finding", "check"]

_GB = 1_000_000_000
_DISK_WARNING, _DISK_ERROR = 5 * _GB, 1 * _GB
_GPU_TIMEOUT = 5  # seconds

logger = logging.getLogger(__name__)


def check(settings: Settings) -> list[Finding]:
    """Every finding. Changes nothing: what does not exist yet is not created. Never raises MelanciaError."""
    ollama = ollama_status(settings)
    examinations: tuple[tuple[str, Callable[[], Iterator[Finding]]], ...] = (
        ("Python", _python),
        ("Memória", _memory),
        ("Disco", lambda: _disk(settings)),
        ("Banco", lambda: _store(settings)),
        ("Índice", lambda: _index(settings)),
        ("Embeddings", lambda: _embeddings(settings)),
        ("Ollama", lambda: _ollama(ollama)),
        ("Modelos do Ollama", lambda: services.models(settings, ollama)),
        ("GPU", lambda: _gpu(ollama)),
        ("Chaves", lambda: _keys(settings)),
        ("MLflow", lambda: services.mlflow(settings)),
        ("Agenda", lambda: agenda(settings)),
        ("Quem responde", lambda: _variant(settings)),
        ("Porta", lambda: _port(settings)),
    )
    findings: list[Finding] = []
    for name, examine in examinations:
        try:
            findings += examine()
        except MelanciaError as error:
            findings.append(Finding(name, "error", error.message, error.remedy))
        except Exception as error:
            # What one examination trips over must not hide what the others found.
            logger.exception("examining %s failed", name)
            said = f"o exame falhou ({type(error).__name__})"
            findings.append(Finding(name, "error", said, "Veja os outros achados e o registro."))
    return findings


def _python() -> Iterator[Finding]:
    yield Finding("Python", "ok", ".".join(map(str, sys.version_info[:3])))


def _memory() -> Iterator[Finding]:
    memory = psutil.virtual_memory()
    text = f"{_gb(memory.available)} livres de {_gb(memory.total)}"
    if memory.total < 8 * _GB:
        yield Finding(
            "Memória",
            "warning",
            text,
            "Modelos de 7B pedem 8 GB: use um menor (ollama pull llama3.2:3b), a resposta extrativa, "
            "ou aumente o swap (fallocate -l 8G /swapfile, mkswap, swapon).",
        )
    else:
        yield Finding("Memória", "ok", text)


def _disk(settings: Settings) -> Iterator[Finding]:
    folder = _nearest(settings.data_dir)
    free = shutil.disk_usage(folder).free
    text = f"{_gb(free)} livres em {folder}"
    if free < _DISK_WARNING:
        level: Level = "error" if free < _DISK_ERROR else "warning"
        yield Finding(
            "Disco", level, text, "Libere espaço ou mude MELANCIA_DATA_DIR; cada modelo ocupa de 2 a 40 GB."
        )
    else:
        yield Finding("Disco", "ok", text)
    try:
        probe = folder / ".melancia-doctor"
        probe.touch()
        probe.unlink()
    except OSError:
        yield Finding(
            "Disco",
            "error",
            f"não se pode escrever em {folder}",
            "Ajuste as permissões ou MELANCIA_DATA_DIR.",
        )


def _store(settings: Settings) -> Iterator[Finding]:
    file = settings.store_url.removeprefix("sqlite:///")
    if settings.store_url.startswith("sqlite:") and not Path(file).exists():
        yield Finding("Banco", "ok", f"ainda não existe; será criado em {file}")
        return
    store = Store.open(settings.store_url)
    counts = store.counts()
    store.close()
    yield Finding(
        "Banco",
        "ok",
        f"{counts['interactions']} perguntas, {counts['thumbs_up']} 👍 e {counts['thumbs_down']} 👎",
    )


def _index(settings: Settings) -> Iterator[Finding]:
    file = settings.index_dir / "catalog.db"
    if not settings.knowledge_dir.is_dir():
        yield Finding(
            "Índice",
            "warning",
            f"a pasta {settings.knowledge_dir} não existe",
            "Corrija MELANCIA_KNOWLEDGE_DIR ou rode `melancia ingest PASTA`.",
        )
    if not file.exists():
        yield Finding("Índice", "warning", "ainda não existe", "Rode `melancia ingest` ou `make run`.")
        return
    catalog = Catalog(file)
    documents, chunks, vectors = catalog.counts(settings.embedding_model)
    catalog.close()
    text = f"{documents} documentos, {vectors} de {chunks} vetores"
    if not documents:
        yield Finding(
            "Índice", "error", text, "Rode `melancia ingest PASTA`: sem documentos não há respostas."
        )
    elif vectors < chunks:
        yield Finding("Índice", "warning", text, "Rode `melancia ingest`; até lá, a busca é só por palavras.")
    else:
        yield Finding("Índice", "ok", text)


def _embeddings(settings: Settings) -> Iterator[Finding]:
    if not settings.embedding_model.startswith("local:"):
        yield Finding("Embeddings", "ok", f"{settings.embedding_model} (não testado aqui)")
        return
    size = len(create_embeddings(settings.embedding_model, settings).embed_query("teste"))
    yield Finding("Embeddings", "ok", f"{settings.embedding_model}, {size} dimensões, sem internet")


def _ollama(status: OllamaStatus) -> Iterator[Finding]:
    if not status.reachable:
        yield Finding(
            "Ollama",
            "warning",
            status.problem,
            "Inicie-o com `ollama serve` e veja os registros com `journalctl -u ollama -f`; para testar: "
            "curl http://localhost:11434/api/tags. Sem ele, a resposta extrativa funciona.",
        )
        return
    names = ", ".join(model.name for model in status.models)
    if not names:
        yield Finding("Ollama", "warning", "no ar, sem nenhum modelo", "Baixe um: `ollama pull llama3.2:3b`.")
        return
    yield Finding("Ollama", "ok", f"versão {status.version or 'desconhecida'}; modelos: {names}")
    for model in status.running:
        share = round(100 * model.gpu_share)
        if share < 100:
            yield Finding(
                "Ollama",
                "warning",
                f"{model.name} está {share} % na GPU; o resto roda na CPU, bem mais devagar",
                "Confira o driver (nvidia-smi) e reinicie o Ollama, ou escolha um modelo menor.",
            )
        else:
            yield Finding("Ollama", "ok", f"{model.name} está inteiro na GPU")


def _gpu(status: OllamaStatus) -> Iterator[Finding]:
    for command in (
        ["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader"],
        ["rocm-smi", "-i"],
    ):
        if shutil.which(command[0]) is None:
            continue
        try:
            # The command is one of the two above: nothing of it comes from outside.
            done = subprocess.run(command, capture_output=True, text=True, timeout=_GPU_TIMEOUT, check=False)  # noqa: S603
        except (OSError, subprocess.TimeoutExpired):
            yield Finding("GPU", "warning", f"{command[0]} não respondeu", "Reinstale o driver da placa.")
            return
        first = done.stdout.strip().partition("\n")[0]
        if done.returncode == 0 and first:
            yield Finding("GPU", "ok", first)
        else:
            yield Finding("GPU", "warning", f"{command[0]} falhou", "Reinstale o driver da placa.")
        return
    yield Finding(
        "GPU",
        "warning" if status.reachable and status.models else "ok",
        "nenhuma visível; modelos locais rodam na CPU",
        "Com uma placa NVIDIA, instale o driver e confira com `nvidia-smi`." if status.models else "",
    )


def _keys(settings: Settings) -> Iterator[Finding]:
    secrets = {
        "openai": ("OPENAI_API_KEY", settings.openai_api_key),
        "huggingface": ("HUGGINGFACE_API_TOKEN", settings.huggingface_api_token),
    }
    for provider, (variable, secret) in secrets.items():
        if secret is None:
            yield Finding("Chaves", "ok", f"{variable} ausente (opcional)")
        elif key_of(provider, settings) is None:
            yield Finding("Chaves", "warning", f"{variable} é só um exemplo", missing_key_remedy(provider))
        else:
            required_key(provider, "", settings)
            yield Finding("Chaves", "ok", f"{variable} definida (não testada)")


def _variant(settings: Settings) -> Iterator[Finding]:
    chosen = resolve_variant(settings)
    how = "escolhido sozinho" if settings.variant == "auto" else f"MELANCIA_VARIANT={settings.variant}"
    for card in list_models(settings):
        if card.label == chosen.label and not card.availability.usable:
            yield Finding(
                "Quem responde",
                "warning",
                f"{chosen.label} ({how}): {card.availability.reason}; a reserva responderá",
                card.availability.remedy,
            )
            return
    yield Finding("Quem responde", "ok", f"{chosen.label} ({how})")


def _port(settings: Settings) -> Iterator[Finding]:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.settimeout(1)
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104
        taken = probe.connect_ex((host, settings.port)) == 0
    name = f"[{host}]" if ":" in host else host
    place = f"{settings.host}:{settings.port}"
    if not taken:
        yield Finding("Porta", "ok", f"{place} livre")
    elif _is_melancia(f"http://{name}:{settings.port}/healthz"):
        yield Finding("Porta", "ok", f"a MelâncIA já responde em http://{name}:{settings.port}")
    else:
        yield Finding(
            "Porta", "warning", f"{place} em uso por outro programa", "Pare-o ou mude MELANCIA_PORT."
        )


def _is_melancia(url: str) -> bool:
    try:
        return bool(httpx.get(url, timeout=2, trust_env=False).json().get("service") == "melancia")
    except (httpx.HTTPError, ValueError, AttributeError):
        return False


def _nearest(folder: Path) -> Path:
    """The folder, or the nearest one above it that exists."""
    return next((path for path in (folder, *folder.parents) if path.is_dir()), Path.cwd())


def _gb(count: float) -> str:
    return f"{count / _GB:.1f} GB".replace(".", ",")
