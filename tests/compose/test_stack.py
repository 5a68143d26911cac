"""The stack really up: healthy, closed where it must be, used as people use it, and hurt."""

import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.chromium import launched
from tests.compose.conftest import PROJECT, SERVICES, Stack

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]

CONNECT = "import socket; socket.create_connection(({host!r}, {port}), timeout=4)"


def test_every_service_is_healthy_and_the_secrets_were_made(stack: Stack) -> None:
    states = {name: stack.inspect(name)["State"] for name in SERVICES}
    assert {state["Health"]["Status"] for state in states.values()} == {"healthy"}
    assert stack.inspect("init")["State"]["ExitCode"] == 0


@pytest.mark.parametrize("service", SERVICES)
def test_a_container_has_no_more_than_it_needs(stack: Stack, service: str) -> None:
    found = stack.inspect(service)
    host = found["HostConfig"]
    assert host["ReadonlyRootfs"]
    assert host["CapDrop"] == ["ALL"]
    assert sorted(host["CapAdd"] or []) == (["SETGID", "SETUID"] if service == "launcher" else [])
    assert "no-new-privileges:true" in host["SecurityOpt"]
    assert not host["Privileged"]
    assert host["Memory"] > 0
    assert host["RestartPolicy"]["Name"] == "unless-stopped"
    sockets = [mount for mount in found["Mounts"] if mount["Source"].endswith("docker.sock")]
    assert len(sockets) == (1 if service == "launcher" else 0)
    published = [binding for bindings in (host["PortBindings"] or {}).values() for binding in bindings]
    assert len(published) == (1 if service in ("app", "mlflow") else 0)
    assert {binding["HostIp"] for binding in published} <= {"127.0.0.1"}


@pytest.mark.parametrize("service", SERVICES)
def test_nothing_runs_as_root(stack: Stack, service: str) -> None:
    done = subprocess.check_output(
        ["docker", "top", f"{PROJECT}-{service}-1", "-eo", "pid,uid,args"], text=True
    )
    rows = [line.split(None, 2)[1:] for line in done.splitlines()[1:]]
    # The launcher's process 1 is Docker's own init; what it started has stopped being root. Its health check
    # may be caught in the instant in which it stops being root.
    passing = ("docker-init", "tini", "setpriv --reuid=10001")
    ours = [(uid, command) for uid, command in rows if not any(name in command for name in passing)]
    assert ours
    assert not [row for row in ours if row[0] == "0"]


@pytest.mark.parametrize(
    ("service", "host", "port", "open_"),
    [
        ("app", "chroma", 8000, True),
        ("app", "launcher", 8700, True),
        ("worker", "launcher", 8700, True),
        ("worker", "mlflow", 5000, True),
        ("app", "mlflow", 5000, False),
        ("mlflow", "chroma", 8000, False),
        ("mlflow", "launcher", 8700, False),
        ("launcher", "chroma", 8000, False),
        ("launcher", "ollama", 11434, False),
        ("ollama", "postgres", 5432, False),
        ("ollama", "chroma", 8000, False),
        ("ollama", "launcher", 8700, False),
    ],
)
def test_only_those_who_must_talk_can(stack: Stack, service: str, host: str, port: int, open_: bool) -> None:
    done = stack.python(service, CONNECT.format(host=host, port=port))
    assert (done.returncode == 0) == open_, done.stderr[-500:]


def test_no_secret_is_in_an_image_or_in_a_container_s_description(stack: Stack) -> None:
    token = stack.inside("app", "cat", "/run/launcher/token").stdout
    assert len(token) >= 32
    passwords = re.findall(r":([^:\n]+)\n", stack.inside("app", "cat", "/run/melancia/pgpass").stdout)
    described = "".join(json.dumps(stack.inspect(name)) for name in SERVICES)
    images = {stack.inspect(name)["Config"]["Image"] for name in SERVICES}
    history = "".join(
        subprocess.check_output(["docker", "history", "--no-trunc", image], text=True) for image in images
    )
    logs = stack.compose("logs", "--no-color")
    for secret in (token, *passwords):
        assert secret
        assert secret not in described + history + logs
    assert stack.inside("app", "ls", "-a", "/app").stdout.split() == [".", "..", "data", "melancia"]


