"""Jobs in real containers: what is in force, how they end, and restarts of the launcher in between."""

import ast
import json
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from melancia.errors import EngineUnavailableError
from melancia.jobs.dispatcher import Dispatcher
from melancia.launcher.containers import JOB_LABEL, KIND_LABEL, Containers
from melancia.records import Job, JobState
from melancia.settings import LauncherSettings, Settings
from melancia.store.jobs import LOG_TAIL_CHARS
from tests.jobs.fake_main import CHATTY, FAIL, LOOK, MEMORY, SLEEP, STUBBORN
from tests.jobs.helpers import wait_for_log, wait_for_state
from tests.launcher.conftest import Place, Rig
from tests.waiting import until

pytestmark = pytest.mark.docker
NOWHERE = "unix:///nenhum/docker.sock"


def sleeping(rig: Rig, name: str = "benchmark") -> Job:
    """A job that runs and has said so. A dispatcher must look."""
    job = rig.queue(name, **({"limit": SLEEP} if name == "benchmark" else {}))
    wait_for_log(rig.store, job.id, "dormindo")
    return job


def test_a_job_runs_to_its_end(rig: Rig) -> None:
    rig.dispatcher().start()
    job = rig.queue(mode="quick")
    done = wait_for_state(rig.store, job.id, JobState.SUCCEEDED)
    assert (done.exit_code, done.error, done.progress) == (0, "", 1.0)
    assert f'["benchmark", "--mode", "quick"] {job.id} /data' in done.log_tail
    assert len(done.handle) == 64
    until(lambda: rig.all_containers() == [], "the removal of the container")


def test_what_was_asked_is_in_force_for_the_engine(
    rig: Rig, place: Place, launcher: LauncherSettings, settings: Settings
) -> None:
    rig.dispatcher().start()
    job = sleeping(rig)
    seen: dict[str, Any] = rig.container(job).attrs
    config, host = seen["Config"], seen["HostConfig"]
    assert seen["Name"] == f"/melancia-job-{job.id[:12]}"
    assert config["Image"] == place.image
    started = [seen["Path"], *seen["Args"]]
    assert started[-8:] == ["python", "-m", "melancia", "benchmark", "--mode", "quick", "--limit", str(SLEEP)]
    assert config["Entrypoint"] == ["python", "-m", "melancia"]
    assert config["Healthcheck"] == {"Test": ["NONE"]}
    assert config["User"] == "10001:10001"
    assert {name: config["Labels"][name] for name in (JOB_LABEL, KIND_LABEL)} == {
        JOB_LABEL: job.id,
        KIND_LABEL: "benchmark",
    }
    assert host["ReadonlyRootfs"] is True
    assert host["CapDrop"] == ["ALL"]
    assert not host["CapAdd"]
    assert host["SecurityOpt"] == ["no-new-privileges:true"]
    assert host["Privileged"] is False
    assert (host["Memory"], host["MemorySwap"]) == (64 * 2**20, 64 * 2**20)
    assert (host["NanoCpus"], host["PidsLimit"]) == (10**9, 512)
    assert host["RestartPolicy"]["Name"] in ("no", "")
    assert not host["AutoRemove"]
    assert list(host["Tmpfs"]) == ["/tmp"]
    assert not host["Binds"]
    assert not host["Devices"]
    assert not host["PortBindings"]
    assert (host["PidMode"], host["UTSMode"], host["UsernsMode"]) == ("", "", "")
    assert host["IpcMode"] in ("private", "")
    mounts = {(m["Type"], m["Name"], m["Destination"], m["RW"]) for m in seen["Mounts"]}
    assert mounts == {
        ("volume", place.data_volume, "/data", True),
        ("volume", place.secrets_volume, "/run/melancia", False),
    }
    assert set(seen["NetworkSettings"]["Networks"]) == set(place.networks)


