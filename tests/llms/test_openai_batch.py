"""Batches of OpenAI's: what is asked, how one waits, what comes back when only half of it does."""

import asyncio
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage

from melancia.errors import (
    AuthenticationError,
    InputError,
    MelanciaError,
    ProviderRateLimitError,
    ProviderResponseError,
    ProviderUnavailableError,
    UnsupportedOptionError,
)
from melancia.llms import batch_lines, cost, create_chat_model
from melancia.llms.openai_batch import (
    BATCH_DISCOUNT,
    BatchRequest,
    BatchStatus,
    OpenAIBatch,
    batch_cost,
    openai_messages,
)
from melancia.llms.select import variant_options
from melancia.records import FinishReason, Usage, Variant
from melancia.settings import Settings
from tests.llms.servers import NOBODY, SECRET, Answering, settings_of
from tests.llms.test_options import assert_silent
from tests.standins.ollama import OllamaStandin
from tests.standins.openai_batch import DEFAULT_REPLY, OpenAIBatchStandin

MINI = Variant("openai", "gpt-4o-mini", temperature=0.2, max_tokens=50)
POLL = 0.01
MESSAGES: list[BaseMessage] = [
    SystemMessage("Responda em português."),
    HumanMessage("O que é ROAS?"),
    AIMessage("Retorno sobre o gasto [1]."),
    HumanMessage("E o ACOS?", additional_kwargs={"passages": [{"rank": 1, "text": "só para nós"}]}),
]


@pytest.fixture(scope="module")
def running() -> Iterator[OpenAIBatchStandin]:
    with OpenAIBatchStandin() as server:
        yield server


@pytest.fixture
def server(running: OpenAIBatchStandin) -> OpenAIBatchStandin:
    running.reset()
    return running


@pytest.fixture
def settings(server: OpenAIBatchStandin) -> Settings:
    return settings_of(openai_api_key=SECRET, openai_base_url=server.url)


@pytest.fixture
def batches(settings: Settings) -> OpenAIBatch:
    return OpenAIBatch(settings, MINI)


def asked(count: int) -> list[BatchRequest]:
    return [BatchRequest(f"q{n}", [{"role": "user", "content": f"pergunta {n}"}]) for n in range(count)]


def waited(batches: OpenAIBatch, batch_id: str) -> BatchStatus:
    return asyncio.run(batches.wait(batch_id, POLL, lambda _status: True))


def test_every_question_gets_its_own_answer(server: OpenAIBatchStandin, batches: OpenAIBatch) -> None:
    server.script = lambda messages: f"resposta a {messages[-1]['content']}"
    name = batches.submit(asked(5))
    assert waited(batches, name) == BatchStatus("completed", 5, 0, 5, ended=True)
    answers = batches.results(name)
    assert [answer.custom_id for answer in answers] == ["q0", "q1", "q2", "q3", "q4"]
    assert [answer.text for answer in answers] == [f"resposta a pergunta {n}" for n in range(5)]
    assert {answer.error for answer in answers} == {""}
    assert answers[0].usage == Usage(2, 4)
    assert answers[0].finish_reason is FinishReason.STOP
    assert server.authorizations == {f"Bearer {SECRET}"}


def test_it_is_told_every_state_in_its_order(server: OpenAIBatchStandin, batches: OpenAIBatch) -> None:
    server.faults.looks_a_state = 2
    seen: list[str] = []

    def told(status: BatchStatus) -> bool:
        seen.append(status.state)
        return True

    asyncio.run(batches.wait(batches.submit(asked(1)), POLL, told))
    assert list(dict.fromkeys(seen)) == ["validating", "in_progress", "finalizing", "completed"]


def test_a_batch_outlives_who_waits_for_it(
    server: OpenAIBatchStandin, settings: Settings, batches: OpenAIBatch
) -> None:
    name = batches.submit(asked(2))
    given_up = asyncio.run(batches.wait(name, 3600, lambda status: status.state != "in_progress"))
    assert (given_up.state, given_up.ended) == ("in_progress", False)
    assert server.state_of(name) == "in_progress"
    assert not [path for _, path in server.requests if path.endswith("/cancel")]
    another = OpenAIBatch(settings, MINI)
    assert waited(another, name).state == "completed"
    assert [answer.text for answer in another.results(name)] == [DEFAULT_REPLY] * 2


