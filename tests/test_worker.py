"""The worker: one at a time on either database, takes over, exports, pulls, shows that it lives, stops."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest
import sqlalchemy as sa

from melancia.errors import JobError
from melancia.mlops import policies
from melancia.mlops.client import connect
from melancia.mlops.exporter import ExportReport
from melancia.records import Arm, Feedback, ModelState, Policy, Variant
from melancia.settings import Settings, load_settings
from melancia.store import Store
from melancia.store.lock import WorkerLock
from melancia.worker import Pace, Worker
from tests.mlflow_server import MlflowServer
from tests.ports import free_port
from tests.postgres import create_database
from tests.standins.ollama import OllamaStandin
from tests.store.samples import answered, question
from tests.waiting import until
from tests.worker_process import Start, environment, once

MODEL = "llama3.2:3b"
QUICK = Pace(export=0.2, pulls=0.3, placement=600, settle=0.2, lead=0.2, heartbeat=0.2)


@pytest.fixture(scope="module")
def mlflow_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    """A running MLflow server."""
    made = MlflowServer(tmp_path_factory.mktemp("mlflow"))
    made.start()
    yield made
    made.stop()


@pytest.fixture
def ollama() -> Iterator[OllamaStandin]:
    """A server without a model."""
    with OllamaStandin(models=[]) as running:
        yield running


def test_the_lock_has_one_holder_and_is_given_up(url: str) -> None:
    one, other = WorkerLock(url), WorkerLock(url)
    assert one.try_acquire()
    assert one.try_acquire(), "it is ours already"
    assert one.held()
    assert not other.try_acquire()
    assert not other.held()
    one.release()
    one.release()
    assert not one.held()
    assert other.try_acquire()
    other.release()


def test_a_session_that_broke_is_noticed(postgres: sa.URL) -> None:
    url = create_database(postgres, uuid4().hex)
    one, other = WorkerLock(url), WorkerLock(url)
    assert one.try_acquire()
    engine = sa.create_engine(postgres)
    with engine.connect() as connection:
        connection.execute(
            sa.text("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'")
        )
    engine.dispose()
    assert not one.held()
    assert until(other.try_acquire, "the lock is free")
    assert not one.try_acquire()
    other.release()


def test_a_worker_that_lost_its_lock_waits_and_comes_back(postgres: sa.URL, tmp_path: Path) -> None:
    url = create_database(postgres, uuid4().hex)
    settings = load_settings(_env_file=None, data_dir=tmp_path, database_url=url, variant="extractive")
    store = Store.open(url)
    worker = Worker(settings, store, QUICK)
    worker.start()
    until(lambda: worker.leading, "it leads")
    engine = sa.create_engine(postgres)
    with engine.connect() as connection:
        connection.execute(
            sa.text("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'")
        )
    engine.dispose()
    rival = WorkerLock(url)
    # Whoever of the two comes first, there is one.
    until(lambda: rival.try_acquire() or worker._lock._connection is not None, "somebody has it")
    rival.release()
    until(lambda: worker.leading and worker._lock.held(), "it leads again")
    worker.stop()
    store.close()


def test_a_second_worker_waits_and_takes_over_when_the_first_is_killed(
    url: str, tmp_path: Path, start: Start
) -> None:
    variables = environment(tmp_path, url)
    first = start("first", variables)
    until(lambda: first.says("at work"), "the first works")
    second = start("second", variables)
    until(lambda: second.says("waiting to take over"), "the second waits")
    assert not second.says("at work:")
    first.end(signal.SIGKILL)
    until(lambda: second.says("at work:"), "the second takes over")
    assert second.end(signal.SIGTERM) == 0
    assert "worker stopped" in second.log.read_text()
    assert "Traceback" not in second.log.read_text()


def test_a_signal_that_another_thread_receives_ends_it(tmp_path: Path, start: Start) -> None:
    """The kernel may give a signal to any thread of a process; Python acts on it in the first one."""
    running = start("only", environment(tmp_path, f"sqlite:///{tmp_path}/melancia.db"))
    until(lambda: running.says("at work:"), "it works")
    number = running.process.pid
    other = max(int(thread.name) for thread in Path(f"/proc/{number}/task").iterdir())
    assert other != number
    assert ctypes.CDLL(None, use_errno=True).tgkill(number, other, signal.SIGTERM) == 0
    assert running.process.wait(timeout=20) == 0
    assert "stopping (SIGTERM)" in running.log.read_text()


def test_a_whole_life_on_real_servers(
    url: str,
    tmp_path: Path,
    mlflow_server: MlflowServer,
    ollama: OllamaStandin,
    start: Start,
) -> None:
    store = Store.open(url)
    # More than a batch, so that the rest must follow without waiting.
    made = [replace(answered(question(f"u{number}")), retrieval_time=0.01) for number in range(12)]
    for one in made:
        store.finish(one)
    store.rate(Feedback(made[0].id, "u0", 1))
    heartbeat, experiment = tmp_path / "heartbeat", uuid4().hex
    variables = environment(
        tmp_path,
        url,
        MELANCIA_VARIANT=f"ollama:{MODEL}",
        OLLAMA_BASE_URL=ollama.url,
        MLFLOW_TRACKING_URI=mlflow_server.url,
        MELANCIA_MLFLOW_EXPERIMENT=experiment,
        MELANCIA_WORKER_HEARTBEAT_FILE=str(heartbeat),
    )
    worker = start("worker", variables)
    until(heartbeat.exists, "it shows that it lives")
    until(lambda: MODEL in ollama.models, "the model is pulled")
    until(lambda: store.exports.backlog() == 0, "everything was told", 60)
    assert until(lambda: worker.says("told MLflow of 12 interactions and 1 ratings"), "one line for it")
    connection = connect(
        load_settings(_env_file=None, mlflow_url=mlflow_server.url, mlflow_experiment=experiment)
    )
    assert len(connection.client.search_traces([connection.experiment_id], max_results=100)) == 12
    assert worker.end(signal.SIGINT) == 0
    stopped = heartbeat.stat().st_mtime
    assert store.models.list()[0].state is ModelState.READY
    assert heartbeat.stat().st_mtime == stopped
    assert "Traceback" not in worker.log.read_text()
    store.close()


@pytest.fixture
def settings(tmp_path: Path, ollama: OllamaStandin) -> Settings:
    """One model of Ollama, on SQLite."""
    return load_settings(
        _env_file=None,
        data_dir=tmp_path,
        variant=f"ollama:{MODEL}",
        ollama_base_url=ollama.url,
        worker_heartbeat_file=tmp_path / "heartbeat",
    )


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    """Its store."""
    made = Store.open(settings.store_url)
    yield made
    made.close()


def test_placement_follows_a_pull(settings: Settings, store: Store) -> None:
    worker = Worker(settings, store, QUICK)
    worker.start()
    row = until(
        lambda: (found := store.models.get(MODEL)) and found.gpu_share is not None and found, "measured"
    )
    assert row.tokens_per_second > 0
    worker.stop()


def test_the_heart_stops_with_the_store_or_the_schedule(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = settings.worker_heartbeat_file
    assert file is not None
    worker = Worker(settings, store, QUICK)
    worker.start()
    until(file.exists, "a beat")

    def beats() -> bool:
        os.utime(file, (0, 0))
        try:
            until(lambda: file.stat().st_mtime > 0, "a beat", 1.5)
        except pytest.fail.Exception:
            return False
        return True

    assert beats()
    monkeypatch.setattr(store, "ping", _broken)
    assert not beats()
    monkeypatch.undo()
    assert beats()
    worker._clockwork.scheduler.pause()
    assert not beats()
    worker.stop()


def test_an_outage_is_one_line_and_so_is_its_end(
    settings: Settings, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    port = free_port()
    away = settings.model_copy(update={"mlflow_url": f"http://127.0.0.1:{port}"})
    worker = Worker(away, store, QUICK)
    attempts = []
    run = worker._exporter.run

    def counted(limit: int = 1) -> ExportReport:
        attempts.append(limit)
        return run(limit)

    worker._exporter.run = counted  # type: ignore[method-assign]
    with caplog.at_level("INFO", logger="melancia"):
        worker.start()
        until(lambda: len(attempts) >= 3, "three rounds")
        worker.stop()
    lines = [record for record in caplog.records if "O MLflow não responde" in record.getMessage()]
    assert len(lines) == 1


def test_a_stop_interrupts_a_pull(settings: Settings, store: Store, ollama: OllamaStandin) -> None:
    ollama.faults.set(pull_stall=True)
    worker = Worker(settings, store, QUICK)
    worker.start()
    until(lambda: (row := store.models.get(MODEL)) and row.completed > 0, "it pulls")
    begun = time.monotonic()
    worker.stop()
    assert time.monotonic() - begun < 8
    row = store.models.get(MODEL)
    assert row is not None
    assert row.state is ModelState.WAITING


def test_once_does_a_round_of_everything_and_refuses_a_second_worker(
    settings: Settings, store: Store
) -> None:
    holder = WorkerLock(settings.store_url)
    assert holder.try_acquire()
    with pytest.raises(JobError, match="Outro worker"):
        Worker(settings, store).once()
    holder.release()
    done = Worker(settings, store).once()
    assert done.export is None
    assert [(row.model, row.state, row.gpu_share) for row in done.models] == [(MODEL, ModelState.READY, 1.0)]


def test_the_command_sums_up_in_portuguese_and_fails_when_something_did(
    tmp_path: Path, ollama: OllamaStandin, mlflow_server: MlflowServer
) -> None:
    nothing = once(tmp_path)
    assert nothing.returncode == 0, nothing.stderr
    assert "MLflow: não configurado." in nothing.stdout
    assert "Modelos do Ollama: nenhum configurado." in nothing.stdout

    named = {"MELANCIA_VARIANT": f"ollama:{MODEL}", "OLLAMA_BASE_URL": ollama.url}
    ollama.faults.set(times=1, missing_model=True)
    failed = once(tmp_path, **named)
    assert failed.returncode == 1
    assert "Confira o nome" in failed.stdout

    store = Store.open(f"sqlite:///{tmp_path / 'melancia.db'}")
    store.finish(answered(question()))
    store.close()
    done = once(tmp_path, **named, MLFLOW_TRACKING_URI=mlflow_server.url)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 interações e 0 avaliações enviadas" in done.stdout
    assert f"{MODEL}: pronto (1,8 GB; 100 % na GPU" in done.stdout

    store = Store.open(f"sqlite:///{tmp_path / 'melancia.db'}")
    store.finish(answered(question()))
    arms = (Arm("A", Variant("ollama", MODEL)), Arm("B", Variant("extractive", "extractive")))
    policies.create(store, Policy("modelos", arms, "", author="ana", reason="comparar"))
    store.close()
    nowhere = f"http://127.0.0.1:{free_port()}"
    half = once(tmp_path, **named, MLFLOW_TRACKING_URI=mlflow_server.url, MLFLOW_REGISTRY_URI=nowhere)
    assert half.returncode == 1
    assert "1 interações e 0 avaliações enviadas" in half.stdout
    assert "MLflow: O MLflow não aceitou a versão do experimento." in half.stdout

    away = once(tmp_path, **named, MLFLOW_TRACKING_URI=nowhere)
    assert away.returncode == 1
    assert "O MLflow não responde" in away.stdout
    wrong = once(tmp_path, MELANCIA_VARIANT="olama:x")
    assert wrong.returncode == 1
    assert "MELANCIA_VARIANT" in wrong.stderr
    assert "Traceback" not in wrong.stderr


@pytest.mark.parametrize("tracked", [True, False])
def test_a_page_without_a_stack_is_its_own_worker(tmp_path: Path, tracked: bool) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "acos.md").write_text("# ACOS\n\nO ACOS é o investimento dividido pela receita.\n", "utf-8")
    url, port = f"sqlite:///{tmp_path / 'melancia.db'}", free_port()
    variables = environment(
        tmp_path,
        url,
        MELANCIA_KNOWLEDGE_DIR=str(docs),
        MELANCIA_PORT=str(port),
        MLFLOW_TRACKING_URI=f"http://127.0.0.1:{free_port()}" if tracked else "",
        PYTHONUNBUFFERED="1",
    )
    log = tmp_path / "serve.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "melancia", "serve"], cwd=tmp_path, env=variables, stdout=file, stderr=file
        )
    try:
        until(lambda: "MelâncIA em" in log.read_text("utf-8"), "it serves", 60)
        lock = WorkerLock(url)
        # Experiments are looked after with or without MLflow.
        until(lambda: _is_taken(lock), "it took the lock")
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) in (0, 130)
        assert lock.try_acquire(), "it gave the lock up"
        lock.release()
        assert "Traceback" not in log.read_text("utf-8")
    finally:
        if process.poll() is None:
            process.kill()
            process.wait(timeout=20)


def _is_taken(lock: WorkerLock) -> bool:
    got = lock.try_acquire()
    lock.release()
    return not got


def _broken() -> None:
    from melancia.errors import StoreError

    raise StoreError("O banco de dados não está respondendo.")