def test_what_was_asked_is_in_force_inside(rig: Rig) -> None:
    rig.dispatcher().start()
    job = rig.queue(limit=LOOK)
    done = wait_for_state(rig.store, job.id, JobState.SUCCEEDED)
    seen = json.loads(done.log_tail.splitlines()[1])
    assert seen["user"] == [10001, 10001]
    assert {int(mask, 16) for mask in seen["capabilities"]} == {0}
    assert seen["no_new_privileges"] == "1"
    assert seen["writable"] == ["/data", "/tmp"]
    assert seen["socket"] is False
    environment = seen["environment"]
    ours = {
        name: value
        for name, value in environment.items()
        if name.startswith(("MELANCIA_", "OPENAI", "PGPASS"))
    }
    assert ours == {
        "MELANCIA_JOB_ID": job.id,
        "MELANCIA_DATA_DIR": "/data",
        "OPENAI_API_KEY": "chave-da-openai",
        "PGPASSFILE": "/run/melancia/pgpass",
    }
    assert environment["OLLAMA_BASE_URL"] == "http://ollama:11434"


def test_a_failure_tells_its_code_and_last_line(rig: Rig) -> None:
    rig.dispatcher().start()
    done = wait_for_state(rig.store, rig.queue(limit=FAIL).id, JobState.FAILED)
    assert (done.exit_code, done.error) == (3, "terminou com código 3: não achei as perguntas")


def test_one_that_runs_out_of_memory_says_so(rig: Rig) -> None:
    rig.dispatcher().start()
    done = wait_for_state(rig.store, rig.queue(limit=MEMORY).id, JobState.FAILED, seconds=60)
    assert (done.exit_code, done.error) == (137, "faltou memória (limite de 64m)")


def test_the_end_of_a_long_log_is_kept(rig: Rig) -> None:
    rig.dispatcher().start()
    done = wait_for_state(rig.store, rig.queue(limit=CHATTY).id, JobState.SUCCEEDED)
    assert len(done.log_tail) == LOG_TAIL_CHARS
    assert done.log_tail.endswith("á�fim\npronto\n")


def test_two_of_a_kind_queue_and_two_kinds_run_together(rig: Rig) -> None:
    rig.dispatcher().start()
    first = sleeping(rig)
    second = rig.queue()
    other = sleeping(rig, "ingest")
    assert rig.store.jobs.get(second.id).state is JobState.QUEUED
    assert rig.container(second) is None
    rig.store.jobs.request_cancel(first.id)
    done = wait_for_state(rig.store, second.id, JobState.SUCCEEDED)
    ended = rig.store.jobs.get(first.id)
    assert ended.ended_at is not None
    assert done.started_at is not None
    assert ended.ended_at <= done.started_at
    assert rig.store.jobs.get(other.id).state is JobState.RUNNING


def test_a_queued_job_that_is_cancelled_never_gets_a_container(rig: Rig) -> None:
    dispatcher = rig.dispatcher()
    job = rig.queue()
    rig.store.jobs.request_cancel(job.id)
    dispatcher.tick()
    assert rig.store.jobs.get(job.id).state is JobState.CANCELLED
    assert rig.all_containers() == []


def test_a_running_job_is_cancelled(rig: Rig) -> None:
    rig.dispatcher().start()
    job = sleeping(rig)
    rig.store.jobs.request_cancel(job.id)
    done = wait_for_state(rig.store, job.id, JobState.CANCELLED, seconds=8)  # it obeys: no need for force
    assert (done.exit_code, done.error) == (143, "")
    until(lambda: rig.container(job) is None, "the removal of the container")


def test_one_that_does_not_obey_is_killed(rig: Rig) -> None:
    rig.dispatcher(grace=0.5).start()
    job = rig.queue(limit=STUBBORN)
    wait_for_log(rig.store, job.id, "teimosa")
    rig.store.jobs.request_cancel(job.id)
    assert wait_for_state(rig.store, job.id, JobState.CANCELLED).exit_code == 137


