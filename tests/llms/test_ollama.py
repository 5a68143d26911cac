"""ChatOllama against the stand-in: what is sent, what comes back, and every way to fail."""

import asyncio
from contextlib import aclosing
from typing import Any

import pytest
from langchain_core.messages import AIMessageChunk

from melancia.errors import (
    ModelNotFoundError,
    ProviderError,
    ProviderRateLimitError,
    ProviderResponseError,
    ProviderTimeoutError,
    ProviderUnavailableError,
)
from melancia.llms import create_chat_model, ollama_status, translate_error
from tests.llms.servers import NOBODY, Answering, settings_of
from tests.standins.ollama import OllamaStandin

MODEL = "llama3.1:8b"
ANSWER = "Retail Media é publicidade no varejo [1]."


async def collect(url: str, **options: Any) -> AIMessageChunk:
    model = create_chat_model("ollama", MODEL, settings_of(ollama_base_url=url), **options)
    pieces = [chunk async for chunk in model.astream("O que é?") if isinstance(chunk, AIMessageChunk)]
    assert len([piece for piece in pieces if piece.text]) > 1
    whole = pieces[0]
    for piece in pieces[1:]:
        whole = whole + piece
    return whole


def failure(url: str, **options: Any) -> ProviderError:
    """What a person is told when the answer fails."""
    with pytest.raises(Exception) as caught:  # noqa: PT011
        asyncio.run(collect(url, **options))
    error = translate_error("ollama", MODEL, caught.value)
    assert error.remedy
    assert "127.0.0.1" not in str(error)
    return error


def test_streams_with_usage(ollama: OllamaStandin) -> None:
    ollama.set_script(ANSWER)
    answer = asyncio.run(collect(ollama.url))
    assert answer.text == ANSWER
    assert answer.usage_metadata is not None
    assert answer.usage_metadata["input_tokens"] > 0
    assert answer.usage_metadata["output_tokens"] > 3
    assert answer.response_metadata["done_reason"] == "stop"


def test_settings_and_options_are_sent(ollama: OllamaStandin) -> None:
    asyncio.run(collect(ollama.url, temperature=0.1, max_tokens=50, top_p=0.5, seed=7, stop=["FIM"]))
    body = ollama.requests[-1].body
    assert body["options"] == {
        "num_ctx": 8192,
        "num_predict": 50,
        "temperature": 0.1,
        "top_p": 0.5,
        "seed": 7,
        "stop": ["FIM"],
    }
    assert body["think"] is False


def test_max_tokens_is_honoured(ollama: OllamaStandin) -> None:
    ollama.set_script(ANSWER)
    answer = asyncio.run(collect(ollama.url, max_tokens=3))
    assert answer.usage_metadata is not None
    assert answer.usage_metadata["output_tokens"] == 3
    assert answer.response_metadata["done_reason"] == "length"


def test_a_server_error(ollama: OllamaStandin) -> None:
    ollama.faults.set(http_500=True)
    assert type(failure(ollama.url)) is ProviderResponseError


def test_too_little_memory(ollama: OllamaStandin) -> None:
    ollama.faults.set(http_500="model requires more system memory (8.0 GiB) than is available (2.1 GiB)")
    assert "memória" in failure(ollama.url).message


def test_a_model_that_is_not_pulled(ollama: OllamaStandin) -> None:
    ollama.faults.set(missing_model=True)
    error = failure(ollama.url)
    assert isinstance(error, ModelNotFoundError)
    assert f"ollama pull {MODEL}" in error.remedy


def test_slow_down(ollama: OllamaStandin) -> None:
    ollama.faults.set(http_429=7)
    error = failure(ollama.url)
    assert isinstance(error, ProviderRateLimitError)
    assert error.retry_after == 7


@pytest.mark.parametrize("tokens", [0, 2])
def test_a_dropped_connection(ollama: OllamaStandin, tokens: int) -> None:
    ollama.faults.set(drop_connection_after_tokens=tokens)
    error = failure(ollama.url)
    assert type(error) is ProviderResponseError
    assert "conexão" in error.message


def test_an_error_in_the_stream(ollama: OllamaStandin) -> None:
    ollama.faults.set(mid_stream_error=True)
    assert type(failure(ollama.url)) is ProviderResponseError


@pytest.mark.parametrize("fault", [{"slow_first_token": 60}, {"stall_after_tokens": 2}])
def test_a_time_out_ends_the_call(ollama: OllamaStandin, fault: dict[str, Any]) -> None:
    ollama.faults.set(**fault)
    assert isinstance(failure(ollama.url, timeout=0.3), ProviderTimeoutError)
    assert ollama.wait_for(lambda request: request.disconnected).path == "/api/chat"


def test_nobody_answers() -> None:
    error = failure(NOBODY)
    assert isinstance(error, ProviderUnavailableError)
    assert "ollama serve" in error.remedy
    assert "OLLAMA_BASE_URL" in error.remedy


def test_closing_the_stream_closes_the_connection(ollama: OllamaStandin) -> None:
    ollama.faults.set(stall_after_tokens=2)

    async def leave() -> None:
        model = create_chat_model("ollama", MODEL, settings_of(ollama_base_url=ollama.url))
        stream: Any = model.astream("oi")
        async with aclosing(stream):
            async for _ in stream:
                break
        await asyncio.to_thread(ollama.wait_for, lambda request: request.disconnected)

    asyncio.run(leave())


def test_cancelling_the_task_closes_the_connection(ollama: OllamaStandin) -> None:
    ollama.faults.set(slow_first_token=60)

    async def leave() -> None:
        task = asyncio.create_task(collect(ollama.url))
        await asyncio.to_thread(ollama.wait_for, lambda request: request.path == "/api/chat")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.to_thread(ollama.wait_for, lambda request: request.disconnected)

    asyncio.run(leave())


def test_the_status_tells_versions_and_placement(ollama: OllamaStandin) -> None:
    ollama.faults.set(cpu_fallback=True)
    asyncio.run(collect(ollama.url))
    status = ollama_status(settings_of(ollama_base_url=ollama.url))
    assert status.reachable
    assert status.version
    assert {model.name for model in status.models if model.embedding} == {"nomic-embed-text:latest"}
    (running,) = [model for model in status.running if model.name == MODEL]
    assert running.gpu_share == 0
    assert running.context_window == 8192


def test_a_stranger_at_the_address_is_not_ollama(answering: Answering) -> None:
    answering.reply(200, ["não sou eu"])
    status = ollama_status(settings_of(ollama_base_url=answering.url))
    assert not status.reachable
    assert "não parece ser o Ollama" in status.problem
