"""The stand-in through ollama, ChatOllama and bare HTTP, when all is well and when requests are wrong."""

import json
from typing import Any

import httpx
import ollama
import pytest
from langchain_core.messages import HumanMessage
from langchain_ollama import ChatOllama

from tests.standins.ollama import (
    DEFAULT_REPLY,
    Message,
    OllamaStandin,
    count_prompt_tokens,
    split_words,
)
from tests.standins_tests.samples import MODEL, QUESTION, REPLY_TOKENS


def chat_ollama(standin: OllamaStandin, **options: Any) -> ChatOllama:
    return ChatOllama(model=MODEL, base_url=standin.url, **options)


# Chat and generate, as they are meant to go


def test_chat_streams_one_object_a_token_and_then_the_figures(client: ollama.Client) -> None:
    parts = list(client.chat(MODEL, QUESTION, stream=True))
    assert "".join(part.message.content or "" for part in parts) == DEFAULT_REPLY
    assert [part.done for part in parts] == [False] * REPLY_TOKENS + [True]
    last = parts[-1]
    assert last.done_reason == "stop"
    assert last.prompt_eval_count == count_prompt_tokens([Message(**QUESTION[0])])
    assert last.eval_count == REPLY_TOKENS + 1
    for name in ("total_duration", "load_duration", "prompt_eval_duration", "eval_duration"):
        assert last[name] > 0


def test_chat_whole_is_one_json_object(http: httpx.Client) -> None:
    reply = http.post("/api/chat", json={"model": MODEL, "messages": QUESTION, "stream": False})
    assert reply.headers["content-type"].startswith("application/json")
    body = reply.json()
    assert body["message"] == {"role": "assistant", "content": DEFAULT_REPLY}
    assert body["model"] == MODEL
    assert body["done"] is True
    assert body["created_at"].endswith("Z")


def test_streaming_is_the_default_and_is_ndjson(http: httpx.Client) -> None:
    reply = http.post("/api/chat", json={"model": MODEL, "messages": QUESTION})
    assert reply.headers["content-type"] == "application/x-ndjson"
    assert [json.loads(line)["done"] for line in reply.text.splitlines()][-1] is True


def test_generate(client: ollama.Client) -> None:
    whole = client.generate(MODEL, "Olá", system="Responda em português.")
    assert whole.response == DEFAULT_REPLY
    assert whole.context
    assert (
        "".join(part.response or "" for part in client.generate(MODEL, "Olá", stream=True)) == DEFAULT_REPLY
    )


def test_script_may_be_a_function_of_the_messages_and_differ_by_model(
    standin: OllamaStandin, client: ollama.Client
) -> None:
    standin.set_script(lambda messages: f"Eco: {messages[-1].content}")
    standin.set_script("Sou outro.", model="llama3.2:3B")
    assert client.chat(MODEL, QUESTION).message.content == "Eco: O que é Retail Media?"
    assert client.chat("llama3.2:3B", QUESTION).message.content == "Sou outro."


def test_num_predict_ends_with_length(client: ollama.Client) -> None:
    reply = client.chat(MODEL, QUESTION, options={"num_predict": 3})
    assert (reply.done_reason, reply.eval_count) == ("length", 3)
    assert reply.message.content == "".join(split_words(DEFAULT_REPLY)[:3])


def test_stop_sequence(client: ollama.Client) -> None:
    reply = client.chat(MODEL, QUESTION, options={"stop": [" venda"]})
    assert (reply.done_reason, reply.message.content) == ("stop", "Retail Media é a")


def test_prompt_is_cut_to_num_ctx_without_a_word(standin: OllamaStandin, client: ollama.Client) -> None:
    """The oldest messages go first, the system prompt and the question stay, and only the count tells."""
    messages = [
        {"role": "system", "content": "Cite as fontes."},
        {"role": "user", "content": "palavra " * 50},
        {"role": "assistant", "content": "resposta " * 50},
        {"role": "user", "content": "O que é ROAS?"},
    ]
    reply = client.chat(MODEL, messages, options={"num_ctx": 40})
    seen = [Message("system", "Cite as fontes."), Message("user", "O que é ROAS?")]
    assert standin.requests[-1].seen == seen
    assert reply.prompt_eval_count == count_prompt_tokens(seen) < 40


def test_a_message_too_long_by_itself_loses_its_front(standin: OllamaStandin, client: ollama.Client) -> None:
    messages = [
        {"role": "system", "content": "Cite as fontes."},
        {"role": "user", "content": "a " * 90 + "fim"},
    ]
    reply = client.chat(MODEL, messages, options={"num_ctx": 32})
    assert reply.prompt_eval_count == 32
    (left,) = standin.requests[-1].seen
    assert left.content.endswith("a fim")
    assert client.ps().models[0].context_length == 32


def test_truncation_can_be_refused(http: httpx.Client) -> None:
    body = {"model": MODEL, "messages": QUESTION, "options": {"num_ctx": 5}, "truncate": False}
    reply = http.post("/api/chat", json=body)
    assert (reply.status_code, reply.json()) == (
        400,
        {"error": "the input length exceeds the context length"},
    )


# ChatOllama


def test_chat_ollama_usage_and_reason(standin: OllamaStandin) -> None:
    answer = chat_ollama(standin, num_ctx=8192, num_predict=4).invoke("O que é Retail Media?")
    assert answer.usage_metadata is not None
    assert answer.usage_metadata["input_tokens"] == count_prompt_tokens([Message(**QUESTION[0])])
    assert answer.usage_metadata["output_tokens"] == 4
    assert answer.response_metadata["done_reason"] == "length"
    assert standin.requests[-1].body["options"]["num_ctx"] == 8192


