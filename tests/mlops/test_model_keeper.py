"""Models are pulled, told of, measured and mirrored; every way in which that fails has its words."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from melancia.errors import StoreError
from melancia.llms import ollama as probing
from melancia.llms import pulls as pull_watch
from melancia.llms.pulls import PATIENCE
from melancia.mlops import policies
from melancia.mlops.client import connect
from melancia.mlops.model_keeper import AWAY, ModelKeeper
from melancia.mlops.runtime import mirror_placement
from melancia.records import Arm, ModelState, ModelStatus, Policy, Variant
from melancia.settings import Settings, load_settings
from melancia.store import Store
from tests.mlflow_server import MlflowServer
from tests.ports import free_port
from tests.standins.ollama import OllamaStandin, Scripted

MODEL = "llama3.1:8b"
SIZE = 4_800_000_485  # the stand-in's eight billion weights, and the small layer


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that is there is found, however busy the machine is."""
    monkeypatch.setattr(probing, "PROBE_TIMEOUT", httpx.Timeout(60.0))


class Watch:
    """What a pull takes for the time: that of the machine, put forward by ``ahead`` seconds."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    """The watch of the pulls: no pull seems to stall because the machine is busy."""
    made = Watch()
    monkeypatch.setattr(pull_watch, "time", made)
    return made


@pytest.fixture
def ollama() -> Iterator[OllamaStandin]:
    """A server without a model."""
    with OllamaStandin(Scripted(token_delay=0.01), models=[]) as running:
        yield running


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An open store."""
    made = Store.open(f"sqlite:///{tmp_path / 'melancia.db'}")
    yield made
    made.close()


@pytest.fixture
def settings(ollama: OllamaStandin, tmp_path: Path) -> Settings:
    """One model of Ollama answers."""
    return load_settings(
        _env_file=None, data_dir=tmp_path, variant=f"ollama:{MODEL}", ollama_base_url=ollama.url
    )


def status(store: Store, model: str = MODEL) -> ModelStatus:
    """The model's row."""
    found = store.models.get(model)
    assert found is not None
    return found


