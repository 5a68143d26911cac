"""``python -m melancia.launcher``, as its image starts it, with a real engine, killed in between."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from melancia.errors import InputError
from melancia.jobs.remote import LauncherJobs
from melancia.records import JobState
from melancia.settings import LauncherSettings, Settings
from melancia.store import Store
from tests.jobs.fake_main import SLEEP
from tests.jobs.helpers import TOKEN, wait_for_log, wait_for_state
from tests.launcher.conftest import Rig
from tests.ports import free_port
from tests.waiting import until

pytestmark = pytest.mark.docker
REPOSITORY = Path(__file__).parents[2]


class LauncherProcess:
    """The launcher in a process of its own, told by its environment only."""

    def __init__(self, settings: Settings, launcher: LauncherSettings, folder: Path) -> None:
        self._log = folder / "launcher.log"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self._environment = {name: value for name, value in os.environ.items() if "MELANCIA" not in name} | {
            "PYTHONPATH": str(REPOSITORY),
            "MELANCIA_DATA_DIR": str(settings.data_dir),
            "MELANCIA_LAUNCHER_TOKEN_FILE": str(settings.launcher_token_file),
            "MELANCIA_LAUNCHER_PORT": str(port),
            "MELANCIA_LAUNCHER_IMAGE": launcher.image,
            "MELANCIA_LAUNCHER_NETWORKS": launcher.networks,
            "MELANCIA_LAUNCHER_DATA_VOLUME": launcher.data_volume,
            "MELANCIA_LAUNCHER_SECRETS_VOLUME": launcher.secrets_volume,
            "MELANCIA_LAUNCHER_MEMORY": "64m",
        }

    def start(self) -> None:
        """Start it and wait until it is healthy."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "melancia.launcher"],
                env=self._environment,
                cwd=self._folder,
                stdout=log,
                stderr=log,
            )
        until(self._healthy, "a healthy launcher")

    def end(self, number: signal.Signals) -> int:
        """Send it a signal; its exit code."""
        assert self._process is not None
        self._process.send_signal(number)
        return self._process.wait(timeout=30)

    def _healthy(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self._log.read_text()
        try:
            return httpx.get(f"{self.url}/healthz").status_code == 200
        except httpx.HTTPError:
            return False


@pytest.fixture
def process(
    rig: Rig, settings: Settings, launcher: LauncherSettings, tmp_path: Path
) -> Iterator[LauncherProcess]:
    """A running launcher."""
    made = LauncherProcess(settings, launcher, tmp_path)
    made.start()
    yield made
    made.end(signal.SIGKILL)


@pytest.fixture
def jobs(process: LauncherProcess, settings: Settings) -> Iterator[LauncherJobs]:
    """The page's control."""
    made = LauncherJobs(settings.model_copy(update={"launcher_url": process.url}))
    yield made
    made.close()


def test_a_launcher_that_is_killed_goes_on_where_it_was(
    process: LauncherProcess, jobs: LauncherJobs, rig: Rig, store: Store
) -> None:
    running = jobs.submit("benchmark", {"limit": SLEEP}, "ana")
    waiting = jobs.submit("benchmark", {}, "ana")
    wait_for_log(store, running.id, "dormindo")
    container = rig.container(running)
    process.end(signal.SIGKILL)
    container.reload()
    assert container.status == "running"

    process.start()
    assert rig.container(running).id == container.id
    assert store.jobs.get(running.id).state is JobState.RUNNING
    jobs.cancel(running.id)
    wait_for_state(store, running.id, JobState.CANCELLED)
    wait_for_state(store, waiting.id, JobState.SUCCEEDED)
    until(lambda: rig.all_containers() == [], "the removal of the containers")


def test_it_stops_cleanly_and_leaves_its_jobs_running(
    process: LauncherProcess, jobs: LauncherJobs, rig: Rig, store: Store
) -> None:
    job = jobs.submit("benchmark", {"limit": SLEEP}, "ana")
    wait_for_log(store, job.id, "dormindo")
    process.end(signal.SIGTERM)
    assert rig.container(job).status == "running"
    process.start()


def test_attempts_to_break_out_start_nothing(
    process: LauncherProcess, jobs: LauncherJobs, rig: Rig, store: Store, engine: Any, settings: Settings
) -> None:
    before = {container.id for container in engine.containers.list(all=True)}
    good = {"name": "benchmark", "parameters": {"mode": "quick"}, "requested_by": "ana"}
    token = {"Authorization": f"Bearer {TOKEN}"}
    attempts: list[tuple[dict[str, Any], dict[str, str], int]] = [
        (good | {"image": "python:3.13-slim-trixie"}, token, 422),
        (good | {"command": ["sh"]}, token, 422),
        (good | {"mounts": [{"source": "/", "target": "/host"}]}, token, 422),
        (good | {"environment": {"PYTHONPATH": "/data"}}, token, 422),
        (good | {"parameters": {"mode": "quick; rm -rf /"}}, token, 400),
        (good | {"parameters": {"mode": "../../etc/passwd"}}, token, 400),
        (good | {"name": "../../bin/sh"}, token, 400),
        (good | {"name": "serve"}, token, 400),
        (good, {}, 401),
        (good, {"Authorization": "Bearer " + "0" * 48}, 401),
    ]
    for body, headers, status in attempts:
        answer = httpx.post(f"{process.url}/jobs", json=body, headers=headers)
        assert (answer.status_code, answer.json()["detail"] != "") == (status, True), answer.text
    assert settings.launcher_token_file is not None
    settings.launcher_token_file.write_text("trocado-" + TOKEN)
    assert httpx.post(f"{process.url}/jobs", json=good, headers=token).status_code == 401
    with pytest.raises(InputError):
        jobs.submit("shell", {}, "ana")
    assert store.jobs.list() == []
    assert rig.all_containers() == []
    # Nothing of any image, as far as the launcher's label goes: others may use the engine too.
    made = [found for found in engine.containers.list(all=True) if found.id not in before]
    assert not [found for found in made if "org.melancia.job" in found.labels]


def test_it_says_why_it_does_not_start(
    settings: Settings, launcher: LauncherSettings, tmp_path: Path
) -> None:
    assert settings.launcher_token_file is not None
    settings.launcher_token_file.write_text("curto")
    failing = LauncherProcess(settings, launcher, tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "melancia.launcher"],
        env=failing._environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "curto demais" in done.stderr
    assert "openssl rand -hex 32" in done.stderr
    assert "Traceback" not in done.stderr
