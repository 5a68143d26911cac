"""Counters say what happened, once; labels stay few; nothing of a person is among them."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client import generate_latest

from melancia.errors import StoreError
from melancia.records import Assignment, FinishReason, Interaction, OriginKind, Turn, Usage, Variant
from melancia.settings import load_settings
from melancia.telemetry.metrics import OTHER, Metrics
from melancia.telemetry.observer import Telemetry
from tests.store.samples import question
from tests.telemetry import samples


@pytest.fixture
def metrics() -> Metrics:
    """Nothing counted yet; one model configured."""
    return Metrics(load_settings(_env_file=None, variant="openai:gpt-4o-mini"))


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    """A sample's value."""
    return metrics.registry.get_sample_value(name, labels)


def answers(metrics: Metrics, **labels: str) -> float:
    """How many answers have these labels."""
    return sum(
        sample.value
        for family in metrics.registry.collect()
        for sample in family.samples
        if sample.name == "melancia_answers_total" and labels.items() <= sample.labels.items()
    )


def test_an_answer_is_counted_timed_and_paid_once(metrics: Metrics) -> None:
    done = samples.direct()
    metrics.begun(done.id)
    assert metrics.running() == 1
    metrics.ended(done)
    metrics.ended(done)
    assert metrics.running() == 0
    assert answers(metrics, finish_reason="stop", assigned="openai", answered="openai", origin="direct") == 1
    who = {"provider": "openai", "model": "gpt-4o-mini"}
    assert value(metrics, "melancia_tokens_total", **who, kind="prompt") == 100
    assert value(metrics, "melancia_tokens_total", **who, kind="completion") == 20
    assert value(metrics, "melancia_cost_usd_total", **who) == 0.002
    assert value(metrics, "melancia_time_to_first_token_seconds_sum", **who) == 0.4
    assert value(metrics, "melancia_answer_duration_seconds_count", **who) == 1
    assert value(metrics, "melancia_retrieval_duration_seconds_sum") == 0.03


def test_a_fallback_and_its_cause_are_counted(metrics: Metrics) -> None:
    metrics.ended(samples.reserved())
    assert answers(metrics, fell_back="true", assigned="ollama", answered="extractive") == 1
    moved = {"from_provider": "ollama", "to_provider": "extractive"}
    assert value(metrics, "melancia_fallbacks_total", **moved) == 1
    blamed = {"provider": "ollama", "error": "ProviderTimeoutError"}
    assert value(metrics, "melancia_provider_errors_total", **blamed) == 1


@pytest.mark.parametrize(
    ("reason", "error"),
    [(FinishReason.TIMEOUT, "ProviderTimeoutError"), (FinishReason.ERROR, "interrupted")],
)
def test_what_breaks_off_after_the_first_word_is_an_error_too(
    metrics: Metrics, reason: FinishReason, error: str
) -> None:
    metrics.ended(samples.direct(finish_reason=reason))
    assert value(metrics, "melancia_provider_errors_total", provider="openai", error=error) == 1


def test_nobody_answering_is_nobody(metrics: Metrics) -> None:
    metrics.ended(samples.failed())
    assert answers(metrics, answered="nenhum", finish_reason="error") == 1
    assert value(metrics, "melancia_time_to_first_token_seconds_count", provider="ollama", model="x") is None


def test_a_cached_answer_is_neither_timed_nor_paid(metrics: Metrics) -> None:
    metrics.ended(samples.again(OriginKind.SEMANTIC))
    assert value(metrics, "melancia_cache_hits_total", kind="semantic") == 1
    assert value(metrics, "melancia_cache_hits_total", kind="exact") == 0
    who = {"provider": "openai", "model": "gpt-4o-mini"}
    assert value(metrics, "melancia_cost_usd_total", **who) is None
    assert value(metrics, "melancia_time_to_first_token_seconds_count", **who) is None
    assert answers(metrics, origin="semantic") == 1


def test_a_shadow_is_paid_and_nobody_waited_for_it(metrics: Metrics) -> None:
    metrics.ended(samples.again(OriginKind.SHADOW))
    who = {"provider": "openai", "model": "gpt-4o-mini"}
    assert value(metrics, "melancia_cost_usd_total", **who) == 0.002
    assert value(metrics, "melancia_answer_duration_seconds_count", **who) is None


def test_unknown_is_not_zero(metrics: Metrics) -> None:
    metrics.ended(samples.direct(cost=None, usage=Usage(), time_to_first_token=None))
    who = {"provider": "openai", "model": "gpt-4o-mini"}
    assert value(metrics, "melancia_unpriced_answers_total", **who) == 1
    assert value(metrics, "melancia_cost_usd_total", **who) is None
    assert value(metrics, "melancia_tokens_total", **who, kind="prompt") is None


def test_models_that_nobody_configured_share_one_label(metrics: Metrics) -> None:
    for number in range(50):
        metrics.ended(samples.direct(Variant("openai", f"modelo-{number}")))
    assert value(metrics, "melancia_cost_usd_total", provider="openai", model=OTHER) == pytest.approx(0.1)


def test_an_experiment_s_models_have_labels_of_their_own_up_to_a_bound(metrics: Metrics) -> None:
    for number in range(50):
        variant = Variant("ollama", f"modelo-{number}")
        done = samples.direct(variant)
        metrics.ended(replace(done, assignment=Assignment(variant, "e1", "A")))
    models = {
        sample.labels["model"]
        for family in metrics.registry.collect()
        for sample in family.samples
        if sample.name == "melancia_cost_usd_total"
    }
    assert "modelo-0" in models
    assert OTHER in models
    assert len(models) < 30


def test_nothing_of_a_person_is_told(metrics: Metrics) -> None:
    for done in (samples.direct(), samples.reserved(), samples.failed(), samples.again()):
        metrics.ended(done)
    text = generate_latest(metrics.registry).decode()
    assert "melancia_answers_total" in text
    for personal in (samples.WHO, "529.982.247-25", "buy box", "Ana"):
        assert personal not in text


class Broken:
    """A store that takes nothing."""

    def start(self, interaction: Interaction) -> None:
        """Refuses."""
        raise StoreError("O banco não responde.")

    def checkpoint(self, interaction_id: str, partial_text: str) -> None:
        """Takes it."""

    def finish(self, interaction: Interaction) -> None:
        """Refuses."""
        raise StoreError("O banco não responde.")

    def turns(self, conversation_id: str, user_id: str, limit: int) -> list[Turn]:
        """None."""
        return []


def test_what_the_store_does_not_take_is_counted_and_raised() -> None:
    telemetry = Telemetry(load_settings(_env_file=None))
    recorder = telemetry.watch(Broken())
    with pytest.raises(StoreError):
        recorder.start(question())
    with pytest.raises(StoreError):
        recorder.finish(samples.direct())
    assert value(telemetry.metrics, "melancia_store_errors_total", operation="start") == 1
    assert value(telemetry.metrics, "melancia_store_errors_total", operation="finish") == 1
    assert telemetry.metrics.running() == 0
    assert answers(telemetry.metrics) == 0


def test_without_a_collector_opentelemetry_is_not_loaded(tmp_path: Path) -> None:
    code = (
        "import sys; from melancia.settings import load_settings; "
        "from melancia.telemetry.observer import Telemetry; "
        "import melancia.telemetry.logs, melancia.telemetry.sources; "
        "Telemetry(load_settings(_env_file=None)).close(); "
        "sys.exit(any(name.startswith('opentelemetry') for name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], check=False)
    assert done.returncode == 0
