"""Embeddings of a server: what goes wrong there is said in Portuguese, and search goes on by words."""

import asyncio
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from melancia.app import Runtime
from melancia.embeddings import create_embeddings
from melancia.errors import EmbeddingError, SettingsError
from melancia.records import Finished, FinishReason
from melancia.settings import known_variables
from tests.api.conftest import open_runtime
from tests.cli.test_cli import melancia
from tests.llms.servers import NOBODY, SECRET, Answering, settings_of
from tests.standins.ollama import OllamaStandin

NAME = "ollama:nomic-embed-text"
QUESTION = "Como ganho a buy box?"


@pytest.fixture(autouse=True)
def _no_keys_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*known_variables(), "HF_TOKEN", "OLLAMA_HOST"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def server() -> Iterator[OllamaStandin]:
    """A running stand-in with an embedding model."""
    with OllamaStandin(models=["nomic-embed-text"]) as running:
        yield running


@pytest.fixture
def ollama(server: OllamaStandin) -> Iterator[OllamaStandin]:
    """The stand-in without faults."""
    server.reset()
    yield server
    server.reset()


@pytest.fixture
def runtime(ollama: OllamaStandin, tmp_path: Path) -> Iterator[Runtime]:
    """One whose vectors Ollama has computed."""
    made = open_runtime(tmp_path, embedding_model=NAME, ollama_base_url=ollama.url)
    made.index.compute_vectors()
    yield made
    made.close()


@pytest.mark.parametrize(
    ("fault", "what", "remedy"),
    [
        ({"missing_model": True}, "não tem o modelo de embeddings", "`ollama pull nomic-embed-text`"),
        ({"http_500": True}, r"falhou ao calcular embeddings \(erro 500\)", "Tente de novo"),
        ({"http_429": True}, "mais devagar", "Espere um pouco"),
    ],
)
def test_what_ollama_refuses_is_said_with_a_remedy(
    ollama: OllamaStandin, fault: dict[str, Any], what: str, remedy: str
) -> None:
    model = create_embeddings(NAME, settings_of(ollama_base_url=ollama.url))
    assert len(model.embed_query(QUESTION)) == len(model.embed_documents([QUESTION])[0])
    ollama.faults.set(times=None, **fault)
    for ask in (lambda: model.embed_query(QUESTION), lambda: model.embed_documents([QUESTION])):
        with pytest.raises(EmbeddingError, match=what) as raised:
            ask()
        assert remedy in raised.value.remedy


def test_a_server_that_is_away_is_named_with_its_variable() -> None:
    with pytest.raises(EmbeddingError, match=r"O Ollama.*não está respondendo") as raised:
        create_embeddings(NAME, settings_of()).embed_query(QUESTION)
    assert "`ollama serve`" in raised.value.remedy
    away = settings_of(openai_base_url=f"{NOBODY}/v1")
    with pytest.raises(EmbeddingError, match=r"O servidor em OPENAI_BASE_URL.*não está respondendo"):
        create_embeddings("openai:m", away).embed_query(QUESTION)


def test_a_server_that_hangs_is_not_waited_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        model = create_embeddings(NAME, settings_of(ollama_base_url=url, first_token_timeout=0.3))
        begun = time.monotonic()
        with pytest.raises(EmbeddingError, match="a tempo") as raised:
            model.embed_query(QUESTION)
    assert time.monotonic() - begun < 5
    assert "MELANCIA_FIRST_TOKEN_TIMEOUT" in raised.value.remedy


def test_without_a_key_openai_is_refused_before_anything_is_sent() -> None:
    for key in (None, "", "sk-..."):
        with pytest.raises(SettingsError, match="Falta a chave da OpenAI") as raised:
            create_embeddings("openai:text-embedding-3-small", settings_of(openai_api_key=key))
        assert "OPENAI_API_KEY=" in raised.value.remedy


