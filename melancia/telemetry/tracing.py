"""Traces for a collector: ask → retrieve → generate, made of the finished interaction with its real times.

Sizes, reasons and identifiers of ours; never a question, an answer, a passage or a user. The provider is our
own and is not made global: MLflow's client has one too, and neither shall see the other's spans.
"""

import logging
import re
import threading
import time
from collections.abc import Sequence
from typing import Any

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, set_span_in_context

from melancia import __version__
from melancia.records import FinishReason, Interaction, Variant
from melancia.telemetry.metrics import Count

_PATH = "/v1/traces"
_TIMEOUT = 3.0  # seconds of one request, in the background
_CLOSING = 3.0  # seconds in which the last spans may still be sent
_ID = re.compile("[0-9a-f]{32}")
_FAILED = (FinishReason.ERROR, FinishReason.TIMEOUT)

logger = logging.getLogger(__name__)


class Tracer:
    """Sends spans to the collector at ``endpoint`` from a thread of its own. Thread-safe."""

    def __init__(self, endpoint: str, *, count: Count, delay: float = 5.0) -> None:
        """``count`` is told what became of the spans; ``delay``: seconds between two batches."""
        # Whoever looks sees what we say once, not what the library says every few seconds.
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
        self._ids = _Ids()
        self._exporter = _Telling(endpoint, count)
        self._provider = TracerProvider(
            resource=Resource.create({"service.name": "melancia", "service.version": __version__}),
            id_generator=self._ids,
            shutdown_on_exit=False,  # ``close`` does it, in a bounded time
        )
        self._provider.add_span_processor(
            BatchSpanProcessor(self._exporter, schedule_delay_millis=delay * 1000)
        )
        self._tracer = self._provider.get_tracer("melancia", __version__)
        self._lock = threading.Lock()

    def record(self, interaction: Interaction) -> None:
        """Queue the spans of a finished answer; the trace has the interaction's identifier."""
        answer = interaction.answer
        begun = interaction.created_at.timestamp()
        retrieved = begun + (interaction.retrieval_time or 0.0)
        ended = max(begun + (answer.total_time or 0.0), retrieved)
        with self._lock:
            self._ids.trace_of(interaction.id)
            root = self._span("ask", None, begun, _ask(interaction), SpanKind.SERVER)
        if interaction.retrieval_time is not None:
            found = {"melancia.passages": len(interaction.passages)}
            self._span("retrieve", root, begun, found).end(_ns(retrieved))
        cached = interaction.origin is not None and interaction.origin.kind.cached
        if not cached and (interaction.exposure is not None or interaction.attempts):
            self._generate(interaction, root, retrieved).end(_ns(ended))
        _judge(root, interaction)
        root.end(_ns(ended))

    def close(self) -> None:
        """Send what waits, for a few seconds at most; nothing to a collector that was away just now."""
        self._exporter.close_soon()
        self._provider.shutdown()

    def _generate(self, interaction: Interaction, root: Span, begun: float) -> Span:
        span = self._span("generate", root, begun, _generation(interaction), SpanKind.CLIENT)
        moment = begun
        for attempt in interaction.attempts:
            moment += attempt.elapsed
            span.add_event(
                "fallback",
                {**_who("melancia", attempt.variant), "error.type": attempt.error},
                _ns(moment),
            )
        first = interaction.answer.time_to_first_token
        if first is not None:
            span.add_event("first_token", timestamp=_ns(interaction.created_at.timestamp() + first))
        _judge(span, interaction)
        return span

    def _span(
        self,
        name: str,
        parent: Span | None,
        begun: float,
        attributes: dict[str, Any],
        kind: SpanKind = SpanKind.INTERNAL,
    ) -> Span:
        # A context of our own making: whatever trace its caller may be in is not ours to join.
        context = set_span_in_context(parent, Context()) if parent else Context()
        return self._tracer.start_span(
            name, context=context, kind=kind, attributes=attributes, start_time=_ns(begun)
        )