def test_a_job_from_the_command_line_is_read_in_mlflow(stack: Stack) -> None:
    said = stack.compose("run", "--rm", "benchmark", "--mode", "quick", "--limit", "1")
    assert "RELATÓRIO DE BENCHMARK" in said
    assert "extractive" in said
    link = re.search(r"runs/([0-9a-f]{32})", said)
    assert link, said[-2000:]
    assert run_of(stack, link[1])["info"]["status"] == "FINISHED"


def test_chat_rate_start_a_job_and_read_it_all_in_mlflow(stack: Stack) -> None:
    stack.until(lambda: models(stack).get("llama3.2:3b") == "ready", "the model is pulled")
    with launched() as browser:
        page = browser.new_context(locale="pt-BR", viewport={"width": 1280, "height": 900}).new_page()
        page.goto(stack.url)
        page.wait_for_selector("#exemplos button")
        ask(page, "Como ganho a buy box no Mercado Livre?")
        page.get_by_title("Gostei", exact=True).click()
        expect(page.get_by_title("Gostei (marcado)", exact=True)).to_have_count(1)
        trace = stack.until(lambda: rated(stack, "true"), "the thumb reaches MLflow")
        assert trace["tags"]["exposed"] == "ollama:llama3.2:3b"
        page.get_by_title("Gostei (marcado)", exact=True).click()
        stack.until(lambda: not rated(stack, "true"), "the withdrawn thumb leaves MLflow")

        page.get_by_role("tab", name="Benchmarks").click()
        page.get_by_role("button", name="Iniciar benchmark").click()
        page.screenshot(path="artifacts/compose-benchmarks.png")
        page.get_by_role("tab", name="Tarefas").click()
        link = page.locator("#tarefas-terminadas a[href*='/runs/']").first
        expect(link).to_be_visible(timeout=180_000)
        run = re.search(r"runs/([0-9a-f]{32})", link.get_attribute("href") or "")
        assert run
        stack.until(lambda: run_of(stack, run[1])["info"]["status"] == "FINISHED", "the run is finished")
        kept = httpx.get(f"{stack.mlflow}/api/2.0/mlflow/artifacts/list", params={"run_id": run[1]})
        files = {Path(item["path"]).suffix for item in kept.raise_for_status().json()["files"]}
        assert {".json", ".csv"} <= files
        page.screenshot(path="artifacts/compose-tarefas-fim.png")


QUEUE = """
from melancia.jobs.queue import enqueue
from melancia.settings import load_settings
from melancia.store import Store
store = Store.open(load_settings().store_url)
print(enqueue(store, "drift", {}, "teste").id)
"""
STATE = """
import sys
from melancia.settings import load_settings
from melancia.store import Store
job = Store.open(load_settings().store_url).jobs.get("ID")
print(job.state.value, job.error, job.log_tail[-1500:])
"""


def test_what_the_worker_queues_the_launcher_runs_and_the_page_shows(stack: Stack) -> None:
    """As the worker does when the hour of a search has come."""
    queued = stack.python("worker", QUEUE)
    job = queued.stdout.strip().splitlines()[-1]
    assert re.fullmatch("[0-9a-f]{32}", job), queued.stderr

    def ended() -> str:
        said = stack.python("worker", STATE.replace("ID", job)).stdout
        return said if said.startswith(("succeeded", "failed", "cancelled")) else ""

    said = stack.until(ended, "the search ends", 300)
    assert said.startswith("succeeded"), said
    with launched() as browser:
        page = browser.new_page(locale="pt-BR")
        page.goto(stack.url)
        page.get_by_role("tab", name="Saúde").click()
        expect(page.locator("#saude-quadro")).to_contain_text("Poucos dados", timeout=60_000)
        page.screenshot(path="artifacts/compose-saude.png")


