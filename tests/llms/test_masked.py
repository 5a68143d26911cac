"""What leaves for a provider holds no personal data when it shall not; the answer is streamed as ever."""

import asyncio
import json
from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import HumanMessage, SystemMessage

from melancia.app import Runtime
from melancia.embeddings import create_embeddings
from melancia.errors import SettingsError
from melancia.llms import create_chat_model
from melancia.llms.capabilities import PROVIDERS
from melancia.llms.openai_batch import BatchRequest, OpenAIBatch
from melancia.masking.providers import SENDING, masked_providers
from melancia.records import Variant
from melancia.settings import Settings
from tests.llms.servers import Answering, settings_of
from tests.standins.ollama import OllamaStandin
from tests.standins.openai_batch import OpenAIBatchStandin

SECRETS = ("529.982.247-25", "ana@loja.com.br", "98765-4321")
QUESTION = f"Meu CPF é {SECRETS[0]}, e-mail {SECRETS[1]}, fone (11) {SECRETS[2]}. O que é ACOS?"
MASKED = "Meu CPF é [CPF], e-mail [e-mail], fone [telefone]. O que é ACOS?"
WORDS = ["O ", "ACOS ", "é…"]


def sse() -> str:
    chunks = [{"choices": [{"index": 0, "delta": {"role": "assistant", "content": word}}]} for word in WORDS]
    chunks.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    lines = [
        f"data: {json.dumps({'id': 'x', 'object': 'chat.completion.chunk', **one})}\n\n" for one in chunks
    ]
    return "".join(lines) + "data: [DONE]\n\n"


WHOLE = {
    "id": "x",
    "object": "chat.completion",
    "choices": [
        {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "".join(WORDS)}}
    ],
}


def settings_at(provider: str, url: str, providers: str) -> Settings:
    name = {"openai": "openai_base_url", "huggingface": "huggingface_base_url", "ollama": "ollama_base_url"}
    return settings_of(
        **{name[provider]: url}, openai_api_key="sk-x", huggingface_api_token="hf_x", mask_providers=providers
    )


@pytest.mark.parametrize("provider", ["openai", "huggingface"])
@pytest.mark.parametrize("on", [True, False])
def test_what_a_provider_receives(provider: str, on: bool, answering: Answering) -> None:
    settings = settings_at(provider, answering.url, provider if on else "nenhum")
    model = create_chat_model(provider, "m", settings)
    assert isinstance(model, BaseChatModel)
    asked = [SystemMessage("Responda."), HumanMessage([{"type": "text", "text": QUESTION}])]

    async def ask() -> tuple[list[str], str]:
        answering.reply(200, sse(), {"content-type": "text/event-stream"})
        words = [str(chunk.text) async for chunk in model.astream(asked) if chunk.text]
        answering.reply(200, WHOLE)
        return words, str((await model.ainvoke(QUESTION)).text)

    assert asyncio.run(ask()) == (WORDS, "".join(WORDS))
    assert model.invoke(QUESTION).text == "".join(WORDS)
    answering.reply(200, sse(), {"content-type": "text/event-stream"})
    assert [chunk.text for chunk in model.stream(QUESTION) if chunk.text] == WORDS
    assert len(answering.requests) == 4
    for _, body in answering.requests:
        sent = json.dumps(body, ensure_ascii=False)
        assert (MASKED in sent) is on
        assert all((secret in sent) is not on for secret in SECRETS)
    assert asked[1].text == QUESTION  # the user's own words stay as they were


@pytest.mark.parametrize("on", [True, False])
def test_ollama_is_masked_only_when_named(on: bool, ollama: OllamaStandin) -> None:
    settings = settings_at("ollama", ollama.url, "ollama" if on else "openai,huggingface")
    model = create_chat_model("ollama", "foo:1b", settings)
    seen: list[Any] = []
    client: Any = model
    asking = client._client.chat

    def noting(**sent: Any) -> Any:
        seen.append(sent["messages"])
        return asking(**sent)

    client._client.chat = noting
    assert len([chunk for chunk in model.stream(QUESTION) if chunk.text]) > 1
    sent = json.dumps(seen, ensure_ascii=False)
    assert (MASKED in sent) is on
    assert (SECRETS[0] in sent) is not on


def test_a_stream_that_is_left_ends_the_request(ollama: OllamaStandin) -> None:
    model = create_chat_model("ollama", "foo:1b", settings_at("ollama", ollama.url, "ollama"))

    async def leave() -> str:
        stream = model.astream(QUESTION)
        async for chunk in stream:
            if chunk.text:
                break
        closing: Any = stream
        await closing.aclose()
        return chunk.text

    assert asyncio.run(leave())


@pytest.mark.parametrize("on", [True, False])
def test_a_batch_is_masked_too(on: bool) -> None:
    with OpenAIBatchStandin() as server:
        settings = settings_at("openai", server.url, "openai" if on else "nenhum")
        batch = OpenAIBatch(settings, Variant("openai", "gpt-4o-mini"))
        batch.submit([BatchRequest("a", [{"role": "user", "content": QUESTION}])])
        sent = json.dumps(server.uploads, ensure_ascii=False)
    assert (MASKED in sent) is on
    assert (SECRETS[0] in sent) is not on


@pytest.mark.parametrize("on", [True, False])
def test_embeddings_of_another_machine(on: bool, answering: Answering) -> None:
    settings = settings_at("openai", answering.url, "openai" if on else "nenhum")
    model = create_embeddings("openai:text-embedding-3-small", settings)
    answering.reply(
        200,
        {
            "object": "list",
            "data": [{"object": "embedding", "index": 0, "embedding": [0.1, 0.2]}],
            "model": "m",
        },
    )
    model.embed_query(QUESTION)
    model.embed_documents([QUESTION])
    assert len(answering.requests) == 2
    for _, body in answering.requests:
        assert body["input"] == [MASKED if on else QUESTION]


def test_the_switch() -> None:
    assert masked_providers(settings_of()) == {"openai", "huggingface"}
    assert masked_providers(settings_of(mask_providers=" Ollama , openai")) == {"ollama", "openai"}
    assert masked_providers(settings_of(mask_providers="nenhum")) == set()
    for wrong in ("openia", "openai,nenhum", "extractive"):
        with pytest.raises(SettingsError, match=wrong.split(",")[-1]):
            masked_providers(settings_of(mask_providers=wrong))
    with pytest.raises(SettingsError, match="openia"):
        Runtime.open(settings_of(mask_providers="openia"))  # at the start, not at the first question
    with pytest.raises(SettingsError):
        create_chat_model("extractive", "extractive", settings_of(mask_providers="openia"))


def test_the_providers_that_can_be_named_are_those_that_there_are() -> None:
    assert set(SENDING) == {name for name in PROVIDERS if name != "extractive"}
