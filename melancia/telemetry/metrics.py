"""What Prometheus reads: counters and histograms of answers, taken when they end. Never a user or a text.

Labels have few values: providers, reasons and classes of errors are ours; a model that nobody configured is
"outro". An answer that was given again from the cache is counted, and never timed or paid.
"""

import threading
import time
from collections import OrderedDict
from typing import Protocol

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)

from melancia import __version__
from melancia.records import FinishReason, Interaction, OriginKind, Variant
from melancia.settings import Settings

OTHER = "outro"  # a model that is not configured
NOBODY = "nenhum"  # no model was asked: refused for want of evidence, or failed before
_FOUND = 20  # models that are not named in the settings, but in experiments or by automatic choice
_ABANDONED = 900.0  # seconds: an answer that has not ended by then never will
_REMEMBERED = 1000  # ended answers that are known again, should their end be recorded twice
_FIRST_TOKEN = (0.05, 0.1, 0.25, 0.5, 1, 2, 3, 5, 8, 13, 20, 30, 60)
_WHOLE = (0.1, 0.25, 0.5, 1, 2, 5, 10, 15, 20, 30, 45, 60, 90, 120, 180)
_RETRIEVAL = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
_BY_MODEL = ("provider", "model")


class Count(Protocol):
    """Counts ended spans, by what became of them."""

    def __call__(self, outcome: str, spans: int) -> None:
        """``outcome``: "exported" or "failed"."""


