"""What the page says of Ollama's models: pulls under way, failures, and a model that runs on the CPU unasked.

Plain functions from the worker's rows to Markdown; without rows (no worker) there is nothing to say.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from melancia.llms.catalog import among, same_model
from melancia.llms.ollama import ON_GPU
from melancia.llms.select import answering_ollama, configured_ollama
from melancia.records import ModelState, ModelStatus, Variant, utc_now
from melancia.settings import Settings
from melancia.text import decimal, pull_progress
from melancia.ui import render

_SILENT = timedelta(minutes=3)  # the worker writes more often than that while anything is going on


def not_ready(statuses: Iterable[ModelStatus]) -> bool:
    """Whether something is still to come, so that the page should look again."""
    return any(status.state is not ModelState.READY for status in statuses)


def is_pulling(statuses: Iterable[ModelStatus]) -> bool:
    """Whether a pull is under way, so that the page should look again soon."""
    return any(status.state is ModelState.PULLING for status in statuses)


def configured(statuses: Iterable[ModelStatus], settings: Settings) -> list[ModelStatus]:
    """The rows of the models that the settings name, in their order. Raises SettingsError."""
    by_name = {status.model: status for status in statuses}
    return [by_name[name] for name in configured_ollama(settings) if name in by_name]


def who_answers(chain: Sequence[Variant], statuses: Iterable[ModelStatus]) -> Variant:
    """The first of ``chain`` whose model is not known to be missing; its last one always answers."""
    missing = [status.model for status in statuses if status.state is not ModelState.READY]
    for variant in chain[:-1]:
        if variant.provider != "ollama" or not among(variant.model, missing):
            return variant
    return chain[-1]


def models_state(
    statuses: Sequence[ModelStatus],
    chain: Sequence[Variant],
    settings: Settings,
    now: datetime | None = None,
) -> list[str]:
    """A Markdown line for each model of which something must be said. Raises SettingsError.

    ``chain`` is who is asked, in order.
    """
    answering = answering_ollama(settings)
    lines = []
    for status in statuses:
        name = "Um modelo" if settings.blind else render.inert(status.model)
        until = _meanwhile(status, chain, statuses, answers=status.model in answering, blind=settings.blind)
        line = _line(status, name, until, settings, now or utc_now())
        if line:
            lines.append(line)
    return lines


def _line(status: ModelStatus, name: str, until: str, settings: Settings, now: datetime) -> str:
    # A failure names the model, which a blind page does not.
    why = "veja `melancia doctor`." if settings.blind else render.inert(status.error)
    if status.state is ModelState.READY:
        if status.error:
            return f"⚠️ {name} está baixado, mas não responde: {why}"
        return _on_the_cpu(status, name) if settings.expect_gpu else ""
    if status.state is ModelState.FAILED:
        return f"⚠️ {name} não foi baixado: {why}{until}"
    if now - status.updated_at > _SILENT:
        return (
            f"⚠️ {name} ainda não está pronto e o worker não dá notícias: inicie-o com `melancia worker` "
            f"(docker compose up -d worker).{until}"
        )
    if status.state is ModelState.WAITING:
        return f"⏳ {name}: {status.detail or 'esperando o worker'}.{until}"
    shown = "um modelo" if settings.blind else name
    if status.detail not in ("", "baixando"):
        return f"⏳ Baixando {shown}: {status.detail}…{until}"
    return f"⏳ Baixando {shown}: {pull_progress(status.completed, status.total)}.{until}"


def _on_the_cpu(status: ModelStatus, name: str) -> str:
    share = status.gpu_share
    if share is None or share >= ON_GPU:
        return ""
    percent = int(100 * share)
    speed = "" if status.tokens_per_second is None else f", {decimal(status.tokens_per_second)} tokens/s"
    where = "em parte na CPU" if percent else "na CPU"
    return (
        f"⚠️ {name} roda {where} ({percent} % na GPU{speed}): confira o driver com `nvidia-smi`, "
        "reinicie o Ollama ou escolha um modelo menor; veja `melancia doctor`."
    )


def _meanwhile(
    status: ModelStatus,
    chain: Sequence[Variant],
    statuses: Sequence[ModelStatus],
    *,
    answers: bool,
    blind: bool,
) -> str:
    """What happens until the model is there; nothing when it is not the one that would answer."""
    if not answers:
        return " Até lá, a busca usa só palavras."
    first = chain[0]
    if first.provider != "ollama" or not same_model(first.model, status.model):
        return ""
    if blind:
        return " Até lá, responde a reserva."
    taking_over = who_answers(chain, statuses)
    name = "o modo extrativo" if taking_over.provider == "extractive" else taking_over.label
    return f" Até lá, responde {name}."
