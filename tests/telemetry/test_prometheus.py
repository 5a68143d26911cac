"""A real Prometheus, with the stack's own files, reads a running page."""

import asyncio
import json
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from melancia.api import create_app
from melancia.app import Runtime
from tests.api.conftest import open_runtime
from tests.jobs.helpers import served
from tests.ports import free_port
from tests.prometheus import program
from tests.waiting import until

FILES = Path(__file__).parents[2] / "infra" / "prometheus"
TOKEN = "um-segredo-de-teste-com-mais-de-32-letras"
Ask = Callable[..., Any]


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    """One that has answered once and lets the token read its metrics."""
    folder = tmp_path_factory.mktemp("page")
    (folder / "token").write_text(f"{TOKEN}\n")
    made = open_runtime(folder, metrics_token_file=folder / "token")
    asyncio.run(_ask(made))
    yield made
    made.close()


@pytest.fixture(scope="module")
def ask(runtime: Runtime, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    """Asks a Prometheus that reads the page: path below ``/api/v1`` and parameters → data."""
    with (
        served(create_app(runtime)) as page,
        _prometheus(page, tmp_path_factory.mktemp("prometheus")) as address,
    ):

        def asked(path: str, **parameters: str) -> Any:
            query = f"?{urllib.parse.urlencode(parameters)}" if parameters else ""
            with urllib.request.urlopen(f"{address}/api/v1/{path}{query}", timeout=5) as answer:
                said = json.load(answer)
            assert said["status"] == "success", said
            return said["data"]

        yield asked


def test_it_reads_the_page_with_its_token(ask: Ask) -> None:
    def read() -> Any:
        return next((one for one in ask("targets")["activeTargets"] if one["health"] != "unknown"), None)

    target = until(read, "a reading", 60)
    assert target["health"] == "up", target["lastError"]
    assert target["labels"]["job"] == "melancia"
    told = until(lambda: ask("query", query="sum(melancia_answers_total)")["result"], "a sample", 60)
    assert float(told[0]["value"][1]) == 1
    failed = ask("query", query="sum(melancia_scrape_errors)")["result"]
    assert float(failed[0]["value"][1]) == 0


def test_it_watches_every_alert(ask: Ask) -> None:
    wanted = yaml.safe_load((FILES / "alerts.yml").read_text("utf-8"))["groups"]

    def healthy() -> Any:
        groups = ask("rules")["groups"]
        rules = [rule for group in groups for rule in group["rules"]]
        return rules if rules and all(rule["health"] == "ok" for rule in rules) else None

    rules = until(healthy, "every rule", 60)
    assert {rule["name"] for rule in rules} == {rule["alert"] for group in wanted for rule in group["rules"]}


async def _ask(runtime: Runtime) -> None:
    async for _ in runtime.assistant.ask("Como ganho a buy box?", user="ana", conversation="c"):
        pass


@contextmanager
def _prometheus(page: str, folder: Path) -> Iterator[str]:
    """One with the stack's files, but for this machine's addresses and a shorter wait."""
    settings = yaml.safe_load((FILES / "prometheus.yml").read_text("utf-8"))
    settings["global"] = {"scrape_interval": "2s", "evaluation_interval": "2s", "scrape_timeout": "2s"}
    settings["rule_files"] = [str(FILES / "alerts.yml")]
    (job,) = settings["scrape_configs"]
    (folder / "token").write_text(TOKEN)
    job["authorization"]["credentials_file"] = str(folder / "token")
    job["static_configs"] = [{"targets": [page.removeprefix("http://")]}]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(settings))
    address = f"127.0.0.1:{free_port()}"
    command = [
        program("prometheus"),
        f"--config.file={folder}/prometheus.yml",
        f"--storage.tsdb.path={folder}/data",
        f"--web.listen-address={address}",
    ]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        until(lambda: _ready(address) or process.poll() is not None, "Prometheus", 60)
        assert process.poll() is None, (folder / "log").read_text()
        yield f"http://{address}"
    finally:
        process.terminate()
        process.wait(timeout=20)


def _ready(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://{address}/-/ready", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