def test_the_metrics_are_for_who_has_the_token(stack: Stack) -> None:
    token = stack.inside("app", "cat", "/run/metrics/token").stdout.strip()
    assert len(token) >= 32
    told = httpx.get(f"{stack.url}/metrics", headers={"Authorization": f"Bearer {token}"}, timeout=30)
    assert told.status_code == 200
    found = dict(line.rsplit(" ", 1) for line in told.text.splitlines() if not line.startswith("#"))
    assert float(found["melancia_worker_up"]) == 1
    assert {value for name, value in found.items() if name.startswith("melancia_scrape_errors")} == {"0.0"}
    wrong = httpx.get(f"{stack.url}/metrics", headers={"Authorization": "Bearer errado", "Host": "app"})
    assert wrong.status_code in (401, 403)


def test_what_a_person_asked_is_erased_everywhere(stack: Stack) -> None:
    with chatting(stack) as page:
        ask(page, "O que é orçamento diário de campanha?")
        page.get_by_text("Opções e como funciona").click()
        code = page.locator("#meu-codigo code").first.inner_text().strip()
    stack.until(lambda: code in {trace["tags"].get("user") for trace in traces(stack)}, "the trace is there")
    done = stack.inside("app", "melancia", "privacy", "erase", code, "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    stack.until(
        lambda: code not in {trace["tags"].get("user") for trace in traces(stack)}, "the trace is gone", 300
    )
    again = stack.inside("app", "melancia", "privacy", "export", code)
    assert again.returncode == 1


@contextmanager
def chatting(stack: Stack) -> Iterator[Page]:
    """The page, opened by somebody new."""
    with launched() as browser:
        page = browser.new_page(locale="pt-BR")
        page.goto(stack.url)
        page.wait_for_selector("#exemplos button")
        yield page


def test_mlflow_away_costs_an_answer_nothing_and_loses_nothing(stack: Stack) -> None:
    before = len(traces(stack))
    stack.compose("kill", "mlflow")
    with chatting(stack) as page:
        ask(page, "O que é ACOS?")
    told = " ".join(stack.inside("worker", "melancia", "doctor").stdout.split())
    assert "1 interação esperando" in told or "1 interações esperando" in told, told
    assert "docker compose up -d mlflow" in told
    stack.compose("up", "--detach", "--wait", "--no-build", "mlflow")
    stack.until(lambda: len(traces(stack)) == before + 1, "the backlog drains by itself")


def test_chroma_away_leaves_the_words(stack: Stack) -> None:
    stack.compose("kill", "chroma")
    with chatting(stack) as page:
        ask(page, "O que é TACOS?")
    stack.compose("up", "--detach", "--wait", "--no-build", "chroma")


def test_ollama_away_falls_back_and_comes_back(stack: Stack) -> None:
    with chatting(stack) as page:
        ask(page, "O que é ROAS?")
        expect(page.locator("#chat .autoria").last).to_contain_text("ollama:llama3.2:3b")
        stack.compose("kill", "ollama")
        ask(page, "Como calculo o ACOS de equilíbrio?", 2)
        expect(page.locator("#chat .autoria").last).to_contain_text("extrativ", ignore_case=True)
        stack.compose("up", "--detach", "--wait", "--no-build", "ollama")
        # The stand-in forgets its models with its process: the worker brings them back.
        stack.until(lambda: models(stack).get("llama3.2:3b") == "ready", "the model is there again", 180)


def test_the_database_away_is_named_and_awaited(stack: Stack) -> None:
    stack.compose("kill", "postgres")
    ready = stack.until(
        lambda: (answer := httpx.get(f"{stack.url}/readyz")).status_code == 503 and answer, "not ready"
    )
    assert "docker compose up -d postgres" in ready.json()["store"]
    stack.compose("up", "--detach", "--wait", "--no-build", "postgres")
    stack.until(lambda: httpx.get(f"{stack.url}/readyz").status_code == 200, "ready again")


def test_a_conversation_outlives_the_restart_of_every_service(stack: Stack) -> None:
    with chatting(stack) as page:
        ask(page, "O que é CTR?")
        for number, service in enumerate(SERVICES, 2):
            stack.compose("restart", service)
            stack.compose("up", "--detach", "--wait", "--no-build", service)
            if service == "app":
                page.reload()
                expect(page.locator("#chat .autoria")).to_have_count(number - 1, timeout=60_000)
            ask(page, f"E o que mais, parte {number}?", number)
        assert page.locator("#chat [data-testid=user]").first.inner_text().strip() == "O que é CTR?"


