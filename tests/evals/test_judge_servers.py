"""The judge through the providers' own clients: JSON mode, servers that refuse it, cut replies, leaving."""

import asyncio
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from melancia.errors import (
    ModelNotFoundError,
    ProviderError,
    ProviderRateLimitError,
    ProviderResponseError,
)
from melancia.evals.case import Source
from melancia.evals.judge import Judge, Judgement
from melancia.evals.judge_reply import schema
from melancia.llms import create_chat_model
from melancia.records import Usage
from melancia.settings import Settings
from tests.evals.judges import CASE, choice, judgement
from tests.standins.ollama import OllamaStandin

MODEL = "llama3.1:8b"


@pytest.fixture(scope="module")
def ollama_server() -> Iterator[OllamaStandin]:
    with OllamaStandin(models=[MODEL]) as running:
        yield running


@pytest.fixture
def ollama(ollama_server: OllamaStandin) -> OllamaStandin:
    ollama_server.reset()
    return ollama_server


def ollama_judge(server: OllamaStandin, **options: Any) -> Judge:
    settings = Settings(_env_file=None, ollama_base_url=server.url)
    return Judge(create_chat_model("ollama", MODEL, settings, temperature=0, **options), f"ollama:{MODEL}")


def twice(judge: Judge) -> list[Judgement | ProviderError]:
    """What two requests in a row give, in one event loop, to which the clients' connections belong."""

    async def ask() -> list[Judgement | ProviderError]:
        found: list[Judgement | ProviderError] = []
        for _ in range(2):
            try:
                found.append(await judge.score(CASE))
            except ProviderError as error:
                found.append(error)
        return found

    return asyncio.run(ask())


def chats(server: OllamaStandin) -> list[Any]:
    return [request.body for request in server.requests if request.path == "/api/chat"]


def test_ollama_is_asked_for_the_schema(ollama: OllamaStandin) -> None:
    ollama.set_script(f"```json\n{judgement('partial', 0.5)}\n```")
    judge = ollama_judge(ollama)
    assert asyncio.run(judge.score(CASE)).verdict == "partial"
    (body,) = chats(ollama)
    assert body["format"] == schema(Judgement)
    assert judge.usage.prompt_tokens


def test_a_pair_goes_over_the_wire_in_both_orders(ollama: OllamaStandin) -> None:
    other = replace(CASE, answer="Não sei.")
    ollama.set_script(
        lambda read: choice("first" if "<primeira>\nÉ o gasto" in read[-1].content else "second")
    )
    found = asyncio.run(ollama_judge(ollama).compare(CASE, other))
    assert (found.winner, found.consistent) == ("a", True)


def test_ollama_that_cannot_do_json_is_asked_plainly_from_then_on(ollama: OllamaStandin) -> None:
    ollama.set_script(judgement())
    ollama.faults.set(http_500="invalid JSON schema in format", times=1)
    assert all(isinstance(found, Judgement) for found in twice(ollama_judge(ollama)))
    assert [bool(body.get("format")) for body in chats(ollama)] == [True, False, False]


def test_a_failure_that_has_nothing_to_do_with_json_does_not_end_json_mode(ollama: OllamaStandin) -> None:
    ollama.set_script(judgement())
    ollama.faults.set(http_500=True, times=1)
    failed, judged = twice(ollama_judge(ollama))
    assert isinstance(failed, ProviderResponseError)
    assert isinstance(judged, Judgement)
    assert [bool(body.get("format")) for body in chats(ollama)] == [True, True]


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ({"http_429": 7}, ProviderRateLimitError),
        ({"missing_model": True}, ModelNotFoundError),
        ({"drop_connection_after_tokens": 2}, ProviderResponseError),
    ],
)
def test_the_failures_of_ollama_are_translated(
    ollama: OllamaStandin, fault: dict[str, Any], expected: type[ProviderError]
) -> None:
    ollama.faults.set(**fault)
    with pytest.raises(expected) as caught:
        asyncio.run(ollama_judge(ollama).score(CASE))
    assert type(caught.value) is expected
    assert caught.value.remedy
    assert len(chats(ollama)) == 1


