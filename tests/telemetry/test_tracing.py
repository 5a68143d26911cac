"""Spans reach a real collector over HTTP, hold no text and no person; without it, nothing waits or fails."""

import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import pytest
from opentelemetry import trace
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from melancia.errors import TrackingError
from melancia.mlops.client import connect
from melancia.records import Assignment, FinishReason
from melancia.settings import load_settings
from melancia.telemetry.observer import Telemetry
from melancia.telemetry.tracing import Tracer
from tests.ports import free_port
from tests.telemetry import samples
from tests.telemetry.collector import Collector, attributes


@pytest.fixture
def collector() -> Iterator[Collector]:
    """A running collector."""
    with Collector() as running:
        yield running


class Counted(Counter[str]):
    """What became of the spans."""

    def __call__(self, outcome: str, spans: int) -> None:
        """Count."""
        self[outcome] += spans


def test_an_answer_is_a_trace_with_its_real_times(collector: Collector) -> None:
    done = samples.reserved()
    done = replace(done, assignment=replace(done.assignment, experiment="e1", arm="B"))
    telemetry = Telemetry(load_settings(_env_file=None, otlp_endpoint=collector.url))
    telemetry.ended(done)
    telemetry.close()
    spans, resource, _ = collector.spans(3)
    assert collector.paths == ["/v1/traces"]
    assert attributes(resource.resource)["service.name"] == "melancia"
    by_name = {span.name: span for span in spans}
    ask, retrieve, generate = (by_name[name] for name in ("ask", "retrieve", "generate"))
    assert {span.trace_id.hex() for span in spans} == {done.id}
    assert ask.parent_span_id == b""
    assert {retrieve.parent_span_id, generate.parent_span_id} == {ask.span_id}
    begun = round(done.created_at.timestamp() * 1e9)
    assert ask.start_time_unix_nano == pytest.approx(begun, abs=1000)
    assert ask.end_time_unix_nano - ask.start_time_unix_nano == pytest.approx(0.9e9, abs=1e4)
    assert retrieve.end_time_unix_nano - retrieve.start_time_unix_nano == pytest.approx(0.02e9, abs=1e4)
    assert generate.start_time_unix_nano == retrieve.end_time_unix_nano
    told = attributes(ask)
    assert told["melancia.interaction_id"] == done.id
    assert (told["melancia.experiment"], told["melancia.arm"]) == ("e1", "B")
    assert told["melancia.assigned.variant"] == "ollama:llama3.1:8b"
    assert told["melancia.answer_chars"] == len(done.answer.text)
    assert told["melancia.finish_reason"] == "stop"
    assert told["melancia.fell_back"]
    spoken = attributes(generate)
    assert spoken["melancia.variant"] == "extractive:extractive"
    assert spoken["gen_ai.usage.input_tokens"] == 10
    events = {event.name: attributes(event) for event in generate.events}
    assert events["fallback"]["error.type"] == "ProviderTimeoutError"
    assert "first_token" in events
    assert telemetry.metrics.registry.get_sample_value("melancia_spans_total", {"outcome": "exported"}) == 3


def test_a_failed_answer_is_an_error_and_a_cached_one_has_no_generation(collector: Collector) -> None:
    tracer = Tracer(f"{collector.url}/", count=Counted())
    tracer.record(samples.failed())
    tracer.record(samples.again())
    tracer.record(samples.direct(finish_reason=FinishReason.TIMEOUT))
    tracer.close()
    spans, _, _ = collector.spans(7)
    assert Counter(span.name for span in spans) == {"ask": 3, "retrieve": 2, "generate": 2}
    wrong = [span for span in spans if span.status.code == Status.STATUS_CODE_ERROR]
    assert Counter(span.name for span in wrong) == {"ask": 2, "generate": 2}


def test_no_text_and_no_person_is_in_what_is_sent(collector: Collector) -> None:
    tracer = Tracer(collector.url, count=Counted())
    for done in (samples.direct(), samples.reserved(), samples.failed(), samples.again()):
        tracer.record(replace(done, standalone=samples.ASKED))
    tracer.close()
    _, _, raw = collector.spans(9)
    for personal in (samples.WHO, samples.SAID, samples.ASKED, "529.982", "buy box", "trecho", "acos#1"):
        assert personal.encode() not in raw


def test_an_absent_collector_costs_nothing_and_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    count = Counted()
    tracer = Tracer(f"http://127.0.0.1:{free_port()}", count=count, delay=0.01)
    with caplog.at_level(logging.INFO):
        for _ in range(5):
            tracer.record(samples.direct())
        tracer.close()
    assert count == {"failed": 15}
    assert [record.levelname for record in caplog.records if "collector" in record.message] == ["WARNING"]
    assert not [record for record in caplog.records if record.name.startswith("opentelemetry")]


def test_a_collector_that_hangs_does_not_hold_an_answer(collector: Collector) -> None:
    collector.hold.clear()
    telemetry = Telemetry(load_settings(_env_file=None, otlp_endpoint=collector.url))
    for _ in range(1000):
        telemetry.ended(samples.direct())  # more than a batch: the exporter is at it
    assert collector.bodies.empty()
    collector.hold.set()
    telemetry.close()
    told = telemetry.metrics.registry
    outcomes = [told.get_sample_value("melancia_spans_total", {"outcome": o}) for o in ("exported", "failed")]
    assert sum(found or 0 for found in outcomes) >= 2000


def test_the_collector_that_comes_back_is_noticed(
    collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    collector.status = 400
    count = Counted()
    tracer = Tracer(collector.url, count=count)
    with caplog.at_level(logging.INFO, "melancia"):
        tracer.record(samples.direct())
        tracer._provider.force_flush()
        collector.status = 200
        tracer.record(samples.direct())
        tracer._provider.force_flush()
        tracer.close()
    assert count == {"failed": 3, "exported": 3}
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


def test_our_provider_is_not_the_process_s(collector: Collector) -> None:
    before = trace.get_tracer_provider()
    tracer = Tracer(collector.url, count=Counted())
    assert trace.get_tracer_provider() is before
    # Whatever trace is under way around us, ours has its own identifier and no parent in it.
    around = trace.NonRecordingSpan(trace.SpanContext(1, 2, is_remote=False))
    done = samples.direct()
    with trace.use_span(around):
        tracer.record(done)
    tracer.close()
    spans, _, _ = collector.spans(3)
    assert {span.trace_id.hex() for span in spans} == {done.id}


def test_mlflow_does_not_take_our_collector_for_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    from mlflow.tracing.utils.otlp import should_export_otlp_metrics, should_use_otlp_exporter

    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://coletor:4318")
    assert should_use_otlp_exporter()
    with pytest.raises(TrackingError):
        connect(load_settings(_env_file=None, mlflow_url=f"http://127.0.0.1:{free_port()}"))
    assert not should_use_otlp_exporter()
    assert not should_export_otlp_metrics()


def test_an_answer_without_an_arm_is_told_too(collector: Collector) -> None:
    tracer = Tracer(collector.url, count=Counted())
    done = samples.direct()
    tracer.record(replace(done, assignment=Assignment(samples.PAID), id="not hexadecimal"))
    tracer.close()
    spans, _, _ = collector.spans(3)
    assert {attributes(span).get("melancia.arm", "") for span in spans} == {""}
    assert len({span.trace_id for span in spans}) == 1
