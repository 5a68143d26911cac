"""The MLflow server of embedded mode, for real: its port, its marker, what it shows, how it ends."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import httpx
import psutil
import pytest

from melancia.errors import InputError, TrackingError
from melancia.mlops.benchmark_runs import BenchmarkResult, ModelResult, record
from melancia.mlops.client import connect
from melancia.mlops.local_server import Server, find_python, serve
from melancia.mlops.local_store import mark, running, tracked
from melancia.mlops.tracking import ExperimentTracker
from melancia.records import Variant, utc_now
from melancia.settings import PROJECT_DIR, Settings, load_settings
from tests.ports import free_port
from tests.waiting import until

MODEL = Variant("ollama", "llama3.1:8b")


def benchmark(name: str, folder: Path) -> BenchmarkResult:
    """A small one, with a file."""
    file = folder / f"{name}.json"
    file.write_text(f"conteúdo de {name}", "utf-8")
    now = utc_now()
    return BenchmarkResult(
        name, "quick", now, now, True, [ModelResult(MODEL, {"quality_avg": 0.5})], [file], {}
    )


@dataclass
class Running:
    """A server that was started over a folder in which one benchmark was recorded before."""

    settings: Settings
    server: Server
    said: list[str]
    before: str


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Its port is in use by another program, which answers everything."""
    data = tmp_path_factory.mktemp("dados")
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        settings = load_settings(
            _env_file=None,
            data_dir=data,
            mlflow_url=None,  # MLflow leaves an earlier test's address in the environment
            mlflow_public_url=f"http://localhost:{other.getsockname()[1]}",
        )
        before = record(tracked(settings), benchmark("antes", data)).run_id
        said: list[str] = []
        server = serve(settings, say=said.append)
    yield Running(settings, server, said, before)
    server.stop()


def test_it_takes_the_next_port_and_says_so(local: Running) -> None:
    wanted = int(local.settings.mlflow_public_url.rpartition(":")[2])
    port = int(local.server.url.rpartition(":")[2])
    assert wanted < port < wanted + 20
    assert local.said[0] == f"A porta {wanted} está em uso por outro programa; o MLflow fica na {port}."
    assert len(local.said) == 2


def test_it_shows_what_was_recorded_before_it_ran(local: Running) -> None:
    """The page, the run and its file, over HTTP, as a browser asks for them."""
    assert "<title>MLflow" in httpx.get(local.server.url).text
    asked = httpx.get(
        f"{local.server.url}/get-artifact", params={"run_id": local.before, "path": "antes.json"}
    )
    assert asked.text == "conteúdo de antes"
    foreign = httpx.get(local.server.url, headers={"Host": "malvado.example"})
    assert foreign.status_code == 403


def test_later_commands_find_it_and_their_links_lead_to_it(local: Running, tmp_path: Path) -> None:
    assert running(local.settings) == local.server.url
    reached = tracked(local.settings)
    assert reached.mlflow_url == local.server.url
    recorded = record(reached, benchmark("depois", tmp_path))
    assert recorded.url.startswith(f"{local.server.url}/#/experiments/")
    asked = httpx.get(
        f"{local.server.url}/get-artifact", params={"run_id": recorded.run_id, "path": "depois.json"}
    )
    assert asked.text == "conteúdo de depois"
    best = ExperimentTracker(local.settings.mlflow_experiment, local.settings).get_best_run()
    assert best["tags.melancia.benchmark_id"] == "depois"


def test_an_experiment_made_by_the_server_can_be_read_without_it(local: Running, tmp_path: Path) -> None:
    """Its artifacts are files, too, for whoever comes when it is gone."""
    settings = local.settings.model_copy(update={"mlflow_experiment": "feito pelo servidor"})
    recorded = record(tracked(settings), benchmark("novo", tmp_path))
    direct = settings.model_copy(
        update={"mlflow_url": f"sqlite:///{settings.data_dir / 'mlflow' / 'mlflow.db'}"}
    )
    kept = connect(direct).client.download_artifacts(recorded.run_id, "novo.json")
    assert Path(kept).read_text("utf-8") == "conteúdo de novo"


def test_it_is_found_instead_of_started_twice(local: Running) -> None:
    again = serve(local.settings)
    assert (again.url, again.process) == (local.server.url, None)
    with again:
        again.wait()  # comes back at once: it is not ours
    assert running(local.settings) == local.server.url