def test_a_container_killed_from_outside_is_a_failure_with_its_signal(rig: Rig) -> None:
    rig.dispatcher().start()
    job = sleeping(rig)
    rig.container(job).kill()
    done = wait_for_state(rig.store, job.id, JobState.FAILED)
    assert done.exit_code == 137
    assert done.error == "foi encerrada pelo sinal SIGKILL (código 137): dormindo"


def test_a_container_removed_from_outside_is_named(rig: Rig) -> None:
    dispatcher = rig.dispatcher()
    dispatcher.start()
    job = sleeping(rig)
    dispatcher.stop()  # or it might look between the kill and the removal
    rig.container(job).remove(force=True)
    rig.dispatcher().start()
    done = wait_for_state(rig.store, job.id, JobState.FAILED)
    assert (done.exit_code, done.error) == (None, "o contêiner desapareceu")
    assert "dormindo" in done.log_tail


def test_a_job_that_ended_while_the_launcher_was_away_is_recorded(rig: Rig) -> None:
    before = rig.dispatcher()
    failing, other = rig.queue(limit=FAIL), rig.queue("ingest")
    before.tick()
    assert rig.container(failing).wait(timeout=60)["StatusCode"] == 3
    waiting = rig.queue()
    assert rig.store.jobs.get(failing.id).state is JobState.RUNNING

    rig.dispatcher().start()
    done = wait_for_state(rig.store, failing.id, JobState.FAILED)
    assert (done.exit_code, done.error) == (3, "terminou com código 3: não achei as perguntas")
    wait_for_state(rig.store, waiting.id, JobState.SUCCEEDED)
    assert rig.store.jobs.get(other.id).state is JobState.RUNNING  # and this one is not started twice


def test_a_cancel_asked_before_a_restart_is_obeyed_after_it(rig: Rig) -> None:
    rig.queue(limit=SLEEP)
    rig.dispatcher().tick()
    (job,) = rig.store.jobs.open()
    rig.store.jobs.request_cancel(job.id)
    rig.dispatcher().start()
    wait_for_state(rig.store, job.id, JobState.CANCELLED)


@pytest.mark.parametrize("died_before", ["create", "set_handle", "start"])
def test_a_launcher_that_dies_while_it_starts_a_job_loses_nothing(rig: Rig, died_before: str) -> None:
    class Died(BaseException):
        pass

    job = rig.queue()
    target = (
        "melancia.store.jobs.JobStore"
        if died_before == "set_handle"
        else f"{Containers.__module__}.Containers"
    )
    with patch(f"{target}.{died_before}", side_effect=Died), pytest.raises(Died):
        rig.dispatcher().tick()
    assert rig.store.jobs.get(job.id).state is JobState.RUNNING
    assert (rig.container(job) is not None) == (died_before != "create")
    rig.dispatcher().start()
    done = wait_for_state(rig.store, job.id, JobState.SUCCEEDED)
    assert done.log_tail.count("argumentos:") == 1


def test_a_job_that_is_not_started_in_time_is_given_up(rig: Rig) -> None:
    job = rig.queue()
    with patch.object(Containers, "start", side_effect=EngineUnavailableError("o Docker falhou: nada", "")):
        dispatcher = rig.dispatcher(start_within=1.5)
        dispatcher.start()
        done = wait_for_state(rig.store, job.id, JobState.FAILED)
    assert done.error == "não começou em 2 s: o Docker falhou: nada"
    until(lambda: rig.container(job) is None, "the removal of the container")


def test_two_launchers_at_once_make_one_container(rig: Rig) -> None:
    jobs = [rig.queue(), rig.queue("ingest")]
    for _ in range(2):
        rig.dispatcher(every=0.01).start()
    wait_for_state(rig.store, jobs[0].id, JobState.SUCCEEDED)
    wait_for_log(rig.store, jobs[1].id, "dormindo")
    assert rig.store.jobs.get(jobs[0].id).log_tail.count("argumentos:") == 1


