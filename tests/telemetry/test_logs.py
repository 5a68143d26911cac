"""What a process writes to standard error: its form, whose line it is, and nothing of persons or secrets."""

import asyncio
import base64
import json
import logging
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from melancia.agent.assistant import Assistant
from melancia.agent.retriever import Retrieval
from melancia.agent.router import Route
from melancia.errors import KnowledgeError
from melancia.llms.extractive import ExtractiveChatModel
from melancia.records import Assignment, Filters, Finished
from melancia.settings import load_settings
from melancia.store import Store
from melancia.telemetry.logs import setup_logging
from melancia.telemetry.secrets import HIDDEN, Redactor
from tests.store.samples import EXTRACTIVE

ROOT = Path(__file__).parents[2]
START = """
import logging
from melancia.cli.logs import start_logging
from melancia.settings import load_settings
from melancia.telemetry.logs import log_as
start_logging(load_settings(_env_file=None))
logger = logging.getLogger("melancia.teste")
"""
SECRETS = {
    "OPENAI_API_KEY": "sk-proj-um+segredo/longo",
    "HUGGINGFACE_API_TOKEN": "hf_outroSegredo",
    "MELANCIA_AUTH": "ana:s3nh4,bia:outra senha",
    "MELANCIA_SECRET_KEY": "chave-do-cookie",
    "MELANCIA_ALERT_WEBHOOK": "https://hooks.example.com/services/T0/B0/xyz",
    "MELANCIA_DATABASE_URL": "postgresql://melancia:p%40ss-do-banco@db:5432/melancia",
}


def written(code: str, *, code_of_exit: int = 0, **environment: str) -> list[str]:
    """The lines that a process with this code writes to standard error."""
    done = subprocess.run(
        [sys.executable, "-c", START + code],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code_of_exit, done.stderr
    assert done.stdout == ""
    return done.stderr.splitlines()


def test_a_line_of_text_names_its_interaction() -> None:
    first, second = written("logger.info('um %s', 1); log_as('f' * 32); logger.warning('dois')")
    assert first.endswith("INFO melancia.teste: um 1")
    assert second.endswith(f"WARNING melancia.teste [{'f' * 32}]: dois")


def test_a_library_that_sets_its_own_logger_lower_says_no_more() -> None:
    code = "other = logging.getLogger('biblioteca'); other.setLevel('DEBUG'); other.{}('diz')"
    assert written(code.format("debug")) == []
    assert len(written(code.format("info"))) == 1
    assert len(written(code.format("debug"), MELANCIA_LOG_LEVEL="DEBUG")) == 1


def test_a_line_of_json_is_one_line_whatever_it_says() -> None:
    code = """
log_as("a1")
logger.error("linha\\nseguinte: ação “x”")
try:
    raise ValueError("falhou com\\nduas linhas")
except ValueError:
    logger.exception("não deu")
"""
    first, second = (json.loads(line) for line in written(code, MELANCIA_LOG_FORMAT="json"))
    assert first.pop("time").endswith("+00:00")
    assert first == {
        "level": "ERROR",
        "logger": "melancia.teste",
        "message": "linha\nseguinte: ação “x”",
        "interaction_id": "a1",
    }
    assert "Traceback" in second["exception"]
    assert "duas linhas" in second["exception"]


@pytest.mark.parametrize("form", ["text", "json"])
def test_personal_data_and_secrets_are_in_no_line(form: str) -> None:
    code = """
import os, threading, urllib.parse, warnings
values = [os.environ[name] for name in os.environ if name in SECRETS]
values += ["s3nh4", "outra senha", "p@ss-do-banco"]
values += [urllib.parse.quote(value, safe="") for value in values]
for value in values:
    logger.warning("a biblioteca disse: %s", value)
    logger.warning("e depois", extra={"não": "usado"}, exc_info=RuntimeError(f"recusado: {value}"))
try:
    raise ValueError("e-mail ana.souza@example.com")
except ValueError as error:
    logger.exception("de %s", "bia@example.com")
warnings.warn("aviso a caio@example.com")
thread = threading.Thread(target=lambda: [][len("davi@example.com")])
thread.start(); thread.join()
def fail(): raise RuntimeError("eva@example.com")
thread = threading.Thread(target=fail)
thread.start(); thread.join()
raise KeyError("fábio@example.com sk-outraChaveQueNinguemConhece")
"""
    said = "\n".join(
        written(f"SECRETS = {list(SECRETS)!r}" + code, code_of_exit=1, MELANCIA_LOG_FORMAT=form, **SECRETS)
    )
    assert "Traceback" in said
    assert "KeyError" in said
    assert HIDDEN in said
    for secret in (*SECRETS.values(), "s3nh4", "outra senha", "p@ss-do-banco", "p%40ss", "sk-outraChave"):
        assert secret not in said
    assert "example.com" not in said


def test_chatty_libraries_are_quiet_even_when_we_are_not() -> None:
    code = """
for name in ("httpx", "openai._base_client", "urllib3.connectionpool", "alembic.runtime"):
    logging.getLogger(name).debug("o pedido inteiro")
    logging.getLogger(name).info("o pedido inteiro")
logger.debug("nosso")
"""
    [line] = written(code, MELANCIA_LOG_LEVEL="DEBUG")
    assert line.endswith("DEBUG melancia.teste: nosso")


@given(st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=4, max_size=40), st.text())
def test_no_secret_survives_whatever_it_is_made_of(secret: str, around: str) -> None:
    settings = load_settings(_env_file=None, openai_api_key=secret)
    assert secret not in Redactor(settings)(f"{around} {secret} {around}").replace(HIDDEN, "\x00")


