"""Examines what the worker looks after: the configured models of Ollama, and what MLflow has been told."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import httpx

from melancia.addresses import is_own
from melancia.agent.arm_models import wanted
from melancia.doctor.findings import Finding
from melancia.llms.catalog import same_model
from melancia.llms.ollama import ON_GPU, OllamaStatus
from melancia.records import ModelState, ModelStatus, Policy
from melancia.settings import Settings
from melancia.store import Store
from melancia.telemetry.secrets import without_login
from melancia.text import gigabytes, placement, pull_progress

_MODELS = "Modelos do Ollama"
_TIMEOUT = httpx.Timeout(3.0, connect=1.0)


def models(settings: Settings, ollama: OllamaStatus) -> Iterator[Finding]:
    """A finding for each model that settings and experiments name. Raises SettingsError, StoreError."""
    statuses, policies = _kept(settings)
    names = wanted(settings, policies)
    if not names:
        yield Finding(_MODELS, "ok", "nenhum configurado (MELANCIA_VARIANT, MELANCIA_FALLBACKS)")
        return
    known = {status.model: status for status in statuses}
    for name in names:
        size = next((model.size for model in ollama.models if same_model(model.name, name)), None)
        yield _model(settings, ollama, name, size, known.get(name))


def mlflow(settings: Settings) -> Iterator[Finding]:
    """Whether MLflow answers, and what waits for it. Raises StoreError."""
    address = settings.mlflow_url
    if not address:
        yield Finding("MLflow", "ok", "não configurado")
        return
    shown = without_login(address)
    waiting, last = _outbox(settings)
    backlog = "1 interação esperando envio" if waiting == 1 else f"{waiting} interações esperando envio"
    if not address.startswith(("http://", "https://")):
        yield Finding("MLflow", "ok", f"{shown} (não testado aqui); {backlog}")
    elif _answers(address):
        yield Finding("MLflow", "ok", f"no ar em {shown}; {backlog}")
    else:
        yield Finding(
            "MLflow",
            "warning",
            f"não responde em {shown}; {backlog}",
            "Inicie-o (docker compose up -d mlflow) ou corrija MLFLOW_TRACKING_URI; nada se perde até lá.",
        )
    if last:
        yield Finding(
            "MLflow",
            "warning",
            f"último erro de envio: {without_login(last)}",
            "O envio é tentado de novo sozinho; veja o registro do worker (docker compose logs worker).",
        )


def _model(
    settings: Settings, ollama: OllamaStatus, name: str, size: int | None, known: ModelStatus | None
) -> Finding:
    """The server is believed on what it has, the worker's row on the rest."""
    if not ollama.reachable:
        return Finding(
            _MODELS,
            "warning",
            f"{name}: o Ollama não responde; a reserva responderá",
            "Inicie-o com `ollama serve` ou corrija OLLAMA_BASE_URL.",
        )
    if size is None:
        return _missing(name, known)
    if known is not None and known.error and known.state is ModelState.READY:
        return Finding(
            _MODELS,
            "warning",
            f"{name}: baixado, mas não responde. {known.error}",
            "Veja `docker compose logs ollama`.",
        )
    measured = placement(known.gpu_share, known.tokens_per_second) if known else ""
    text = f"{name}: pronto ({gigabytes(size)}), {measured or 'ainda não medido'}"
    if settings.expect_gpu and known and known.gpu_share is not None and known.gpu_share < ON_GPU:
        return Finding(
            _MODELS,
            "warning",
            f"{text}; esperava-se a GPU (MELANCIA_EXPECT_GPU)",
            "Confira o driver (`nvidia-smi`, e no contêiner `docker compose exec ollama nvidia-smi`) e "
            "reinicie o Ollama, ou escolha um modelo menor.",
        )
    return Finding(_MODELS, "ok", text)


def _missing(name: str, known: ModelStatus | None) -> Finding:
    by_hand = f"Baixe-o com `melancia worker --once` ou `ollama pull {name}`."
    if known is None or known.state is ModelState.READY:
        return Finding(_MODELS, "warning", f"{name}: não baixado; a reserva responderá", by_hand)
    if known.state is ModelState.PULLING:
        done = pull_progress(known.completed, known.total)
        wait = f"Espere; sem progresso, inicie o worker. {by_hand}"
        return Finding(_MODELS, "warning", f"{name}: {known.detail or 'baixando'}, {done}", wait)
    said = known.error or known.detail or "esperando o worker"
    return Finding(_MODELS, "warning", f"{name}: não baixado. {said}", by_hand)


def _kept(settings: Settings) -> tuple[Sequence[ModelStatus], Sequence[Policy]]:
    """The models that the worker told of, and the experiments."""
    if not store_exists(settings):
        return (), ()
    with closing(Store.open(settings.store_url)) as store:
        return store.models.list(), store.policies.list()


def _outbox(settings: Settings) -> tuple[int, str]:
    """How many interactions wait, and why the last one failed."""
    if not store_exists(settings):
        return 0, ""
    with closing(Store.open(settings.store_url)) as store:
        return store.exports.backlog(), store.exports.last_error()


def store_exists(settings: Settings) -> bool:
    """Whether there is a database: an examination creates none."""
    url = settings.store_url
    return not url.startswith("sqlite:") or Path(url.removeprefix("sqlite:///")).exists()


def _answers(address: str) -> bool:
    try:
        with httpx.Client(timeout=_TIMEOUT, trust_env=not is_own(address)) as client:
            # Its /health says 200 with the database down, and when every call is refused.
            path = "/api/2.0/mlflow/experiments/search"
            return client.get(f"{address.rstrip('/')}{path}", params={"max_results": 1}).is_success
    except (httpx.HTTPError, httpx.InvalidURL):
        return False
