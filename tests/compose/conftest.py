"""The whole stack under a name, ports and volumes of its own. Skipped without an engine, but never in CI."""

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.ports import free_port

ROOT = Path(__file__).parents[2]
OLLAMA = "ollama/ollama:0.12.6"
PROJECT = "melancia-test"
SERVICES = ("postgres", "chroma", "mlflow", "ollama", "app", "worker", "launcher")


class Stack:
    """``docker compose`` for one project; where its page and its MLflow are."""

    def __init__(self, page: int, mlflow: int) -> None:
        self.url = f"http://127.0.0.1:{page}"
        self.mlflow = f"http://127.0.0.1:{mlflow}"
        # Nothing of the developer's own settings: as on a fresh machine.
        self._environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("MELANCIA_", "MLFLOW_", "OPENAI_", "OLLAMA_", "COMPOSE_"))
        } | {"MELANCIA_PORT": str(page), "MLFLOW_PORT": str(mlflow)}

    def compose(self, *arguments: str, check: bool = True, timeout: float = 900) -> str:
        """What the command says; fails with it."""
        done = subprocess.run(
            ["docker", "compose", "--project-name", PROJECT, *arguments],
            cwd=ROOT,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        said = done.stdout + done.stderr
        assert done.returncode == 0 or not check, said[-4000:]
        return said

    def script(self, path: str, *arguments: str, check: bool = True, **environment: str) -> str:
        """One of infra's scripts, on this stack."""
        done = subprocess.run(
            [str(ROOT / path), *arguments],
            env={**self._environment, "COMPOSE_PROJECT_NAME": PROJECT, **environment},
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        said = done.stdout + done.stderr
        assert done.returncode == 0 or not check, said[-4000:]
        return said

    def inspect(self, service: str) -> dict[str, Any]:
        """What the engine knows of a service's container."""
        found = subprocess.check_output(["docker", "inspect", f"{PROJECT}-{service}-1"], text=True)
        first: dict[str, Any] = json.loads(found)[0]
        return first

    def inside(self, service: str, *command: str) -> subprocess.CompletedProcess[str]:
        """A command in a service's container."""
        return subprocess.run(
            ["docker", "exec", f"{PROJECT}-{service}-1", *command],
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )

    def python(self, service: str, code: str) -> subprocess.CompletedProcess[str]:
        """Some Python in a service's container."""
        return self.inside(service, "python", "-c", code)

    def until(self, true: Callable[[], Any], what: str, seconds: float = 90) -> Any:
        """Wait for it; what it gave."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if found := true():
                return found
            time.sleep(0.3)
        pytest.fail(f"never happened: {what}\n{self.compose('ps', '-a')}")


def engine_or_skip() -> None:
    """Skip without an engine; fail in CI."""
    if subprocess.run(["docker", "info"], capture_output=True, check=False).returncode:
        if os.environ.get("CI"):
            pytest.fail("a Docker engine is required in CI")
        pytest.skip("no Docker engine")


@pytest.fixture(scope="package")
def stack() -> Iterator[Stack]:
    """A running stack, images built from this tree, every service healthy."""
    engine_or_skip()
    made = Stack(free_port(), free_port())
    made.compose("build", "--quiet", timeout=1500)
    _stand_in_for_ollama()
    made.compose("down", "--volumes", "--remove-orphans")
    try:
        made.compose("up", "--detach", "--wait", "--no-build", timeout=300)
        yield made
    finally:
        (ROOT / "artifacts").mkdir(exist_ok=True)
        log = made.compose("logs", "--no-color", check=False)
        (ROOT / "artifacts" / "compose.log").write_text(log, "utf-8")
        _remove_jobs()
        made.compose("down", "--volumes", "--remove-orphans", check=False)


def _stand_in_for_ollama() -> None:
    """The real image where there is one; else the stand-in, made anew, since it holds our own code."""
    present = subprocess.run(
        ["docker", "image", "inspect", "--format", "{{json .Config.Labels}}", OLLAMA],
        capture_output=True,
        text=True,
        check=False,
    )
    if present.returncode or "org.melancia.standin" in present.stdout:
        subprocess.check_call(
            ["docker", "build", "-q", "-t", OLLAMA, "-f", "tests/standins/ollama/Dockerfile", "."], cwd=ROOT
        )


def _remove_jobs() -> None:
    found = subprocess.check_output(["docker", "ps", "-aq", "--filter", "label=org.melancia.job"], text=True)
    if found.split():
        subprocess.run(["docker", "rm", "-f", *found.split()], capture_output=True, check=False)