def test_a_wish_to_stop_is_heard_in_the_middle_of_a_long_wait(batches: OpenAIBatch) -> None:
    heard: list[BatchStatus] = []

    def told(status: BatchStatus) -> bool:
        heard.append(status)
        return len(heard) < 3

    # Were it only heard at the next look, an hour from now, the test would not end.
    asyncio.run(batches.wait(batches.submit(asked(1)), 3600, told))
    assert len(heard) == 3


def test_a_wish_to_stop_is_heard_while_nothing_answers(
    server: OpenAIBatchStandin, batches: OpenAIBatch
) -> None:
    name = batches.submit(asked(1))
    server.faults.http_429, server.faults.retry_after = 1, 3600
    assert asyncio.run(batches.wait(name, POLL, lambda _status: False)) == BatchStatus("unknown")


def test_the_answer_is_cut_where_the_variant_says(server: OpenAIBatchStandin, settings: Settings) -> None:
    short = OpenAIBatch(settings, Variant("openai", "gpt-4o-mini", max_tokens=3))
    name = short.submit(asked(1))
    waited(short, name)
    (answer,) = short.results(name)
    assert answer.text == "Retail Media é"
    assert answer.finish_reason is FinishReason.LENGTH
    assert answer.usage.completion_tokens == 3


# What is sent


@pytest.mark.parametrize("model", ["gpt-4o-mini", "gpt-5-mini", "o3-mini"])
@pytest.mark.parametrize("seed", [None, 7])
def test_a_question_is_asked_as_it_would_be_at_once(
    server: OpenAIBatchStandin, answering: Answering, settings: Settings, model: str, seed: int | None
) -> None:
    variant = Variant("openai", model, temperature=0.2, max_tokens=50)
    OpenAIBatch(settings, variant).submit([BatchRequest("a", openai_messages(MESSAGES))], seed)
    answering.reply(500, {})
    at_once = settings_of(openai_api_key=SECRET, openai_base_url=answering.url)
    chat = create_chat_model("openai", model, at_once, seed=seed, **variant_options(variant))
    with pytest.raises(Exception):  # noqa: B017, PT011
        next(chat.stream(MESSAGES))
    ((line,),) = server.uploads
    ((_, live),) = answering.requests
    assert line["body"] == {k: v for k, v in live.items() if k not in ("stream", "stream_options")}
    assert (line["method"], line["url"]) == ("POST", "/v1/chat/completions")


