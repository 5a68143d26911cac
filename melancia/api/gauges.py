"""What ``/metrics`` reads when it is asked: the queue, the breaker, the index, and what the store knows."""

from collections.abc import Callable, Iterable, Sequence

from prometheus_client import CollectorRegistry

from melancia.app import Runtime
from melancia.llms.capabilities import PROVIDERS
from melancia.records import ModelState, ReportStatus
from melancia.telemetry.sources import Described, Sample, Source, Sources


def exposition(runtime: Runtime, waiting: Callable[[], int]) -> CollectorRegistry:
    """All that ``/metrics`` tells: what was counted, and what the sources say when they are asked."""
    told = CollectorRegistry()
    told.register(runtime.telemetry.metrics.registry)
    told.register(Sources(sources(runtime, waiting)))
    return told


def sources(runtime: Runtime, waiting: Callable[[], int]) -> Sequence[Source]:
    """The sources of a page; ``waiting`` says how many requests wait in its queue."""
    store = runtime.store
    return [
        Source(
            "queue",
            (Described("melancia_answers_waiting", "Pedidos que esperam na fila da página."),),
            lambda: [Sample("melancia_answers_waiting", waiting())],
        ),
        Source(
            "breaker",
            (
                Described(
                    "melancia_breaker_open", "1: o provedor falhou seguidamente e descansa.", ("provider",)
                ),
            ),
            lambda: _breaker(runtime.breaker.resting()),
        ),
        Source(
            "index",
            (
                Described("melancia_index_documents", "Documentos na base."),
                Described("melancia_index_chunks", "Trechos na base."),
                Described("melancia_index_vectors", "Trechos que já têm vetor."),
                Described("melancia_index_ready", "1: todo trecho tem vetor."),
            ),
            lambda: _index(runtime),
        ),
        Source(
            "jobs",
            (Described("melancia_jobs", "Tarefas, por estado.", ("state",)),),
            lambda: [
                Sample("melancia_jobs", count, (state.value,)) for state, count in store.gauges.jobs().items()
            ],
        ),
        Source(
            "models",
            (
                Described(
                    "melancia_model_state", "Estado dos modelos do Ollama (1: este).", ("model", "state")
                ),
            ),
            lambda: _models(runtime),
        ),
        Source(
            "worker",
            (
                Described("melancia_worker_up", "1: um worker trabalha neste banco."),
                Described(
                    "melancia_worker_seen_timestamp_seconds",
                    "Quando o worker deu sinal pela última vez (só no PostgreSQL).",
                ),
            ),
            lambda: _worker(runtime),
        ),
        Source(
            "drift",
            (
                Described("melancia_drift_report_timestamp_seconds", "Quando saiu o último relatório."),
                Described(
                    "melancia_drift_report_status", "Resultado do último relatório (1: este).", ("status",)
                ),
                Described("melancia_drift_findings", "Mudanças que o último relatório encontrou."),
            ),
            lambda: _drift(runtime),
        ),
        Source(
            "actions",
            (
                Described(
                    "melancia_actions", "Ações que ninguém deu por vistas, por estado.", ("kind", "state")
                ),
            ),
            lambda: [
                Sample("melancia_actions", count, (kind, state.value))
                for (kind, state), count in store.gauges.actions().items()
            ],
        ),
        Source(
            "outbox",
            (Described("melancia_outbox_backlog", "Interações que o MLflow ainda não recebeu."),),
            # Without an MLflow nothing waits for it, however much it was not told.
            lambda: (
                [Sample("melancia_outbox_backlog", store.exports.backlog())]
                if runtime.settings.mlflow_url
                else []
            ),
        ),
    ]


def _breaker(resting: Sequence[str]) -> Iterable[Sample]:
    for provider in PROVIDERS:
        yield Sample("melancia_breaker_open", float(provider in resting), (provider,))


def _index(runtime: Runtime) -> Iterable[Sample]:
    progress = runtime.index.progress()
    yield Sample("melancia_index_documents", progress.documents)
    yield Sample("melancia_index_chunks", progress.chunks)
    yield Sample("melancia_index_vectors", progress.vectors)
    yield Sample("melancia_index_ready", float(progress.ready))


def _models(runtime: Runtime) -> Iterable[Sample]:
    # The worker keeps a row for what is configured only.
    for status in runtime.store.models.list():
        for state in ModelState:
            yield Sample("melancia_model_state", float(status.state is state), (status.model, state.value))


def _worker(runtime: Runtime) -> Iterable[Sample]:
    found = runtime.store.gauges.worker()
    yield Sample("melancia_worker_up", float(found.present))
    if found.seen_at is not None:
        yield Sample("melancia_worker_seen_timestamp_seconds", found.seen_at.timestamp())


def _drift(runtime: Runtime) -> Iterable[Sample]:
    for report in runtime.store.reports.list(1):
        yield Sample("melancia_drift_report_timestamp_seconds", report.created_at.timestamp())
        yield Sample("melancia_drift_findings", len(report.drifted))
        for status in ReportStatus:
            yield Sample("melancia_drift_report_status", float(report.status is status), (status.value,))