class Metrics:
    """The metrics of one process, on a registry of their own. Thread-safe."""

    def __init__(self, settings: Settings) -> None:
        # A second series for each counter, which nobody reads.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        Info("melancia_build", "Versão em uso.", registry=registry).info({"version": __version__})
        self._models = _Models(settings)
        self._lock = threading.Lock()
        self._begun: dict[str, float] = {}
        self._ended: OrderedDict[str, None] = OrderedDict()
        Gauge("melancia_answers_running", "Respostas em andamento.", registry=registry).set_function(
            self.running
        )
        self._answers = Counter(
            "melancia_answers",
            "Perguntas encerradas; answered é quem respondeu, assigned a quem foi atribuída.",
            ("finish_reason", "assigned", "answered", "refused", "fell_back", "origin"),
            registry=registry,
        )
        self._fallbacks = Counter(
            "melancia_fallbacks",
            "Respostas dadas por outra variante que a atribuída.",
            ("from_provider", "to_provider"),
            registry=registry,
        )
        self._errors = Counter(
            "melancia_provider_errors",
            "Falhas de provedores, também as que uma reserva encobriu.",
            ("provider", "error"),
            registry=registry,
        )
        self._hits = Counter("melancia_cache_hits", "Respostas reaproveitadas.", ("kind",), registry=registry)
        self._tokens = Counter(
            "melancia_tokens", "Tokens contados pelo provedor.", (*_BY_MODEL, "kind"), registry=registry
        )
        self._cost = Counter(
            "melancia_cost_usd", "Custo das respostas, em US$.", _BY_MODEL, registry=registry
        )
        self._unpriced = Counter(
            "melancia_unpriced_answers",
            "Respostas de custo desconhecido (que não é zero).",
            _BY_MODEL,
            registry=registry,
        )
        self._unrecorded = Counter(
            "melancia_store_errors",
            "Perguntas e respostas que o banco não gravou.",
            ("operation",),
            registry=registry,
        )
        self._spans = Counter(
            "melancia_spans", "Trechos de rastros enviados ao coletor.", ("outcome",), registry=registry
        )
        self._first_token = Histogram(
            "melancia_time_to_first_token_seconds",
            "Da pergunta à primeira palavra.",
            _BY_MODEL,
            buckets=_FIRST_TOKEN,
            registry=registry,
        )
        self._whole = Histogram(
            "melancia_answer_duration_seconds",
            "Da pergunta ao fim da resposta.",
            _BY_MODEL,
            buckets=_WHOLE,
            registry=registry,
        )
        self._retrieval = Histogram(
            "melancia_retrieval_duration_seconds",
            "Busca dos trechos de uma pergunta.",
            buckets=_RETRIEVAL,
            registry=registry,
        )
        # A rate needs a first value to start from.
        for kind in (OriginKind.EXACT, OriginKind.SEMANTIC):
            self._hits.labels(kind.value)
        for operation in ("start", "finish"):
            self._unrecorded.labels(operation)

    def running(self) -> int:
        """How many answers are under way."""
        oldest = time.monotonic() - _ABANDONED
        with self._lock:
            self._begun = {name: begun for name, begun in self._begun.items() if begun > oldest}
            return len(self._begun)

    def begun(self, interaction_id: str) -> None:
        """A question is about to be answered."""
        with self._lock:
            self._begun[interaction_id] = time.monotonic()

    def unrecorded(self, operation: str, interaction_id: str) -> None:
        """The store did not take the beginning ("start") or the end ("finish") of an answer."""
        with self._lock:
            self._begun.pop(interaction_id, None)
        self._unrecorded.labels(operation).inc()

    def spans(self, outcome: str, spans: int) -> None:
        """So many spans were "exported" to the collector, or "failed" to be."""
        self._spans.labels(outcome).inc(spans)

    def ended(self, interaction: Interaction) -> None:
        """An answer ended; a second time changes nothing."""
        with self._lock:
            self._begun.pop(interaction.id, None)
            if interaction.id in self._ended:
                return
            self._ended[interaction.id] = None
            if len(self._ended) > _REMEMBERED:
                self._ended.popitem(last=False)
        self._count(interaction)
        if interaction.origin is not None and interaction.origin.kind.cached:
            self._hits.labels(interaction.origin.kind.value).inc()
        else:
            self._measure(interaction)

    def _count(self, interaction: Interaction) -> None:
        answer, exposure = interaction.answer, interaction.exposure
        assigned = interaction.assignment.variant.provider
        answered = exposure.provider if exposure else NOBODY
        self._answers.labels(
            finish_reason=answer.finish_reason.value,
            assigned=assigned,
            answered=answered,
            refused=str(answer.refused).lower(),
            fell_back=str(interaction.fell_back).lower(),
            origin=interaction.origin.kind.value if interaction.origin else "direct",
        ).inc()
        if interaction.fell_back:
            self._fallbacks.labels(assigned, answered).inc()

    def _measure(self, interaction: Interaction) -> None:
        for attempt in interaction.attempts:
            self._errors.labels(attempt.variant.provider, attempt.error).inc()
        if interaction.retrieval_time is not None:
            self._retrieval.observe(interaction.retrieval_time)
        answer, exposure = interaction.answer, interaction.exposure
        if exposure is None:
            return
        model = self._models.label(exposure, known=interaction.assignment.experiment is not None)
        who = (exposure.provider, model)
        # What failed before the first word is among the attempts; this is what broke off after it.
        if answer.finish_reason is FinishReason.TIMEOUT:
            self._errors.labels(exposure.provider, "ProviderTimeoutError").inc()
        elif answer.finish_reason is FinishReason.ERROR:
            self._errors.labels(exposure.provider, "interrupted").inc()
        for kind, count in (
            ("prompt", answer.usage.prompt_tokens),
            ("completion", answer.usage.completion_tokens),
        ):
            if count is not None:
                self._tokens.labels(*who, kind).inc(count)
        if answer.cost is None:
            self._unpriced.labels(*who).inc()
        else:
            self._cost.labels(*who).inc(answer.cost)
        # Nobody waited for what a shadow said.
        if interaction.origin is not None and interaction.origin.kind is OriginKind.SHADOW:
            return
        if answer.time_to_first_token is not None:
            self._first_token.labels(*who).observe(answer.time_to_first_token)
        if answer.total_time is not None and answer.finish_reason is not FinishReason.CANCELLED:
            self._whole.labels(*who).observe(answer.total_time)


class _Models:
    """Which models have a label of their own: those of the settings, and so many that were chosen."""

    def __init__(self, settings: Settings) -> None:
        named = ",".join((settings.variant, settings.variant_a, settings.variant_b, settings.fallbacks))
        self._named = {label.strip() for label in named.split(",") if ":" in label}
        self._automatic = settings.variant == "auto"
        self._found: set[str] = set()

    def label(self, variant: Variant, *, known: bool) -> str:
        """Its label; ``known``: an experiment's arm was to answer."""
        if variant.provider == "extractive" or variant.label in self._named:
            return variant.model
        if variant.label not in self._found:
            if not (known or self._automatic) or len(self._found) >= _FOUND:
                return OTHER
            self._found.add(variant.label)
        return variant.model
