"""Assistant.ask with a real small language model behind llama.cpp's OpenAI-compatible server."""

import asyncio
from collections.abc import Iterator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import pytest

from melancia.agent.retriever import HybridRetriever
from melancia.records import Finished, FinishReason, Interaction, Token, Variant
from melancia.settings import load_settings
from melancia.store import Store
from tests.agent.test_assistant import EXTRACTIVE, IN_BASE, assemble
from tests.standins.llamacpp import SmallModel


@pytest.fixture(scope="module")
def small() -> Iterator[SmallModel]:
    """The running model."""
    with SmallModel(n_ctx=2048) as running:
        yield running


def ask(
    small: SmallModel,
    retriever: HybridRetriever,
    folder: Path,
    variant: Variant,
    *,
    leave: bool = False,
    first_token_timeout: float = 120,
) -> tuple[Interaction, int]:
    """Ask once; returns the interaction as stored and the number of tokens seen."""
    settings = load_settings(
        _env_file=None,
        data_dir=folder,
        openai_base_url=small.base_url,
        first_token_timeout=first_token_timeout,
    )
    store = Store.open(settings.store_url)
    assistant = assemble(settings, store, retriever)

    async def listen() -> int:
        seen = 0
        asking = assistant.ask(IN_BASE, user="ana", conversation="c", variant=variant)
        async with aclosing(asking) as events:
            async for event in events:
                seen += isinstance(event, Token)
                if isinstance(event, Finished) or (leave and seen == 3):
                    break
        return seen

    seen = asyncio.run(listen())
    ((stored, _),) = store.conversation("c", "ana")
    store.close()
    return stored, seen


def test_it_streams_and_its_usage_is_recorded(
    small: SmallModel, retriever: HybridRetriever, tmp_path: Path
) -> None:
    variant = Variant("openai", small.model, max_tokens=24, k=1, context_window=None)
    stored, seen = ask(small, retriever, tmp_path, variant)
    assert stored.exposure == variant
    assert seen > 5
    assert stored.answer.text
    assert stored.answer.usage.prompt_tokens
    assert 0 < (stored.answer.usage.completion_tokens or 0) <= 24
    assert stored.answer.cost == 0
    assert stored.answer.time_to_first_token is not None
    assert stored.answer.total_time is not None
    assert 0 < stored.answer.time_to_first_token <= stored.answer.total_time


def test_leaving_keeps_what_was_said(small: SmallModel, retriever: HybridRetriever, tmp_path: Path) -> None:
    variant = Variant("openai", small.model, max_tokens=400, k=1, context_window=None)
    stored, _ = ask(small, retriever, tmp_path, variant, leave=True)
    assert stored.answer.finish_reason is FinishReason.CANCELLED
    assert stored.answer.text


def test_a_prompt_beyond_its_context_goes_to_the_fallback(
    small: SmallModel, retriever: HybridRetriever, tmp_path: Path
) -> None:
    variant = Variant("openai", small.model, k=20, context_window=None)
    stored, _ = ask(small, retriever, tmp_path, variant)
    assert stored.exposure == replace(EXTRACTIVE, k=5)
    assert stored.attempts[0].variant == variant
    assert "contexto" in stored.attempts[0].message


def test_a_model_that_is_too_slow_gives_way(
    small: SmallModel, retriever: HybridRetriever, tmp_path: Path
) -> None:
    variant = Variant("openai", small.model, k=1, context_window=None)
    stored, _ = ask(small, retriever, tmp_path, variant, first_token_timeout=0.001)
    assert stored.attempts[0].error == "ProviderTimeoutError"
    assert stored.exposure == EXTRACTIVE