def test_a_container_whose_job_has_ended_is_swept(
    rig: Rig, settings: Settings, launcher: LauncherSettings
) -> None:
    job = rig.queue(limit=SLEEP)
    rig.dispatcher().tick()
    rig.store.jobs.finish(job.id, JobState.FAILED, error="dito por outro")
    stranger = Containers(settings, launcher)
    other = stranger.create(Job("benchmark", {}, "de outra instalação"), ["benchmark"])
    rig.dispatcher().tick()
    assert [container.id for container in rig.all_containers()] == [other]
    assert rig.store.jobs.get(job.id).error == "dito por outro"
    stranger.close()


def test_a_row_that_nobody_checked_is_checked_before_it_runs(rig: Rig) -> None:
    bad = [
        rig.queue(mode="quick; rm -rf /"),
        rig.queue("../ingest"),
        rig.queue("benchmark", image="alpine", volumes=["/:/host"]),
    ]
    rig.store.jobs.add(odd := Job("ingest", {}, "ana", id="../../etc"))
    dispatcher = rig.dispatcher()
    for _ in range(4):
        dispatcher.tick()
    assert {rig.store.jobs.get(job.id).state for job in [*bad, odd]} == {JobState.FAILED}
    assert rig.all_containers() == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"image": "melancia-imagem-que-nao-existe"}, "a imagem melancia-imagem-que-nao-existe não existe"),
        ({"networks": "melancia-rede-que-nao-existe"}, "melancia-rede-que-nao-existe"),
    ],
)
def test_what_the_engine_refuses_ends_the_job_with_the_reason(
    rig: Rig, settings: Settings, launcher: LauncherSettings, change: dict[str, str], said: str
) -> None:
    containers = Containers(settings, launcher.model_copy(update=change))
    dispatcher = Dispatcher(rig.store.jobs, containers)
    job = rig.queue()
    dispatcher.tick()
    dispatcher.tick()
    done = rig.store.jobs.get(job.id)
    assert done.state is JobState.FAILED
    assert said in done.error
    assert rig.all_containers() == []
    containers.close()


def test_an_engine_that_is_away_delays_and_loses_nothing(
    rig: Rig, settings: Settings, launcher: LauncherSettings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    socket = tmp_path / "docker.sock"
    containers = Containers(settings, launcher.model_copy(update={"docker_url": f"unix://{socket}"}))
    with pytest.raises(EngineUnavailableError, match="não responde"):
        containers.ping()
    dispatcher = Dispatcher(rig.store.jobs, containers, every=0.05)
    job = rig.queue()
    dispatcher.start()
    try:
        until(lambda: "não responde" in caplog.text, "the warning")
        until(lambda: dispatcher.alive, "the loop")
        assert rig.store.jobs.get(job.id).state is JobState.QUEUED
        socket.symlink_to("/var/run/docker.sock")
        wait_for_state(rig.store, job.id, JobState.SUCCEEDED)
    finally:
        dispatcher.stop()
        containers.close()
    assert caplog.text.count("não responde") == 1  # said once, not at every look


def test_the_store_failing_in_between_delays_and_loses_nothing(rig: Rig) -> None:
    from melancia.errors import StoreError

    dispatcher = rig.dispatcher()
    job = rig.queue()
    with patch.object(type(rig.store.jobs), "finish", side_effect=StoreError("fora do ar", "")) as failed:
        dispatcher.start()
        until(lambda: failed.call_count > 1, "a second try")
        assert rig.container(job) is not None  # its end is not recorded yet
    wait_for_state(rig.store, job.id, JobState.SUCCEEDED)
    until(lambda: rig.container(job) is None, "the removal of the container")


def test_only_the_launcher_imports_docker() -> None:
    root = Path(__file__).parents[2] / "melancia"
    importing = {
        file.relative_to(root).parts[0]
        for file in root.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if (
            isinstance(node, ast.Import) and any(alias.name.split(".")[0] == "docker" for alias in node.names)
        )
        or (isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "docker")
    }
    assert importing == {"launcher"}