def test_chat_ollama_streams(standin: OllamaStandin) -> None:
    chunks = list(chat_ollama(standin).stream([HumanMessage("Olá")]))
    assert "".join(chunk.text for chunk in chunks) == DEFAULT_REPLY
    assert [chunk.usage_metadata for chunk in chunks if chunk.usage_metadata][-1][
        "output_tokens"
    ] == REPLY_TOKENS + 1


def test_chat_ollama_error(standin: OllamaStandin) -> None:
    with pytest.raises(ollama.ResponseError, match="model 'nenhum' not found") as caught:
        ChatOllama(model="nenhum", base_url=standin.url).invoke("Olá")
    assert caught.value.status_code == 404


# Loading, and the list of models


def test_load_ps_and_unload(client: ollama.Client) -> None:
    assert client.chat(MODEL, []).done_reason == "load"
    (loaded,) = [model for model in client.ps().models if model.model == MODEL]
    assert loaded.size == loaded.size_vram
    assert loaded.context_length == 4096
    assert loaded.expires_at is not None
    assert client.chat(MODEL, [], keep_alive=0).done_reason == "unload"
    assert MODEL not in [model.model for model in client.ps().models]
    assert client.generate(MODEL, keep_alive="5m").done_reason == "load"
    client.chat(MODEL, QUESTION, keep_alive=0)
    assert MODEL not in [model.model for model in client.ps().models]
    client.chat(MODEL, [], keep_alive=-1)
    (loaded,) = [model for model in client.ps().models if model.model == MODEL]
    assert loaded.expires_at is not None
    assert loaded.expires_at.year > 2200


def test_tags_and_show(client: ollama.Client) -> None:
    by_name = {model.model: model for model in client.list().models}
    assert "nomic-embed-text:latest" in by_name
    details = by_name[MODEL].details
    assert details is not None
    assert details.parameter_size == "3.0B"
    shown = client.show(MODEL)
    assert shown.capabilities == ["completion"]
    assert shown.modelinfo is not None
    assert shown.modelinfo["llama.context_length"] > 0


def test_pull_reports_progress_and_installs_and_delete_removes(client: ollama.Client) -> None:
    reports = list(client.pull("qwen2.5:1.5b", stream=True))
    assert reports[0].status == "pulling manifest"
    assert reports[-1].status == "success"
    layer = [report for report in reports if report.digest == reports[1].digest]
    done = [report.completed or 0 for report in layer]
    assert done == sorted(done)
    assert done[-1] == layer[-1].total
    assert "qwen2.5:1.5b" in [model.model for model in client.list().models]
    client.delete("qwen2.5:1.5b")
    assert "qwen2.5:1.5b" not in [model.model for model in client.list().models]
    assert client.pull("qwen2.5:1.5b").status == "success"
    client.delete("qwen2.5:1.5b")


def test_embeddings_are_normalised_and_near_for_shared_words(client: ollama.Client) -> None:
    texts = ["anúncio no varejo digital", "anúncio no varejo físico", "receita de bolo"]
    near, other, far = client.embed("nomic-embed-text", texts).embeddings

    def cosine(a: Any, b: Any) -> float:
        return float(sum(x * y for x, y in zip(a, b, strict=True)))

    assert cosine(near, near) == pytest.approx(1)
    assert cosine(near, other) > 0.5 > cosine(near, far)
    assert len(client.embeddings("nomic-embed-text", "olá").embedding) == 384
    assert client.embed("nomic-embed-text", "olá").prompt_eval_count == 1


def test_root_and_version(http: httpx.Client) -> None:
    assert http.get("/").text == "Ollama is running"
    assert http.head("/").status_code == 200
    assert http.get("/api/version").json()["version"]


# Errors


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "error"),
    [
        ("POST", "/api/chat", {"model": "x", "messages": QUESTION}, 404, "model 'x' not found"),
        ("POST", "/api/generate", {"model": "x", "prompt": "a"}, 404, "model 'x' not found"),
        ("POST", "/api/show", {"model": "x"}, 404, "model 'x' not found"),
        ("DELETE", "/api/delete", {"model": "x"}, 404, "model 'x' not found"),
        (
            "POST",
            "/api/embed",
            {"model": "x", "input": "a"},
            404,
            'model "x" not found, try pulling it first',
        ),
        ("POST", "/api/chat", {}, 400, "model is required"),
        ("POST", "/api/chat", {"model": MODEL, "messages": QUESTION, "think": True}, 400, None),
        ("POST", "/api/chat", {"model": "nomic-embed-text", "messages": QUESTION}, 400, None),
        ("POST", "/api/chat", {"model": MODEL, "messages": QUESTION, "keep_alive": "logo"}, 400, None),
        ("POST", "/api/chat", {"model": MODEL, "messages": "a"}, 400, None),
        ("POST", "/api/chat", {"model": MODEL, "messages": QUESTION, "options": {"num_ctx": "a"}}, 500, None),
    ],
)
def test_error_bodies(
    http: httpx.Client, method: str, path: str, body: dict[str, Any], status: int, error: str | None
) -> None:
    reply = http.request(method, path, json=body)
    assert reply.status_code == status
    assert isinstance(reply.json()["error"], str)
    if error is not None:
        assert reply.json() == {"error": error}


@pytest.mark.parametrize(
    ("raw", "words"), [("", "missing request body"), ("{", "unexpected EOF"), ("não", "invalid")]
)
def test_malformed_json(http: httpx.Client, raw: str, words: str) -> None:
    reply = http.post("/api/chat", content=raw)
    assert reply.status_code == 400
    assert words in reply.json()["error"]


def test_unknown_path(http: httpx.Client) -> None:
    assert (http.get("/api/nada").status_code, http.get("/api/nada").text) == (404, "404 page not found")
    assert http.get("/api/chat").status_code == 405