def test_it_starts_no_other_jobs_and_has_no_secrets(local: Running) -> None:
    assert local.server.process is not None
    environment = psutil.Process(local.server.process.pid).environ()
    assert environment["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] == "false"
    assert environment["MLFLOW_DISABLE_TELEMETRY"] == "true"
    assert not [name for name in environment if name.startswith("MELANCIA_") or name.endswith("_KEY")]


def test_ctrl_c_ends_it_with_all_that_it_started(tmp_path: Path) -> None:
    code = (
        "from melancia.mlops.local_server import serve; from melancia.settings import load_settings\n"
        "with serve(load_settings(_env_file=None)) as server:\n"
        "    print(server.process.pid, flush=True); server.wait()"
    )
    environment = {
        **os.environ,
        "MELANCIA_DATA_DIR": str(tmp_path),
        "MELANCIA_MLFLOW_PUBLIC_URL": f"http://localhost:{free_port()}",
        "OPENAI_API_KEY": "segredo",
    }
    command = subprocess.Popen(
        [sys.executable, "-c", code], cwd=PROJECT_DIR, env=environment, stdout=subprocess.PIPE, text=True
    )
    try:
        assert command.stdout is not None
        leader = psutil.Process(int(command.stdout.readline()))
        family = [leader, *leader.children(recursive=True)]
        assert len(family) > 1
        assert not [process for process in family if "OPENAI_API_KEY" in process.environ()]
        command.send_signal(signal.SIGINT)
        assert command.wait(timeout=60) == 0
    finally:
        command.kill()
    _, alive = psutil.wait_procs(family, timeout=10)
    assert not alive
    assert running(load_settings(_env_file=None, data_dir=tmp_path)) is None
    assert not (tmp_path / "mlflow" / "server.json").exists()


def started(pid: int) -> list[psutil.Process]:
    """The processes that ``pid`` started."""
    return psutil.Process(pid).children(recursive=True)


@pytest.mark.parametrize("when", ["Iniciando o MLflow", "Ctrl-C encerra o MLflow"])
def test_the_command_that_is_terminated_leaves_no_server_behind(tmp_path: Path, when: str) -> None:
    environment = {
        **os.environ,
        "MELANCIA_DATA_DIR": str(tmp_path),
        "MELANCIA_MLFLOW_PUBLIC_URL": f"http://localhost:{free_port()}",
    }
    environment.pop("MLFLOW_TRACKING_URI", None)
    command = subprocess.Popen(
        [sys.executable, "-m", "melancia", "benchmark", "--mode", "ui"],
        cwd=PROJECT_DIR,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    family: list[psutil.Process] = []
    try:
        assert command.stdout is not None
        assert any(when in line for line in command.stdout)
        until(lambda: any("mlflow" in child.cmdline() for child in started(command.pid)), "it starts")
        time.sleep(0.5)  # one that is only just being started would not be known yet
        family = started(command.pid)
        command.send_signal(signal.SIGTERM)
        assert command.wait(timeout=60) in (0, 130)
        _, alive = psutil.wait_procs(family, timeout=10)
        assert not alive
    finally:
        command.kill()
        for process in family:
            with suppress(psutil.NoSuchProcess):
                process.kill()
    assert not (tmp_path / "mlflow" / "server.json").exists()


def test_one_that_does_not_start_is_said_with_its_log(tmp_path: Path) -> None:
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho faltou um módulo\nexit 3\n", "utf-8")
    broken.chmod(0o755)
    settings = load_settings(_env_file=None, data_dir=tmp_path)
    with pytest.raises(TrackingError, match="não iniciou") as caught:
        serve(settings, python=broken)
    log = tmp_path / "mlflow" / "server.log"
    assert str(log) in caught.value.remedy
    assert log.read_text("utf-8") == "faltou um módulo\n"
    assert running(settings) is None
    with pytest.raises(TrackingError, match="não iniciou"):
        serve(settings, python=tmp_path / "nada")


def test_one_that_ends_by_itself_is_said(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", "raise SystemExit(4)"], start_new_session=True)
    (tmp_path / "mlflow").mkdir()
    with (
        pytest.raises(TrackingError, match="código 4"),
        Server("http://127.0.0.1:9", tmp_path / "mlflow", process) as server,
    ):
        server.wait()


def test_a_marker_is_believed_only_of_the_very_process(tmp_path: Path) -> None:
    settings = load_settings(_env_file=None, data_dir=tmp_path)
    place = tmp_path / "mlflow"
    place.mkdir()
    assert running(settings) is None
    mark(place, os.getpid(), "http://127.0.0.1:5000")
    assert running(settings) == "http://127.0.0.1:5000"
    marker = place / "server.json"
    values = json.loads(marker.read_text("utf-8"))
    for wrong in ({"since": values["since"] - 60}, {"pid": None}, {"url": None, "pid": 2**30}):
        marker.write_text(json.dumps(values | wrong), "utf-8")
        assert running(settings) is None
    marker.write_text("{", "utf-8")
    assert running(settings) is None


def test_without_the_server_s_package_it_says_what_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert find_python(tmp_path) == Path(sys.executable)

    def not_here(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", not_here)
    with pytest.raises(InputError, match="não está instalado") as caught:
        find_python(tmp_path)
    assert "make mlflow" in caught.value.remedy
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "mlflow").touch()
    assert find_python(tmp_path) == tmp_path / "bin" / "python"