def test_sources_are_cut_to_the_window_that_ollama_was_given(ollama: OllamaStandin) -> None:
    ollama.set_script(judgement())
    long = replace(CASE, sources=(Source("a", "A", "", "palavra " * 4000),))
    asyncio.run(ollama_judge(ollama, context_window=4096).score(long))
    (body,) = chats(ollama)
    assert sum(len(message["content"]) for message in body["messages"]) <= 3 * 4096
    assert "Nem todas as fontes couberam" in body["messages"][-1]["content"]


def test_leaving_closes_the_connection(ollama: OllamaStandin) -> None:
    ollama.faults.set(slow_first_token=60)

    async def leave() -> None:
        task = asyncio.create_task(ollama_judge(ollama).score(CASE))
        await asyncio.to_thread(ollama.wait_for, lambda request: request.path == "/api/chat")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.to_thread(ollama.wait_for, lambda request: request.disconnected)

    asyncio.run(leave())


def openai_judge(answer: Callable[[dict[str, Any]], httpx.Response]) -> tuple[list[dict[str, Any]], Judge]:
    """A judge whose OpenAI client is answered by ``answer``; and the bodies that it sends."""
    bodies: list[dict[str, Any]] = []

    def handle(request: httpx.Request) -> httpx.Response:
        bodies.append(json.loads(request.content))
        return answer(bodies[-1])

    model = ChatOpenAI(
        model="gpt-4o-mini",
        api_key=SecretStr("sk-nenhuma"),
        base_url="http://localhost/v1",
        max_retries=0,
        http_async_client=httpx.AsyncClient(transport=httpx.MockTransport(handle)),
    )
    return bodies, Judge(model, "openai:gpt-4o-mini")


def completion(text: str, reason: str = "stop") -> httpx.Response:
    message = {"role": "assistant", "content": text}
    usage = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}
    choices = [{"index": 0, "message": message, "finish_reason": reason}]
    body = {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": choices}
    return httpx.Response(200, json={**body, "usage": usage})


def test_openai_is_asked_for_the_schema() -> None:
    bodies, judge = openai_judge(lambda body: completion(judgement("wrong", 0.2)))
    assert asyncio.run(judge.score(CASE)).verdict == "wrong"
    wanted = bodies[0]["response_format"]
    assert wanted["type"] == "json_schema"
    assert wanted["json_schema"]["strict"] is True
    assert wanted["json_schema"]["schema"] == schema(Judgement)
    assert judge.usage.completion_tokens == 4


@pytest.mark.parametrize("status", [400, 422])
def test_a_compatible_server_without_json_mode_is_asked_plainly_from_then_on(status: int) -> None:
    refusal = {"error": {"message": "unknown field response_format", "type": "invalid_request_error"}}

    def answer(body: dict[str, Any]) -> httpx.Response:
        return httpx.Response(status, json=refusal) if "response_format" in body else completion(judgement())

    bodies, judge = openai_judge(answer)
    assert all(isinstance(found, Judgement) for found in twice(judge))
    assert ["response_format" in body for body in bodies] == [True, False, False]


def test_a_server_that_refuses_everything_is_not_thought_to_lack_json_mode() -> None:
    answers = iter([*[httpx.Response(400, json={"error": {"message": "bad"}})] * 2, completion(judgement())])
    bodies, judge = openai_judge(lambda body: next(answers))
    failed, judged = twice(judge)
    assert isinstance(failed, ProviderResponseError)
    assert isinstance(judged, Judgement)
    assert ["response_format" in body for body in bodies] == [True, False, True]


def test_a_reply_that_was_cut_is_asked_for_again() -> None:
    answers = iter([completion('{"reason": "A resposta', "length"), completion(judgement())])
    bodies, judge = openai_judge(lambda body: next(answers))
    assert asyncio.run(judge.score(CASE)).verdict == "right"
    back = bodies[1]["messages"]
    assert back[-2]["content"] == '{"reason": "A resposta'
    assert "não há um objeto JSON completo" in back[-1]["content"]
    assert judge.usage == Usage(18, 8), "a cut reply was paid too"