def test_down_and_up_keep_everything(stack: Stack) -> None:
    asked = told = all_told(stack)
    assert asked > 0
    stack.compose("down")
    stack.compose("up", "--detach", "--wait", "--no-build", timeout=300)
    assert (count(stack), len(traces(stack))) == (asked, told)


def test_a_backup_brings_back_what_was_lost(stack: Stack, tmp_path: Path) -> None:
    asked = told = all_told(stack)
    said = stack.script("infra/backup/backup.sh", str(tmp_path))
    [archive] = tmp_path.glob("melancia-*.tar.gz")
    assert str(archive) in said
    assert archive.stat().st_mode & 0o077 == 0
    with chatting(stack) as page:
        ask(page, "Esta pergunta vem depois da cópia: o que é CPM?")
    assert count(stack) == asked + 1
    stack.script("infra/backup/restore.sh", str(archive), CONFIRM="sim")
    assert (count(stack), len(traces(stack))) == (asked, told)
    broken = tmp_path / "quebrada.tar.gz"
    broken.write_bytes(archive.read_bytes()[:1000])
    assert "nada foi mudado" in stack.script(
        "infra/backup/restore.sh", str(broken), check=False, CONFIRM="sim"
    )
    assert count(stack) == asked


def ask(page: Page, question: str, answers: int = 1) -> None:
    """Ask and wait until there are so many whole answers."""
    page.fill("#pergunta textarea", question)
    page.click("#pergunta .submit-button")
    expect(page.locator("#chat .autoria")).to_have_count(answers, timeout=60_000)
    expect(page.locator("#pergunta .submit-button")).to_be_visible(timeout=60_000)


def store(stack: Stack, expression: str) -> Any:
    """An expression over the stack's own store, evaluated in the application's container."""
    code = (
        "import json; from melancia.settings import load_settings; from melancia.store import Store; "
        f"store = Store.open(load_settings().store_url); print('>' + json.dumps({expression}))"
    )
    done = stack.python("app", code)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.split(">", 1)[1])


def models(stack: Stack) -> dict[str, str]:
    """The state of each model, by name."""
    found: dict[str, str] = store(stack, "{m.model: m.state.value for m in store.models.list()}")
    return found


def count(stack: Stack) -> int:
    """How many questions are recorded."""
    return int(store(stack, "store.counts()['interactions']"))


def run_of(stack: Stack, run: str) -> Any:
    """A run as MLflow tells it."""
    answer = httpx.get(f"{stack.mlflow}/api/2.0/mlflow/runs/get", params={"run_id": run}).raise_for_status()
    return answer.json()["run"]


def traces(stack: Stack, condition: str | None = None) -> list[dict[str, Any]]:
    """The traces of our experiment, as MLflow's API tells them."""
    named = httpx.get(
        f"{stack.mlflow}/api/2.0/mlflow/experiments/get-by-name",
        params={"experiment_name": "melancia-retail-media"},
    )
    if named.status_code != 200:
        return []
    place = {
        "type": "MLFLOW_EXPERIMENT",
        "mlflow_experiment": {"experiment_id": named.json()["experiment"]["experiment_id"]},
    }
    body = {"locations": [place], "max_results": 100} | ({"filter": condition} if condition else {})
    answer = httpx.post(f"{stack.mlflow}/api/3.0/mlflow/traces/search", json=body).raise_for_status()
    found: list[dict[str, Any]] = answer.json().get("traces", [])
    return found


def all_told(stack: Stack) -> int:
    """How many questions are recorded, once MLflow has a trace of each: what is on its way moves no count."""
    asked = count(stack)
    stack.until(lambda: len(traces(stack)) == asked, "every question is in MLflow")
    return asked


def rated(stack: Stack, thumb: str) -> dict[str, Any] | None:
    """A trace whose thumb is so."""
    return next(iter(traces(stack, f"feedback.thumbs = '{thumb}'")), None)