def test_an_address_that_cannot_be_one_names_its_variable() -> None:
    with pytest.raises(SettingsError, match="OLLAMA_BASE_URL não é válido"):
        create_embeddings(NAME, settings_of(ollama_base_url="http://["))
    model = create_embeddings("openai:m", settings_of(openai_base_url="http://["))
    with pytest.raises(EmbeddingError, match="OPENAI_BASE_URL"):
        model.embed_query(QUESTION)


def test_a_server_of_ones_own_needs_no_key_and_a_refused_one_is_not_shown() -> None:
    with Answering() as server:
        server.reply(401, {"error": {"message": f"bad key {SECRET}"}})
        model = create_embeddings("openai:m", settings_of(openai_base_url=server.url))
        with pytest.raises(EmbeddingError, match="negou o acesso") as raised:
            model.embed_query(QUESTION)
    assert "OPENAI_API_KEY" in raised.value.remedy
    assert SECRET not in str(raised.value)


def test_words_are_searched_while_no_question_can_be_embedded(
    runtime: Runtime, ollama: OllamaStandin, caplog: pytest.LogCaptureFixture
) -> None:
    retriever = runtime.index.retriever
    assert retriever.search(QUESTION).mode == "hybrid"
    ollama.faults.set(times=None, http_500=True)
    found = retriever.search(QUESTION)
    assert (found.mode, found.passages[0].document_id) == ("lexical", "buy-box")
    assert "lexical search only" in caplog.text
    with pytest.raises(EmbeddingError):
        retriever.calibrate()  # a cut for words alone would stay
    ollama.faults.clear()
    assert retriever.search(QUESTION).mode == "hybrid"


def test_the_last_reserve_answers_without_the_server_of_the_embeddings(
    runtime: Runtime, ollama: OllamaStandin
) -> None:
    ollama.faults.set(times=None, http_500=True)

    async def ask() -> Finished:
        asking = runtime.assistant.ask(QUESTION, user="ana", conversation="c1")
        events = [event async for event in asking]
        assert isinstance(events[-1], Finished)
        return events[-1]

    answer = asyncio.run(ask()).interaction.answer
    assert (answer.finish_reason, answer.citations) == (FinishReason.STOP, (1,))


def test_commands_say_it_in_portuguese(runtime: Runtime) -> None:
    data, docs = runtime.settings.data_dir, runtime.settings.knowledge_dir
    (docs / "frete.md").write_text("# Frete\n\nO frete grátis vale acima de um preço mínimo.\n", "utf-8")
    given = {"MELANCIA_EMBEDDING_MODEL": NAME, "OLLAMA_BASE_URL": NOBODY}
    given["MELANCIA_KNOWLEDGE_DIR"] = str(docs)
    done = melancia("ingest", data=data, **given)
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    assert "Erro: O Ollama, que calcula os embeddings, não está respondendo." in done.stderr
    assert "`ollama serve`" in done.stderr
    done = melancia("search", QUESTION, "--json", data=data, **given)
    assert (done.returncode, '"lexical"' in done.stdout) == (0, True), done.stderr
    done = melancia("search", QUESTION, data=data, **(given | {"MELANCIA_EMBEDDING_MODEL": "openai:m"}))
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    assert "Erro: Falta a chave da OpenAI" in done.stderr


def test_a_model_that_comes_later_than_the_page_is_asked_again(
    ollama: OllamaStandin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("melancia.knowledge_base._RETRY", 0.05)
    ollama.faults.set(times=None, missing_model=True)
    made = open_runtime(tmp_path, embedding_model=NAME, ollama_base_url=ollama.url)
    try:
        made.index.start_updating()
        until = time.monotonic() + 20
        while not made.index.progress().error and time.monotonic() < until:
            time.sleep(0.02)
        assert "não tem o modelo de embeddings" in (made.index.progress().error or "")
        ollama.reset()
        while not made.index.progress().ready and time.monotonic() < until:
            time.sleep(0.02)
        assert made.index.progress().ready
        while made.index.progress().error and time.monotonic() < until:
            time.sleep(0.02)
        assert made.index.progress().error is None
    finally:
        made.close()