def test_what_only_looks_like_a_secret_is_hidden_and_prose_is_not() -> None:
    redact = Redactor(load_settings(_env_file=None))
    basic = base64.b64encode(b"ana:senha-da-equipe").decode()
    for text, secret in (
        ("Authorization: Bearer abcdefghijklmnop", "abcdefghijklmnop"),
        (f"authorization: Basic {basic}", basic),
        ("postgresql://melancia:senha@db/melancia", "senha@"),
        ("key sk-ant-0123456789abcdef recusada", "0123456789abcdef"),
    ):
        assert secret not in redact(text)
    prose = "Basic ideas: see https://example.org/a:b@c — the bearer of bad news, 12:30."
    assert redact(prose) == prose


def test_the_passwords_of_all_addresses_are_known() -> None:
    names = ("database_url", "chroma_url", "mlflow_url", "launcher_url", "ollama_base_url")
    settings = load_settings(
        _env_file=None, **{name: f"http://ana:senha-de-{name}@servidor" for name in names}
    )
    for name in names:
        assert Redactor(settings)(f"recusou senha-de-{name}.") == f"recusou {HIDDEN}."


def test_secrets_in_files_count_too(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("um-segredo-em-arquivo\n")
    settings = load_settings(_env_file=None, metrics_token_file=file, launcher_token_file=tmp_path / "falta")
    assert Redactor(settings)("disse um-segredo-em-arquivo.") == f"disse {HIDDEN}."


@pytest.fixture
def restored() -> Iterator[None]:
    """The process's logging is as before."""
    root = logging.getLogger()
    handlers, level, hooks = root.handlers[:], root.level, (sys.excepthook, threading.excepthook)
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)
    sys.excepthook, threading.excepthook = hooks


class Talkative:
    """An index that says something at each search, in whatever thread it is asked; and fails when told."""

    def search(self, query: str, k: int | None = None, filters: Filters | None = None) -> Retrieval:
        """Nothing is found."""
        logging.getLogger("melancia.indice").info("busca: %s", query)
        if "falhe" in query:
            raise KnowledgeError("O índice não responde.")
        return Retrieval((), "lexical", False)


def test_each_line_written_while_answering_names_its_interaction(
    tmp_path: Path, restored: None, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = load_settings(_env_file=None, data_dir=tmp_path, variant="extractive", log_format="json")
    store = Store.open(settings.store_url)
    assistant = Assistant(
        settings=settings,
        recorder=store,
        retriever=Talkative,
        index_version=lambda: "i",
        route=lambda wanted, user: Route(Assignment(wanted or EXTRACTIVE), (EXTRACTIVE,)),
        make_model=lambda variant: ExtractiveChatModel(),
    )

    async def ask(question: str) -> str:
        async for event in assistant.ask(question, user="u", conversation="c"):
            if isinstance(event, Finished):
                return event.interaction.id
        raise AssertionError("never finished")

    async def all_at_once() -> list[str]:
        ids = await asyncio.gather(*(ask(f"pergunta {number}") for number in range(3)))
        with pytest.raises(KnowledgeError):
            await ask("falhe agora")
        logging.getLogger("melancia.outro").info("sem pergunta")
        return ids

    setup_logging(settings, None)
    ids = asyncio.run(all_at_once())
    store.close()
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    searched = {line["message"]: line.get("interaction_id") for line in lines if "busca" in line["message"]}
    assert [searched[f"busca: pergunta {number}"] for number in range(3)] == ids
    assert searched["busca: falhe agora"]
    [after] = [line for line in lines if line["message"] == "sem pergunta"]
    assert "interaction_id" not in after