class _Ids(RandomIdGenerator):
    """Gives the next trace the identifier that was asked for."""

    def __init__(self) -> None:
        self._next: int | None = None

    def trace_of(self, interaction_id: str) -> None:
        """The next trace is this interaction's: both are 32 hexadecimal digits."""
        self._next = int(interaction_id, 16) if _ID.fullmatch(interaction_id) else None

    def generate_trace_id(self) -> int:
        """Asked for, else random."""
        given, self._next = self._next, None
        return given or super().generate_trace_id()


class _Telling(SpanExporter):
    """The exporter over HTTP; an outage is told once, counted always, and spans are lost meanwhile."""

    def __init__(self, endpoint: str, count: Count) -> None:
        address = endpoint.rstrip("/")
        self._address = address if address.endswith(_PATH) else address + _PATH
        self._inner = OTLPSpanExporter(endpoint=self._address, timeout=_TIMEOUT)
        self._count = count
        self._away = False
        self._until: float | None = None  # instant (monotonic) after which nothing is sent any more

    def close_soon(self) -> None:
        """What is still to come must be quick."""
        self._until = time.monotonic() + (0.0 if self._away else _CLOSING)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send a batch."""
        if self._until is not None and time.monotonic() >= self._until:
            result = SpanExportResult.FAILURE
        else:
            result = self._inner.export(spans)
        failed = result is not SpanExportResult.SUCCESS
        self._count("failed" if failed else "exported", len(spans))
        if failed and not self._away:
            logger.warning("the trace collector does not take spans; they are lost until it does")
        elif self._away and not failed:
            logger.info("the trace collector takes spans again")
        self._away = failed
        return result

    def shutdown(self) -> None:
        """Let go of the connection."""
        self._inner.shutdown()  # type: ignore[no-untyped-call]


def _ask(interaction: Interaction) -> dict[str, Any]:
    assigned, answer = interaction.assignment, interaction.answer
    return {
        "melancia.interaction_id": interaction.id,
        "melancia.experiment": assigned.experiment or "",
        "melancia.arm": assigned.arm or "",
        "melancia.policy": assigned.policy or "",
        **_who("melancia.assigned", assigned.variant),
        "melancia.origin": interaction.origin.kind.value if interaction.origin else "direct",
        "melancia.index_version": interaction.index_version,
        "melancia.settings_hash": interaction.settings_hash,
        "melancia.question_chars": len(interaction.question),
        "melancia.answer_chars": len(answer.text),
        "melancia.citations": len(answer.citations),
        "melancia.invented_citations": answer.invented_citations,
        "melancia.refused": answer.refused,
        "melancia.fell_back": interaction.fell_back,
        "melancia.finish_reason": answer.finish_reason.value,
    }


def _generation(interaction: Interaction) -> dict[str, Any]:
    answer = interaction.answer
    variant = interaction.exposure or interaction.assignment.variant
    known = {
        "gen_ai.usage.input_tokens": answer.usage.prompt_tokens,
        "gen_ai.usage.output_tokens": answer.usage.completion_tokens,
        "melancia.cost_usd": answer.cost,
        "melancia.time_to_first_token": answer.time_to_first_token,
    }
    return {
        "gen_ai.provider.name": variant.provider,
        "gen_ai.request.model": variant.model,
        **_who("melancia", variant),
        "melancia.finish_reason": answer.finish_reason.value,
        "melancia.attempts": len(interaction.attempts),
        **{name: value for name, value in known.items() if value is not None},
    }


def _who(prefix: str, variant: Variant) -> dict[str, Any]:
    return {f"{prefix}.variant": variant.label, f"{prefix}.variant_hash": variant.hash}


def _judge(span: Span, interaction: Interaction) -> None:
    if interaction.answer.finish_reason in _FAILED:
        span.set_status(Status(StatusCode.ERROR, interaction.answer.finish_reason.value))


def _ns(seconds: float) -> int:
    return round(seconds * 1e9)
