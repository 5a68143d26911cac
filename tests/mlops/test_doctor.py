"""The doctor on what the worker looks after."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from melancia.doctor import Finding, services
from melancia.llms import ollama_status
from melancia.records import ModelState, ModelStatus
from melancia.settings import Settings, load_settings
from melancia.store import Store
from tests.mlflow_server import MlflowServer
from tests.ports import free_port
from tests.standins.ollama import OllamaStandin
from tests.store.samples import answered, question

MODEL = "llama3.2:3b"


@pytest.fixture(scope="module")
def ollama() -> Iterator[OllamaStandin]:
    """A server with one model."""
    with OllamaStandin(models=[MODEL]) as running:
        yield running


def settings(folder: Path, **changes: Any) -> Settings:
    """Settings of their own folder."""
    return load_settings(_env_file=None, **{"data_dir": folder, "variant": f"ollama:{MODEL}", **changes})


def models(given: Settings, *rows: ModelStatus) -> list[Finding]:
    """What is found with these rows in the store."""
    if rows:
        store = Store.open(given.store_url)
        for row in rows:
            store.models.put(row)
        store.close()
    return list(services.models(given, ollama_status(given)))


def test_a_model_that_is_there_tells_where_it_runs(tmp_path: Path, ollama: OllamaStandin) -> None:
    given = settings(tmp_path, ollama_base_url=ollama.url)
    [found] = models(given)
    assert (found.level, found.message) == ("ok", "llama3.2:3b: pronto (1,8 GB), ainda não medido")
    assert not (tmp_path / "melancia.db").exists(), "an examination creates nothing"
    slow = ModelStatus(MODEL, ModelState.READY, gpu_share=0.0, tokens_per_second=6.2)
    [found] = models(given, slow)
    assert (found.level, found.message) == ("ok", "llama3.2:3b: pronto (1,8 GB), CPU, 6,2 tokens/s")
    [found] = models(given.model_copy(update={"expect_gpu": True}))
    assert found.level == "warning"
    assert "nvidia-smi" in found.remedy
    [found] = models(given, replace(slow, gpu_share=1.0, tokens_per_second=42.0))
    assert found.message.endswith("100 % na GPU, 42,0 tokens/s")
    [found] = models(given, replace(slow, error="Falta memória."))
    assert (found.level, "Falta memória." in found.message) == ("warning", True)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (None, "não baixado; a reserva responderá"),
        (
            ModelStatus("x:1b", ModelState.PULLING, 2_000_000_000, 4_700_000_000, "baixando"),
            "baixando, 42 % (2,0 de",
        ),
        (ModelStatus("x:1b", ModelState.FAILED, error="O disco encheu."), "não baixado. O disco encheu."),
        (ModelStatus("x:1b", detail="na fila"), "não baixado. na fila"),
    ],
)
def test_a_model_that_is_not_there_says_why(
    tmp_path: Path, ollama: OllamaStandin, row: ModelStatus | None, said: str
) -> None:
    given = settings(tmp_path, ollama_base_url=ollama.url, variant="ollama:x:1b")
    [found] = models(given, *([row] if row else []))
    assert found.level == "warning"
    assert said in found.message
    assert "ollama pull x:1b" in found.remedy


def test_without_models_or_without_ollama(tmp_path: Path) -> None:
    [found] = models(settings(tmp_path, variant="auto"))
    assert (found.level, found.message[:17]) == ("ok", "nenhum configurad")
    [found] = models(settings(tmp_path, ollama_base_url=f"http://127.0.0.1:{free_port()}"))
    assert "o Ollama não responde" in found.message
    assert found.remedy


def test_mlflow_with_what_waits_and_what_failed(tmp_path: Path, mlflow_server: MlflowServer) -> None:
    [found] = services.mlflow(settings(tmp_path))
    assert (found.level, found.message) == ("ok", "não configurado")
    given = settings(tmp_path, mlflow_url=mlflow_server.url)
    [found] = services.mlflow(given)
    assert found.message == f"no ar em {mlflow_server.url}; 0 interações esperando envio"
    assert not (tmp_path / "melancia.db").exists()
    store = Store.open(given.store_url)
    done = answered(question())
    store.finish(done)
    place = f"127.0.0.1:{free_port()}"
    [found] = services.mlflow(given.model_copy(update={"mlflow_url": f"http://ana:senha@{place}"}))
    assert found.level == "warning"
    assert f"não responde em http://{place};" in found.message
    assert "1 interação esperando envio" in found.message
    assert "docker compose up -d mlflow" in found.remedy
    store.exports.failed(done.id, "ValueError: estragado", 1)
    store.close()
    database = given.model_copy(update={"mlflow_url": "postgresql://ana:se/nh@a@db/mlflow"})
    assert next(services.mlflow(database)).message.startswith("postgresql://db/mlflow (não testado")
    found, last = services.mlflow(given)
    assert found.level == "ok"
    assert "estragado" in last.message


def test_an_mlflow_that_refuses_every_call_does_not_answer(
    tmp_path: Path, mlflow_server: MlflowServer
) -> None:
    """Its /health is well all the same."""
    unknown = mlflow_server.url.replace("127.0.0.1", "127.1")  # a host that it was not told to serve
    assert httpx.get(f"{unknown}/health").is_success
    [found] = services.mlflow(settings(tmp_path, mlflow_url=unknown))
    assert (found.level, f"não responde em {unknown}" in found.message) == ("warning", True)
