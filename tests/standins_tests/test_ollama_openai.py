"""The stand-in's OpenAI-compatible door, through openai and ChatOpenAI."""

from typing import Any

import openai
import pytest

from tests.standins.ollama import DEFAULT_REPLY, Message, OllamaStandin, count_prompt_tokens, split_words
from tests.standins_tests.samples import MODEL, QUESTION, REPLY_TOKENS, chat_openai


def test_openai_streams_with_usage(standin: OllamaStandin) -> None:
    chunks = list(chat_openai(standin, stream_usage=True).stream("O que é Retail Media?"))
    assert "".join(chunk.text for chunk in chunks) == DEFAULT_REPLY
    (usage,) = [chunk.usage_metadata for chunk in chunks if chunk.usage_metadata]
    assert usage["input_tokens"] == count_prompt_tokens([Message(**QUESTION[0])])
    assert usage["output_tokens"] == REPLY_TOKENS + 1


def test_openai_whole_and_limits(standin: OllamaStandin) -> None:
    client = openai.OpenAI(base_url=standin.openai_url, api_key="none")
    question: Any = QUESTION
    cut = client.chat.completions.create(model=MODEL, messages=question, max_tokens=3)
    assert cut.choices[0].finish_reason == "length"
    assert cut.usage is not None
    assert cut.usage.completion_tokens == 3
    # Ollama does not know OpenAI's newer name of the limit.
    uncut = client.chat.completions.create(model=MODEL, messages=question, max_completion_tokens=3)
    assert uncut.choices[0].message.content == DEFAULT_REPLY
    assert MODEL in [model.id for model in client.models.list()]


def test_openai_errors(standin: OllamaStandin) -> None:
    with pytest.raises(openai.NotFoundError, match="model 'nenhum' not found"):
        chat_openai(standin, model="nenhum").invoke("Olá")
    standin.faults.set(http_429=7)
    with pytest.raises(openai.RateLimitError) as caught:
        chat_openai(standin).invoke("Olá")
    assert caught.value.response.headers["retry-after"] == "7"


def test_openai_hides_an_error_in_mid_stream(standin: OllamaStandin) -> None:
    standin.faults.set(mid_stream_error=True)
    chunks = list(chat_openai(standin).stream("Olá"))
    assert "".join(chunk.text for chunk in chunks) == "".join(split_words(DEFAULT_REPLY)[:2])
    assert not any(chunk.response_metadata.get("finish_reason") for chunk in chunks)
