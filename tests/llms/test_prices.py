"""Prices: known, unknown, free; unknown is never zero."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from melancia.llms import cost, price
from melancia.records import Usage
from tests.llms.servers import settings_of

MILLION = Usage(1_000_000, 1_000_000)


def test_a_known_price_with_its_source() -> None:
    found = price("openai", "gpt-4o-mini")
    assert found is not None
    assert (found.input, found.output) == (0.15, 0.6)
    assert "genai-prices" in found.source
    assert cost("openai", "gpt-4o-mini", MILLION) == pytest.approx(0.75)


def test_a_price_has_its_time() -> None:
    before, after = datetime(2025, 6, 1, tzinfo=UTC), datetime(2025, 7, 1, tzinfo=UTC)
    assert cost("openai", "o3", MILLION, before) == pytest.approx(50)
    assert cost("openai", "o3", MILLION, after) == pytest.approx(10)
    changed = price("openai", "o3", after)
    assert changed is not None
    assert changed.since is not None
    assert before.date() < changed.since <= after.date()


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("openai", "modelo-inventado"),
        ("openai", "text-embedding-3-small"),
        ("huggingface", "Qwen/Qwen3-32B"),
        ("huggingface", "Qwen/Qwen3-32B:fastest"),
        ("ollama", "gpt-oss:120b-cloud"),
    ],
)
def test_unknown_is_not_zero(provider: str, model: str) -> None:
    assert price(provider, model) is None
    assert cost(provider, model, MILLION) is None


def test_hugging_face_is_priced_when_the_server_is_named() -> None:
    assert (cost("huggingface", "Qwen/Qwen3-32B:groq", MILLION) or 0) > 0


@pytest.mark.parametrize("usage", [Usage(), Usage(10, None), Usage(None, 10)])
def test_tokens_that_nobody_counted_cost_nobody_knows_what(usage: Usage) -> None:
    assert cost("openai", "gpt-4o-mini", usage) is None


@pytest.mark.parametrize(("provider", "model"), [("ollama", "llama3.1:8b"), ("extractive", "extractive")])
def test_own_machines_are_free(provider: str, model: str) -> None:
    assert cost(provider, model, Usage()) == 0.0


def test_whose_server_it_is_decides() -> None:
    own = settings_of(openai_base_url="http://192.168.0.5:8000/v1")
    other = settings_of(openai_base_url="https://llm.example.com/v1")
    assert cost("openai", "gpt-4o-mini", MILLION, settings=own) == 0.0
    assert cost("openai", "gpt-4o-mini", MILLION, settings=other) is None
    assert cost("openai", "gpt-4o-mini", MILLION, base_url="http://127.0.0.1:1/v1") == 0.0


@given(st.integers(0, 10**7), st.integers(0, 10**7))
def test_cost_is_the_tokens_times_the_price(prompt: int, completion: int) -> None:
    expected = (prompt * 0.15 + completion * 0.6) / 1e6
    assert cost("openai", "gpt-4o-mini", Usage(prompt, completion)) == pytest.approx(expected, rel=1e-9)
