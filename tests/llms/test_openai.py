"""A real small model behind an OpenAI-compatible server, and servers that answer with errors."""

import asyncio
from datetime import timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from langchain_core.messages import AIMessageChunk

from melancia.errors import (
    AuthenticationError,
    ModelNotFoundError,
    ProviderError,
    ProviderRateLimitError,
    ProviderResponseError,
    UnsupportedOptionError,
)
from melancia.llms import create_chat_model, translate_error
from melancia.records import utc_now
from tests.llms.servers import SECRET, Answering, settings_of
from tests.llms.test_options import assert_silent
from tests.standins.llamacpp import SmallModel

QUESTION = "Count from one to ten."


def streamed(small: SmallModel, **options: Any) -> tuple[list[AIMessageChunk], AIMessageChunk]:
    model = create_chat_model(
        "openai", small.model, settings_of(), base_url=small.base_url, temperature=0, **options
    )
    chunks = [chunk for chunk in model.stream(QUESTION) if isinstance(chunk, AIMessageChunk)]
    whole = chunks[0]
    for chunk in chunks[1:]:
        whole = whole + chunk
    return chunks, whole


def test_streams_with_usage_and_honours_max_tokens(small: SmallModel) -> None:
    chunks, whole = streamed(small, max_tokens=12)
    assert len([chunk for chunk in chunks if chunk.text]) > 3
    assert whole.usage_metadata is not None
    assert whole.usage_metadata["input_tokens"] > 5
    assert whole.usage_metadata["output_tokens"] == 12
    assert whole.response_metadata["finish_reason"] == "length"


def test_stops_where_told(small: SmallModel) -> None:
    _, free = streamed(small, max_tokens=30)
    assert "4" in free.text
    _, stopped = streamed(small, max_tokens=30, stop="4")
    assert "4" not in stopped.text
    assert free.text.startswith(stopped.text)
    assert stopped.response_metadata["finish_reason"] == "stop"


def test_a_prompt_longer_than_the_context_is_told(small: SmallModel) -> None:
    settings = settings_of(openai_base_url=small.base_url)
    model = create_chat_model("openai", small.model, settings)
    with pytest.raises(Exception) as caught:  # noqa: PT011
        model.invoke("palavra " * 3000)
    error = translate_error("openai", small.model, caught.value, settings)
    assert isinstance(error, ProviderResponseError)
    assert "janela de contexto" in error.message


def failure(
    answering: Answering, status: int, body: Any, headers: dict[str, str] | None = None
) -> ProviderError:
    """What a person is told when the server answers so."""
    answering.reply(status, body, headers)
    settings = settings_of(openai_api_key=SECRET, openai_base_url=answering.url)
    model = create_chat_model("openai", "gpt-x", settings)

    async def ask() -> None:
        async for _ in model.astream("oi"):
            pass

    with pytest.raises(Exception) as caught:  # noqa: PT011
        asyncio.run(ask())
    assert len(answering.requests) == 1, "it must not retry by itself"
    error = translate_error("openai", "gpt-x", caught.value, settings)
    assert_silent(error)
    assert (error.provider, error.model) == ("openai", "gpt-x")
    assert error.remedy
    return error


def refusal(code: str, message: str = "no", param: str | None = None) -> dict[str, Any]:
    return {"error": {"message": f"{message} {SECRET}", "type": "x", "param": param, "code": code}}


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key(answering: Answering, status: int) -> None:
    error = failure(answering, status, refusal("invalid_api_key"))
    assert isinstance(error, AuthenticationError)
    assert "OPENAI_API_KEY" in error.remedy
    assert answering.requests[0][0]["authorization"] == f"Bearer {SECRET}"


def test_a_model_that_the_server_lacks(answering: Answering) -> None:
    error = failure(answering, 404, refusal("model_not_found", "The model `gpt-x` does not exist"))
    assert isinstance(error, ModelNotFoundError)
    assert "gpt-x" in error.message


def test_an_address_without_the_service(answering: Answering) -> None:
    error = failure(answering, 404, "<html>404</html>", {"content-type": "text/html"})
    assert type(error) is ProviderResponseError
    assert "OPENAI_BASE_URL" in error.remedy


def test_slow_down_in_seconds(answering: Answering) -> None:
    error = failure(answering, 429, refusal("rate_limit_exceeded"), {"retry-after": "7"})
    assert isinstance(error, ProviderRateLimitError)
    assert error.retry_after == 7


def test_slow_down_until_a_date(answering: Answering) -> None:
    until = format_datetime(utc_now() + timedelta(hours=1), usegmt=True)
    error = failure(answering, 429, refusal("rate_limit_exceeded"), {"retry-after": until})
    assert isinstance(error, ProviderRateLimitError)
    assert error.retry_after is not None
    assert 3000 < error.retry_after <= 3600


@pytest.mark.parametrize("headers", [{}, {"retry-after": "já"}, {"retry-after": "-5"}])
def test_slow_down_without_a_time(answering: Answering, headers: dict[str, str]) -> None:
    headers = {name: value.encode("ascii", "replace").decode() for name, value in headers.items()}
    error = failure(answering, 429, refusal("rate_limit_exceeded"), headers)
    assert isinstance(error, ProviderRateLimitError)
    assert error.retry_after is None


def test_no_credit_left(answering: Answering) -> None:
    error = failure(answering, 429, refusal("insufficient_quota"))
    assert isinstance(error, ProviderRateLimitError)
    assert "cota" in error.message


def test_an_option_that_this_model_refuses(answering: Answering) -> None:
    error = failure(answering, 400, refusal("unsupported_value", "Unsupported value", "temperature"))
    assert isinstance(error, UnsupportedOptionError)
    assert "temperature" in error.message


@pytest.mark.parametrize("status", [500, 502, 503])
def test_a_server_that_fails(answering: Answering, status: int) -> None:
    error = failure(answering, status, refusal("server_error"))
    assert type(error) is ProviderResponseError
    assert str(status) in error.message


def test_an_answer_that_is_no_answer(answering: Answering) -> None:
    error = failure(answering, 200, "data: {oops\n\n", {"content-type": "text/event-stream"})
    assert type(error) is ProviderResponseError
    assert "não se entende" in error.message


def test_an_error_in_the_stream(answering: Answering) -> None:
    event = 'data: {"error": {"message": "boom", "code": 500}}\n\n'
    error = failure(answering, 200, event, {"content-type": "text/event-stream"})
    assert type(error) is ProviderResponseError


def test_other_servers_are_told_max_tokens_in_the_way_they_all_know(answering: Answering) -> None:
    failure(answering, 500, refusal("server_error"))
    (_, body) = answering.requests[0]
    assert body["max_tokens"] == 800
    assert body["stream_options"] == {"include_usage": True}
