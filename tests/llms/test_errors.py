"""Any exception becomes one of ours, and says nothing that it should not."""

import json

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from melancia.errors import (
    AuthenticationError,
    ProviderError,
    ProviderResponseError,
    ProviderTimeoutError,
    ProviderUnavailableError,
)
from melancia.llms import translate_error
from melancia.llms.capabilities import PROVIDERS
from tests.llms.servers import SECRET
from tests.llms.test_options import assert_silent

URL = f"http://usuario:{SECRET}@servidor/v1"


@pytest.mark.parametrize(
    ("exc", "expected"),
    [
        (ConnectionRefusedError(SECRET), ProviderUnavailableError),
        (ConnectionError(SECRET), ProviderUnavailableError),
        (httpx.ConnectError(URL), ProviderUnavailableError),
        (httpx.ConnectTimeout(URL), ProviderUnavailableError),
        (httpx.UnsupportedProtocol(URL), ProviderUnavailableError),
        (httpx.ReadTimeout(URL), ProviderTimeoutError),
        (TimeoutError(SECRET), ProviderTimeoutError),
        (ExceptionGroup("g", [httpx.ReadTimeout(URL)]), ProviderTimeoutError),
        (httpx.ReadError(URL), ProviderResponseError),
        (ConnectionResetError(SECRET), ProviderResponseError),
        (json.JSONDecodeError(SECRET, SECRET, 0), ProviderResponseError),
        (KeyError(SECRET), ProviderResponseError),
    ],
)
@pytest.mark.parametrize("provider", PROVIDERS)
def test_each_failure_has_its_place(provider: str, exc: Exception, expected: type[ProviderError]) -> None:
    error = translate_error(provider, "m", exc)
    assert type(error) is expected
    assert error.message.endswith(".")
    assert_silent(error)


def test_the_cause_counts_not_its_wrapping() -> None:
    outer = RuntimeError(SECRET)
    outer.__cause__ = httpx.ReadTimeout("x")
    assert isinstance(translate_error("ollama", "m", outer), ProviderTimeoutError)


def test_one_of_ours_passes() -> None:
    ours = AuthenticationError("openai", "m", "não", "sim")
    wrapped = RuntimeError("x")
    wrapped.__cause__ = ours
    assert translate_error("ollama", "n", ours) is ours
    assert translate_error("ollama", "n", wrapped) is ours


def test_the_failure_of_the_provider_before_is_not_taken_for_this_one() -> None:
    try:
        raise AuthenticationError("openai", "a", "chave recusada")
    except AuthenticationError:
        try:
            raise httpx.ReadTimeout("x")
        except httpx.ReadTimeout as second:
            error = translate_error("ollama", "b", second)
    assert isinstance(error, ProviderTimeoutError)
    assert error.provider == "ollama"


def test_a_circle_of_causes_ends() -> None:
    first, second = RuntimeError("a"), RuntimeError("b")
    first.__cause__, second.__cause__ = second, first
    assert type(translate_error("openai", "m", first)) is ProviderResponseError


@given(
    st.sampled_from(sorted(PROVIDERS)),
    st.integers(400, 599),
    st.text(max_size=80),
    st.dictionaries(
        st.just("retry-after"), st.text(st.characters(max_codepoint=126, min_codepoint=32), max_size=40)
    ),
)
def test_any_answer_with_an_error_can_be_told(
    provider: str, status: int, text: str, headers: dict[str, str]
) -> None:
    request = httpx.Request("POST", URL)
    response = httpx.Response(status, text=f"{SECRET} {text}", headers=headers, request=request)
    error = translate_error(
        provider, "m", httpx.HTTPStatusError(f"{text} {URL}", request=request, response=response)
    )
    assert error.provider == provider
    assert error.message
    assert_silent(error)