def test_openai_itself_is_sent_its_own_name_of_the_limit(
    server: OpenAIBatchStandin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", server.origin)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    settings = settings_of(openai_api_key=SECRET, openai_base_url="http://lote.api.openai.com/v1")
    batches = OpenAIBatch(settings, MINI)
    name = batches.submit(asked(1))
    waited(batches, name)
    body = server.uploads[0][0]["body"]
    assert body["max_completion_tokens"] == 50
    assert "max_tokens" not in body
    assert batches.results(name)[0].text == DEFAULT_REPLY
    with pytest.raises(ProviderResponseError, match="não conhece o lote batch_99"):
        batches.status("batch_99")


def test_messages_hold_nothing_that_only_we_read() -> None:
    assert openai_messages(MESSAGES) == [
        {"role": "system", "content": "Responda em português."},
        {"role": "user", "content": "O que é ROAS?"},
        {"role": "assistant", "content": "Retorno sobre o gasto [1]."},
        {"role": "user", "content": "E o ACOS?"},
    ]


@given(st.lists(st.text(), min_size=1, max_size=5))
def test_any_text_survives_the_file(texts: list[str]) -> None:
    requests = [BatchRequest(f"q{n}", [{"role": "user", "content": text}]) for n, text in enumerate(texts)]
    lines = list(batch_lines.read_lines(batch_lines.write_lines(requests, {"model": "m"})))
    assert [line["body"]["messages"][0]["content"] for line in lines] == texts


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_any_answer_survives_the_file(text: str) -> None:
    import json

    body = {"choices": [{"message": {"content": text}, "finish_reason": "stop"}]}
    line = {"custom_id": "a", "response": {"status_code": 200, "body": body}, "error": None}
    content = json.dumps(line, ensure_ascii=False).encode() + b"\n"
    (read,) = batch_lines.read_lines(content)
    assert batch_lines.answer_of(read, MINI, settings_of()).text == text


@given(st.binary() | st.from_regex(rb'\{"custom_id": "a", "(response|error)": [^\n]*\}', fullmatch=True))
def test_no_file_however_broken_is_a_surprise(content: bytes) -> None:
    for line in batch_lines.read_lines(content):
        answer = batch_lines.answer_of(line, MINI, settings_of())
        assert bool(answer.text) != bool(answer.error)


def test_what_cannot_be_one_batch_is_refused_before_anything_is_sent(
    server: OpenAIBatchStandin, batches: OpenAIBatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match="não tem perguntas"):
        batches.submit([])
    with pytest.raises(InputError, match="mesmo identificador"):
        batches.submit([*asked(2), *asked(1)])
    with pytest.raises(InputError, match=r"50\.001 perguntas, e o limite é 50\.000"):
        batches.submit(asked(50_001))
    monkeypatch.setattr(batch_lines, "MAX_BYTES", 2_000_000)
    with pytest.raises(InputError, match="o limite é 2 MB"):
        batches.submit([BatchRequest("a", [{"role": "user", "content": "x" * 2_000_000}])])
    assert server.requests == []


# What goes wrong


def test_a_refused_batch_says_why_of_every_question(server: OpenAIBatchStandin, batches: OpenAIBatch) -> None:
    server.faults.fail = "token_limit_exceeded"
    name = batches.submit(asked(2))
    assert waited(batches, name) == BatchStatus("failed", ended=True)
    answers = batches.results(name)
    assert [answer.custom_id for answer in answers] == ["q0", "q1"]
    for answer in answers:
        assert answer.error.startswith("O lote foi recusado: com ele, a conta passa do limite de tokens")
        assert answer.finish_reason is FinishReason.ERROR


def test_a_refusal_for_an_unknown_reason_shows_its_code(
    server: OpenAIBatchStandin, batches: OpenAIBatch
) -> None:
    server.faults.fail = "planets_not_aligned"
    name = batches.submit(asked(1))
    waited(batches, name)
    assert batches.results(name)[0].error == "O lote foi recusado: erro planets_not_aligned."


@pytest.mark.parametrize("no_lines", [False, True])
def test_an_expired_batch_keeps_what_was_answered(
    server: OpenAIBatchStandin, batches: OpenAIBatch, no_lines: bool
) -> None:
    server.faults.expire_after, server.faults.no_lines = 2, no_lines
    name = batches.submit(asked(4))
    status = waited(batches, name)
    assert (status.state, status.completed, status.ended) == ("expired", 2, True)
    answers = batches.results(name)
    assert [answer.text for answer in answers] == [DEFAULT_REPLY, DEFAULT_REPLY, "", ""]
    assert [answer.error for answer in answers[2:]] == ["O lote expirou antes desta pergunta."] * 2


@pytest.mark.parametrize("no_lines", [False, True])
def test_a_cancelled_batch_keeps_what_was_answered(
    server: OpenAIBatchStandin, batches: OpenAIBatch, no_lines: bool
) -> None:
    server.faults.no_lines = no_lines
    name = batches.submit(asked(4))
    assert batches.cancel(name).state == "cancelling"
    assert waited(batches, name).state == "cancelled"
    answers = batches.results(name)
    assert [answer.text for answer in answers] == [DEFAULT_REPLY, DEFAULT_REPLY, "", ""]
    assert [answer.error for answer in answers[2:]] == ["O lote foi cancelado antes desta pergunta."] * 2


def test_a_batch_that_ended_is_not_cancelled(server: OpenAIBatchStandin, batches: OpenAIBatch) -> None:
    name = batches.submit(asked(1))
    waited(batches, name)
    assert batches.cancel(name).state == "completed"
    assert not [path for _, path in server.requests if path.endswith("/cancel")]


def test_one_refused_question_spoils_no_other(server: OpenAIBatchStandin, batches: OpenAIBatch) -> None:
    server.faults.error_lines = {"q1": (400, "unsupported_value"), "q2": (500, "server_error")}
    name = batches.submit(asked(4))
    assert waited(batches, name) == BatchStatus("completed", 2, 2, 4, ended=True)
    answers = batches.results(name)
    assert [bool(answer.error) for answer in answers] == [False, True, True, False]
    assert "não aceita uma das opções pedidas (“temperature”)" in answers[1].error
    assert "falhou ao responder (erro 500)" in answers[2].error


def test_a_model_that_says_nothing_is_an_error_with_its_tokens(
    server: OpenAIBatchStandin, batches: OpenAIBatch
) -> None:
    server.script = lambda _messages: ""
    name = batches.submit(asked(1))
    waited(batches, name)
    (answer,) = batches.results(name)
    assert answer.error == "O modelo openai:gpt-4o-mini terminou sem dizer nada."
    assert answer.usage == Usage(2, 1)


def test_who_knows_the_questions_need_not_read_them_back(
    server: OpenAIBatchStandin, batches: OpenAIBatch
) -> None:
    server.faults.expire_after, server.faults.no_lines, server.faults.keep_input = 1, True, True
    name = batches.submit(asked(3))
    waited(batches, name)
    answers = batches.results(name, expected=["q2", "q0"])
    assert [(answer.custom_id, answer.text) for answer in answers] == [("q2", ""), ("q0", DEFAULT_REPLY)]


def test_questions_that_cannot_be_read_back_are_logged_as_lost(
    server: OpenAIBatchStandin, batches: OpenAIBatch, caplog: pytest.LogCaptureFixture
) -> None:
    server.faults.expire_after, server.faults.no_lines, server.faults.keep_input = 1, True, True
    name = batches.submit(asked(3))
    waited(batches, name)
    with caplog.at_level(logging.WARNING):
        assert [answer.custom_id for answer in batches.results(name)] == ["q0"]
    assert "cannot be read back" in caplog.text
    assert SECRET not in caplog.text


def test_a_refused_batch_of_unknown_questions_is_an_error(
    server: OpenAIBatchStandin, batches: OpenAIBatch
) -> None:
    server.faults.fail, server.faults.keep_input = "model_not_found", True
    name = batches.submit(asked(3))
    waited(batches, name)
    with pytest.raises(ProviderResponseError, match="o modelo não existe, ou não atende em lote"):
        batches.results(name)


def test_the_results_of_a_batch_under_way_are_refused(batches: OpenAIBatch) -> None:
    name = batches.submit(asked(1))
    with pytest.raises(InputError, match="ainda não terminou"):
        batches.results(name)


# Servers that are busy, broken, or not there


def test_a_busy_server_is_asked_again_when_it_says(server: OpenAIBatchStandin, batches: OpenAIBatch) -> None:
    name = batches.submit(asked(1))
    server.faults.http_429, server.faults.retry_after = 2, 0.3
    assert waited(batches, name).state == "completed"
    assert server.faults.http_429 == 0
    assert server.early == 0


def test_a_failing_server_is_asked_again(server: OpenAIBatchStandin, batches: OpenAIBatch) -> None:
    name = batches.submit(asked(1))
    server.faults.http_500 = 3
    assert waited(batches, name).state == "completed"


def test_patience_ends(server: OpenAIBatchStandin, batches: OpenAIBatch) -> None:
    name = batches.submit(asked(1))
    server.faults.http_429, server.faults.retry_after = 99, 0.01
    before = len(server.requests)
    with pytest.raises(ProviderRateLimitError) as caught:
        waited(batches, name)
    assert_silent(caught.value)
    assert len(server.requests) - before == 10


def test_results_are_read_again_from_a_failing_server(
    server: OpenAIBatchStandin, batches: OpenAIBatch
) -> None:
    name = batches.submit(asked(1))
    waited(batches, name)
    server.faults.http_500 = 1
    assert batches.results(name)[0].text == DEFAULT_REPLY


def test_nothing_is_sent_twice_when_a_batch_is_made(server: OpenAIBatchStandin, batches: OpenAIBatch) -> None:
    server.faults.http_500 = 1
    with pytest.raises(ProviderResponseError, match="erro 500"):
        batches.submit(asked(1))
    assert server.requests == [("POST", "/v1/files")]


def test_a_server_without_batches_is_told_as_such(ollama: OllamaStandin) -> None:
    settings = settings_of(openai_base_url=ollama.openai_url)
    batches = OpenAIBatch(settings, MINI)
    with pytest.raises(UnsupportedOptionError) as caught:
        batches.submit(asked(1))
    assert caught.value.message == "Este servidor não tem modo de lote (--batch)."
    with pytest.raises(UnsupportedOptionError, match="não conhece o lote batch_1"):
        batches.status("batch_1")


def test_a_server_that_does_not_know_the_batch_is_not_asked_again(
    server: OpenAIBatchStandin, batches: OpenAIBatch
) -> None:
    with pytest.raises(UnsupportedOptionError, match="não conhece o lote batch_7"):
        waited(batches, "batch_7")
    assert len(server.requests) == 1


def test_a_page_instead_of_an_answer_is_understood_as_none(
    server: OpenAIBatchStandin, batches: OpenAIBatch
) -> None:
    server.faults.html = True
    asking: list[Any] = [
        lambda: batches.submit(asked(1)),
        lambda: batches.status("batch_1"),
        lambda: waited(batches, "batch_1"),
    ]
    for ask in asking:
        with pytest.raises(ProviderResponseError, match="não se entende"):
            ask()


def test_a_refused_key_is_never_said(answering: Answering) -> None:
    answering.reply(401, {"error": {"message": f"Incorrect API key: {SECRET}", "code": "invalid_api_key"}})
    batches = OpenAIBatch(settings_of(openai_api_key=SECRET, openai_base_url=answering.url), MINI)
    with pytest.raises(AuthenticationError) as caught:
        waited(batches, "batch_1")
    assert_silent(caught.value)
    assert len(answering.requests) == 1


def test_nobody_at_the_address() -> None:
    batches = OpenAIBatch(settings_of(openai_base_url=f"{NOBODY}/v1"), MINI)
    with pytest.raises(ProviderUnavailableError, match="não está respondendo"):
        batches.status("batch_1")


def test_a_missing_key_is_told_before_anything_is_sent() -> None:
    with pytest.raises(ProviderUnavailableError, match="Falta a chave"):
        OpenAIBatch(settings_of(), MINI)


@pytest.mark.parametrize(
    "label", ["ollama:llama3.1:8b", "huggingface:Qwen/Qwen3-32B", "extractive:extractive"]
)
def test_only_openai_has_batches(label: str) -> None:
    provider, model = label.split(":", 1)
    with pytest.raises(UnsupportedOptionError, match="não tem modo de lote") as caught:
        OpenAIBatch(settings_of(huggingface_api_token=SECRET), Variant(provider, model))
    assert isinstance(caught.value, MelanciaError)


# Prices

TOKENS = Usage(1000, 500)


@pytest.mark.parametrize("model", ["gpt-4o-mini", "gpt-4.1", "gpt-5-mini"])
def test_a_batch_is_half_price(model: str) -> None:
    whole = cost("openai", model, TOKENS)
    assert whole
    assert batch_cost(Variant("openai", model), TOKENS, settings_of()) == pytest.approx(whole / 2)


def test_where_the_table_lists_another_batch_price_it_holds() -> None:
    variant = Variant("openai", "gpt-3.5-turbo-1106")  # OpenAI's own list gives no discount
    assert batch_cost(variant, TOKENS, settings_of()) == cost("openai", variant.model, TOKENS)


def test_where_the_table_lists_no_batch_price_the_discount_does() -> None:
    before = datetime(2025, 6, 1, tzinfo=UTC)  # the table's batch prices begin later
    whole = cost("openai", "gpt-4o-mini", TOKENS, before)
    assert whole
    found = batch_cost(MINI, TOKENS, settings_of(), before)
    assert found == pytest.approx(whole * BATCH_DISCOUNT)


@pytest.mark.parametrize("usage", [Usage(), Usage(10, None), Usage(None, 10)])
def test_a_batch_of_tokens_that_nobody_counted_costs_nobody_knows_what(usage: Usage) -> None:
    assert batch_cost(MINI, usage, settings_of()) is None


def test_a_batch_on_a_server_of_ones_own_is_free_and_on_anothers_unknown() -> None:
    own = settings_of(openai_base_url="http://192.168.0.5:8000/v1")
    other = settings_of(openai_base_url="https://llm.example.com/v1")
    assert batch_cost(MINI, TOKENS, own) == 0.0
    assert batch_cost(MINI, TOKENS, other) is None