def until(store: Store, fits: Callable[[ModelStatus], bool], model: str = MODEL) -> ModelStatus:
    """The model's row as soon as it fits."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        found = store.models.get(model)
        if found is not None and fits(found):
            return found
        time.sleep(0.02)
    pytest.fail(f"never so: {store.models.list()}")


def pulls(ollama: OllamaStandin) -> list[Any]:
    """The models that were asked for, in order."""
    return [record.body["model"] for record in ollama.requests if record.path == "/api/pull"]


def test_what_is_missing_is_pulled_and_what_is_there_is_not(
    settings: Settings, store: Store, ollama: OllamaStandin
) -> None:
    keeper = ModelKeeper(settings, store)
    assert keeper.pull_missing() == (MODEL,)
    assert ollama.models == [MODEL]
    found = status(store)
    assert (found.state, found.completed, found.total) == (ModelState.READY, SIZE, SIZE)
    assert keeper.pull_missing() == ()
    assert pulls(ollama) == [MODEL]


def test_a_model_that_was_there_before_is_news_once(settings: Settings, store: Store) -> None:
    with OllamaStandin(models=["llama3.1:8B"]) as other:
        keeper = ModelKeeper(settings.model_copy(update={"ollama_base_url": other.url}), store)
        assert keeper.pull_missing() == (MODEL,)
        assert keeper.pull_missing() == ()
        assert pulls(other) == []
    assert status(store).state is ModelState.READY


def test_progress_is_written_in_bytes_while_it_comes(
    settings: Settings, store: Store, ollama: OllamaStandin
) -> None:
    ollama.faults.set(pull_stall="aloud")
    stop = threading.Event()
    pulling = threading.Thread(target=ModelKeeper(settings, store, stop).pull_missing)
    pulling.start()
    found = until(store, lambda row: row.completed > 0 and row.completed * 2 >= row.total)
    assert (found.state, found.detail) == (ModelState.PULLING, "baixando")
    assert (found.completed, found.total) == (2_400_000_000, 4_800_000_000)
    stop.set()
    pulling.join(60)
    assert not pulling.is_alive()
    assert status(store).state is ModelState.WAITING
    assert ollama.wait_for(lambda record: record.path == "/api/pull" and record.disconnected)


def test_the_database_is_written_at_most_twice_a_second(
    settings: Settings, store: Store, ollama: OllamaStandin, monkeypatch: pytest.MonkeyPatch
) -> None:
    ollama.faults.set(pull_stall="aloud")
    put, progress, stop = store.models.put, list[ModelStatus](), threading.Event()

    def counted(row: ModelStatus) -> None:
        if row.state is ModelState.PULLING:
            progress.append(row)
            if len(progress) == 4:
                stop.set()
        put(row)

    monkeypatch.setattr(store.models, "put", counted)
    begun = time.monotonic()
    ModelKeeper(settings, store, stop).pull_missing()
    assert 4 <= len(progress) <= 1 + (time.monotonic() - begun) / 0.5


@pytest.mark.parametrize("stall", [True, "aloud"])
def test_a_stalled_pull_is_given_up_and_goes_on_from_there_next_time(
    settings: Settings, store: Store, ollama: OllamaStandin, watch: Watch, stall: Any
) -> None:
    ollama.faults.set(times=1, pull_stall=stall)
    keeper = ModelKeeper(settings, store)
    pulled: list[tuple[str, ...]] = []
    pulling = threading.Thread(target=lambda: pulled.append(keeper.pull_missing()))
    pulling.start()
    until(store, lambda row: row.completed == 2_400_000_000)
    watch.ahead += PATIENCE + 1
    pulling.join(60)
    assert pulled == [()]
    found = status(store)
    assert found.state is ModelState.FAILED
    assert "nenhum byte" in found.error
    assert "de onde parou" in found.error
    assert found.completed == 2_400_000_000
    assert ollama.wait_for(lambda record: record.path == "/api/pull" and record.disconnected)
    # Its turn comes with the next minute; here the minute is over.
    keeper._failures.clear()
    assert keeper.pull_missing() == (MODEL,)
    assert status(store).error == ""


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (
            {"pull_disk_full": True},
            ["não tem espaço", "faltam 3,6 GB de 4,8 GB", "docker system df", "ollama rm"],
        ),
        ({"missing_model": True}, ["não tem o modelo llama3.1:8b", "Confira o nome"]),
        (
            {
                "pull_error": 'pull model manifest: Get "https://registry.ollama.ai/v2/library/llama3.1": '
                "dial tcp: lookup registry.ollama.ai on 127.0.0.11:53: no such host"
            },
            ["não alcança o registro", "internet"],
        ),
        (
            {
                "pull_error": "pull model manifest: 412: \n\nThe model you are attempting to pull requires a "
                "newer version of Ollama.\n\nPlease download the latest version"
            },
            ["pede um Ollama mais novo", "docker compose pull ollama"],
        ),
        ({"pull_error": "digest mismatch /root/x"}, ["não conseguiu baixar", "docker compose logs ollama"]),
    ],
)
def test_each_failure_has_its_words_and_its_remedy(
    settings: Settings, store: Store, ollama: OllamaStandin, fault: dict[str, Any], said: list[str]
) -> None:
    ollama.faults.set(**fault)
    keeper = ModelKeeper(settings, store)
    assert keeper.pull_missing() == ()
    found = status(store)
    assert found.state is ModelState.FAILED
    assert all(words in found.error for words in said), found.error
    assert "/root" not in found.error
    # It is not asked again at once.
    keeper.pull_missing()
    assert pulls(ollama) == [MODEL]


def test_failures_are_tried_again_ever_more_slowly(settings: Settings, store: Store) -> None:
    keeper = ModelKeeper(settings, store)
    waits = [keeper._failed(MODEL, moved=False) for _ in range(7)]
    assert waits == [60, 120, 240, 480, 900, 900, 900]
    assert keeper._failed(MODEL, moved=True) == 60


def test_without_ollama_a_model_waits_and_has_not_failed(
    settings: Settings, store: Store, ollama: OllamaStandin
) -> None:
    nowhere = settings.model_copy(update={"ollama_base_url": f"http://127.0.0.1:{free_port()}"})
    assert ModelKeeper(nowhere, store).pull_missing() == ()
    found = status(store)
    assert (found.state, found.detail, found.error) == (ModelState.WAITING, AWAY, "")
    ModelKeeper(settings, store).pull_missing()
    assert status(store).state is ModelState.READY


def test_an_ollama_that_dies_in_mid_pull_makes_it_wait(settings: Settings, store: Store) -> None:
    with OllamaStandin(models=[]) as dying:
        dying.faults.set(pull_stall=True)
        own = settings.model_copy(update={"ollama_base_url": dying.url})
        pulling = threading.Thread(target=ModelKeeper(own, store).pull_missing)
        pulling.start()
        until(store, lambda row: row.completed > 0)
    pulling.join(60)
    assert not pulling.is_alive()
    assert (status(store).state, status(store).detail) == (ModelState.WAITING, AWAY)


def test_an_address_that_is_none_is_a_failure(settings: Settings, store: Store) -> None:
    ModelKeeper(settings.model_copy(update={"ollama_base_url": "http://[x"}), store).pull_missing()
    assert "OLLAMA_BASE_URL" in status(store).error


def test_models_that_are_wanted_no_more_are_forgotten(settings: Settings, store: Store) -> None:
    store.models.put(ModelStatus("antigo:1b", ModelState.READY))
    ModelKeeper(settings, store).pull_missing()
    assert [row.model for row in store.models.list()] == [MODEL]
    ModelKeeper(settings.model_copy(update={"variant": "auto"}), store).pull_missing()
    assert store.models.list() == []


def test_one_that_cannot_be_pulled_does_not_hold_up_the_others(
    settings: Settings, store: Store, ollama: OllamaStandin
) -> None:
    ollama.faults.set(times=1, missing_model=True)
    more = {"fallbacks": "ollama:qwen2.5:1.5b", "embedding_model": "ollama:nomic-embed-text"}
    keeper = ModelKeeper(settings.model_copy(update=more), store)
    assert keeper.wanted() == ("nomic-embed-text", MODEL, "qwen2.5:1.5b")
    assert keeper.pull_missing() == (MODEL, "qwen2.5:1.5b")
    assert status(store, "nomic-embed-text").state is ModelState.FAILED


def test_the_arms_of_experiments_are_pulled_and_measured_until_they_end(
    settings: Settings, store: Store, ollama: OllamaStandin
) -> None:
    def begin(name: str, model: str) -> None:
        arms = (Arm("A", Variant("ollama", MODEL)), Arm("B", Variant("ollama", model)))
        policies.create(store, Policy(name, arms, "", reason="ver"))

    begin("antigo", "gemma2:2b")
    policies.pause(store, "antigo", "ana", "ver")
    begin("novo", "qwen2.5:1.5b")
    keeper = ModelKeeper(settings, store)
    assert set(keeper.pull_missing()) == {MODEL, "gemma2:2b", "qwen2.5:1.5b"}
    assert pulls(ollama)[0] == MODEL
    assert status(store, "qwen2.5:1.5b").state is ModelState.READY
    assert [row.model for row in keeper.check_placement() or ()][-1] == MODEL
    assert status(store, "qwen2.5:1.5b").gpu_share == 1.0
    policies.end(store, "antigo", "ana", "ver")
    policies.promote(store, "novo", "ana", "ver", "A")
    assert keeper.wanted() == (MODEL,), "who took the losing model away shall not get it back"


def test_placement_is_measured_with_the_window_of_the_answers(
    settings: Settings, store: Store, ollama: OllamaStandin
) -> None:
    keeper = ModelKeeper(settings, store)
    keeper.pull_missing()
    begun = time.monotonic()
    [found] = keeper.check_placement() or ()
    seconds = time.monotonic() - begun
    assert found == replace(status(store), updated_at=found.updated_at)
    assert found.gpu_share == 1.0
    # Fourteen words and the end, a token every hundredth of a second, on a machine that may be busy.
    assert found.tokens_per_second is not None
    assert 15 / seconds <= found.tokens_per_second < 130
    asked = ollama.requests[-4].body
    assert asked["options"]["num_ctx"] == settings.context_window
    assert asked["options"]["num_predict"] == 16


def test_a_silent_fallback_to_the_cpu_shows(settings: Settings, store: Store, ollama: OllamaStandin) -> None:
    keeper = ModelKeeper(settings, store)
    keeper.pull_missing()
    ollama.faults.set(cpu_fallback=True)
    keeper.check_placement()
    assert status(store).gpu_share == 0.0


def test_nothing_is_measured_while_a_pull_runs(
    settings: Settings, store: Store, ollama: OllamaStandin
) -> None:
    more = settings.model_copy(update={"fallbacks": "ollama:qwen2.5:1.5b"})
    stop = threading.Event()
    keeper = ModelKeeper(more, store, stop)
    ollama.faults.set(pull_stall=True)
    pulling = threading.Thread(target=keeper.pull_missing)
    pulling.start()
    until(store, lambda row: row.completed > 0)
    assert keeper.check_placement() is None
    stop.set()
    pulling.join(60)
    assert not pulling.is_alive()


def test_a_measured_model_is_not_loaded_over_another_one(
    settings: Settings, store: Store, ollama: OllamaStandin
) -> None:
    keeper = ModelKeeper(settings.model_copy(update={"fallbacks": "ollama:qwen2.5:1.5b"}), store)
    keeper.pull_missing()
    # First time: both, and who answers last, so that it stays in memory.
    assert [row.model for row in keeper.check_placement() or ()] == ["qwen2.5:1.5b", MODEL]
    ollama._state.library.unload(ollama._state.library._models["qwen2.5:1.5b"])
    assert [row.model for row in keeper.check_placement() or ()] == [MODEL]


def test_a_model_that_is_there_but_does_not_answer_says_why(
    settings: Settings, store: Store, ollama: OllamaStandin
) -> None:
    keeper = ModelKeeper(settings, store)
    keeper.pull_missing()
    ollama.faults.set(
        times=1, http_500="model requires more system memory (9.1 GiB) than is available (2.0 GiB)"
    )
    keeper.check_placement()
    assert status(store).state is ModelState.READY
    assert "Falta memória" in status(store).error
    keeper.check_placement()
    assert status(store).error == ""


def test_a_stop_does_not_wait_for_a_slow_load(
    settings: Settings, store: Store, ollama: OllamaStandin
) -> None:
    stop = threading.Event()
    keeper = ModelKeeper(settings, store, stop)
    keeper.pull_missing()
    ollama.faults.set(stall_after_tokens=0)
    measuring = threading.Thread(target=keeper.check_placement)
    measuring.start()
    ollama.wait_for(lambda record: record.path == "/api/generate")
    stop.set()
    measuring.join(60)
    assert not measuring.is_alive()
    assert status(store).gpu_share is None


def test_progress_that_cannot_be_written_does_not_cost_the_download(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    put = store.models.put

    def busy(row: ModelStatus) -> None:
        if row.state is ModelState.PULLING:
            raise StoreError("O banco está ocupado.")
        put(row)

    monkeypatch.setattr(store.models, "put", busy)
    with caplog.at_level(logging.WARNING):
        assert ModelKeeper(settings, store).pull_missing() == (MODEL,)
    assert "was not written" in caplog.text


def test_mlflow_hears_of_a_placement_when_it_changes(
    mlflow_server: MlflowServer, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    told = settings.model_copy(
        update={"mlflow_url": mlflow_server.url, "mlflow_experiment": uuid4().hex, "expect_gpu": True}
    )
    fast = ModelStatus(MODEL, ModelState.READY, gpu_share=1.0, tokens_per_second=40.0)
    slow = ModelStatus(MODEL, ModelState.READY, gpu_share=0.0, tokens_per_second=6.2)
    near = ModelStatus(MODEL, ModelState.READY, gpu_share=1.0, tokens_per_second=42.0)
    unknown = ModelStatus("x:1b", ModelState.READY)
    assert [mirror_placement(told, [row, unknown]) for row in (fast, near, slow, slow)] == [1, 0, 1, 0]
    connection = connect(told)
    runs = connection.client.search_runs([connection.experiment_id])
    assert {run.info.run_name for run in runs} == {"runtime"}
    assert {run.info.status for run in runs} == {"FINISHED"}
    newest = max(runs, key=lambda run: run.info.start_time)
    assert newest.data.metrics == {"gpu_share": 0.0, "tokens_per_second": 6.2}
    assert newest.data.params == {"model": MODEL, "context_window": "8192", "expect_gpu": "True"}
    away = told.model_copy(update={"mlflow_url": f"http://127.0.0.1:{free_port()}"})
    with caplog.at_level(logging.WARNING):
        assert mirror_placement(away, [fast]) == 0
    assert "MLflow was not told" in caplog.text
