"""The launcher's door without an engine: who gets in, and what is refused before anything starts."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from starlette.testclient import TestClient

from melancia.errors import EngineUnavailableError, InputError, SettingsError, StoreError
from melancia.jobs.catalog import parameters
from melancia.jobs.dispatcher import Dispatcher
from melancia.jobs.environment import NEEDED
from melancia.launcher.api import create_app
from melancia.launcher.containers import Containers
from melancia.launcher.gate import MAX_BODY_BYTES
from melancia.records import JobState
from melancia.settings import LauncherSettings, Settings, load_launcher_settings
from melancia.store import Store
from tests.images import run_in_image
from tests.jobs.helpers import TOKEN

REPOSITORY = Path(__file__).parents[2]
GOOD = {"name": "benchmark", "parameters": {"mode": "quick"}, "requested_by": "ana"}
NO_ENGINE = load_launcher_settings(_env_file=None, docker_url="unix:///nenhum/docker.sock")
# Settings that no job needs. A new setting goes here or into NEEDED; neither is a default.
NOT_FOR_JOBS = {
    "launcher_url",
    "launcher_token_file",
    "job_id",
    "host",
    "port",
    "auth",
    "admins",
    "secret_key",
    "allowed_origins",
    "secure_cookie",
    "blind",
    "concurrency",
    "queue_size",
    "questions_per_minute",
    "max_question_chars",
    "worker_heartbeat_file",
    "pull_models",
    "variant_a",
    "variant_b",
    "weights",
    "cache",
    "rating_prompt",
    "drift_schedule",
    "rules_file",
    "alert_webhook",
    "retention_days",
    "metrics_token_file",
    "otlp_endpoint",
}


@pytest.fixture
def client(settings: Settings, store: Store) -> Iterator[TestClient]:
    """A client with the token. The loop does not run: a job that is queued stays so."""
    containers = Containers(settings, NO_ENGINE)
    app = create_app(settings, store, Dispatcher(store.jobs, containers), containers.ping)
    client = TestClient(app, headers={"Authorization": f"Bearer {TOKEN}"}, raise_server_exceptions=False)
    yield client
    client.close()


def refused(answer: Any, status: int) -> str:
    """The detail of a refusal."""
    assert answer.status_code == status, answer.text
    said = answer.json()
    assert set(said) == {"detail", "remedy"}
    return str(said["detail"])


def test_a_job_is_queued_listed_and_cancelled(client: TestClient, store: Store) -> None:
    made = client.post("/jobs", json=GOOD)
    assert made.status_code == 201
    job = made.json()
    assert (job["name"], job["state"], job["parameters"]) == ("benchmark", "queued", {"mode": "quick"})
    store.jobs.set_log(job["id"], "muito texto")
    assert client.get(f"/jobs/{job['id']}").json()["log_tail"] == "muito texto"
    other = client.post("/jobs", json={"name": "ingest", "requested_by": "bia"}).json()
    listed = client.get("/jobs", params={"limit": 1}).json()
    assert [item["id"] for item in listed] == [other["id"]]
    assert {item["log_tail"] for item in client.get("/jobs").json()} == {""}
    assert client.post(f"/jobs/{job['id']}/cancel").json()["state"] == "cancelled"
    assert store.jobs.get(job["id"]).state is JobState.CANCELLED


@pytest.mark.parametrize(
    "path", ["/jobs/" + "0" * 32, "/jobs/nenhum", "/jobs/..%2fjobs", "/jobs/%00", "/outro"]
)
def test_what_does_not_exist_is_not_found(client: TestClient, path: str) -> None:
    assert "não existe" in refused(client.get(path), 404)


@pytest.mark.parametrize(
    "extra",
    [
        {"image": "alpine"},
        {"command": ["sh", "-c", "id"]},
        {"mounts": ["/:/host"]},
        {"volumes": {"/": {"bind": "/host"}}},
        {"environment": {"LD_PRELOAD": "x"}},
        {"network": "host"},
        {"privileged": True},
        {"id": "0" * 32},
        {"handle": "x"},
    ],
)
def test_nothing_but_name_and_parameters_is_accepted(
    client: TestClient, store: Store, extra: dict[str, Any]
) -> None:
    (field,) = extra
    assert refused(client.post("/jobs", json=GOOD | extra), 422) == f"O campo “{field}” não é aceito."
    assert refused(client.post("/jobs", json=GOOD | {"parameters": extra}), 400)
    assert store.jobs.list() == []


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"name": "shell"}, 400),
        ({"name": "../benchmark"}, 400),
        ({"name": "finetune"}, 400),
        ({"name": "benchmark; id"}, 400),
        ({"name": ["benchmark"]}, 422),
        ({"name": ""}, 422),
        ({"parameters": {"mode": "quick; rm -rf /"}}, 400),
        ({"parameters": {"mode": ["quick"]}}, 400),
        ({"parameters": {"limit": "7"}}, 400),
        ({"parameters": {"limit": True}}, 400),
        ({"parameters": {"limit": 10**30}}, 400),
        ({"parameters": {"--help": ""}}, 400),
        ({"parameters": "mode=quick"}, 422),
        ({"requested_by": "ana\x00"}, 422),
        ({"requested_by": "ana\nroot"}, 422),
        ({"requested_by": "a" * 201}, 422),
        ({"requested_by": None}, 422),
    ],
)
def test_what_is_not_allowed_is_refused(
    client: TestClient, store: Store, change: dict[str, Any], status: int
) -> None:
    assert refused(client.post("/jobs", json=GOOD | change), status)
    assert store.jobs.list() == []


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[" * 9000, b'{"name": "\\ud800"}', b"\xff\xfe", b"null", b"[]"]
)
def test_a_body_that_is_none_is_refused(client: TestClient, store: Store, body: bytes) -> None:
    answer = client.post("/jobs", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 422)
    assert set(answer.json()) == {"detail", "remedy"}
    assert store.jobs.list() == []


def test_a_long_body_is_refused_whatever_it_announces(client: TestClient, store: Store) -> None:
    long = b'{"name": "' + b"x" * MAX_BODY_BYTES + b'"}'
    assert "16 KB" in refused(client.post("/jobs", content=long), 413)

    pieces = (b"x" * 1024 for _ in range(17))  # chunked: no length is announced
    assert "16 KB" in refused(client.post("/jobs", content=pieces), 413)
    assert store.jobs.list() == []


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        f"Bearer {TOKEN}x",
        f"Bearer {TOKEN[:-1]}",
        f"Basic {TOKEN}",
        TOKEN,
        f"Bearer  {TOKEN}",
        "Bearer é",
    ],
)
def test_without_the_token_nothing_is_answered(client: TestClient, store: Store, header: str | None) -> None:
    headers = {"Authorization": header.encode("utf-8")} if header is not None else {}
    bare = TestClient(client.app)
    job = client.post("/jobs", json=GOOD).json()
    for method, path in (
        ("POST", "/jobs"),
        ("GET", "/jobs"),
        ("GET", f"/jobs/{job['id']}"),
        ("POST", f"/jobs/{job['id']}/cancel"),
        ("POST", "/healthz"),
        ("GET", "/healthz/"),
        ("GET", "/docs"),
        ("GET", "/openapi.json"),
        ("GET", "/outro"),
    ):
        answer = bare.request(method, path, json=GOOD if method == "POST" else None, headers=headers)  # type: ignore[arg-type]
        assert "segredo" in refused(answer, 401), (method, path)
        assert answer.headers["www-authenticate"] == "Bearer"
    assert [(found.id, found.state) for found in store.jobs.list()] == [(job["id"], JobState.QUEUED)]


def test_the_door_describes_itself_to_nobody(client: TestClient) -> None:
    for path in ("/docs", "/redoc", "/openapi.json"):
        refused(client.get(path), 404)


def test_an_old_token_is_worth_nothing_once_the_file_changed(
    client: TestClient, settings: Settings, store: Store
) -> None:
    assert settings.launcher_token_file is not None
    assert client.post("/jobs", json=GOOD).status_code == 201
    settings.launcher_token_file.write_text("novo-" + TOKEN)
    refused(client.post("/jobs", json=GOOD), 401)
    settings.launcher_token_file.write_text("curto")
    refused(client.post("/jobs", json=GOOD), 503)  # also not with "curto"
    refused(client.post("/jobs", json=GOOD, headers={"Authorization": "Bearer curto"}), 503)
    settings.launcher_token_file.unlink()
    refused(client.post("/jobs", json=GOOD), 503)
    assert len(store.jobs.list()) == 1


@pytest.mark.parametrize("content", [None, "", "   \n", "x" * 31, "x" * 20 + " " + "x" * 20, "é" * 40])
def test_it_refuses_to_start_without_a_good_token(
    settings: Settings, store: Store, tmp_path: Path, content: str | None
) -> None:
    file = tmp_path / "outro-token"
    if content is not None:
        file.write_text(content)
    containers = Containers(settings, NO_ENGINE)
    for chosen in (file, None):
        changed = settings.model_copy(update={"launcher_token_file": chosen})
        with pytest.raises(SettingsError, match="segredo"):
            create_app(changed, store, Dispatcher(store.jobs, containers), containers.ping)


def test_the_health_check_needs_no_token_and_names_what_is_down(settings: Settings, store: Store) -> None:
    containers = Containers(settings, NO_ENGINE)
    app = create_app(settings, store, Dispatcher(store.jobs, containers), containers.ping)
    with TestClient(app) as client:
        answer = client.get("/healthz")
        assert answer.status_code == 503
        assert answer.json()["down"] == ["docker"]
        assert answer.json()["store"] == "pronto"
        with patch.object(store, "ping", side_effect=StoreError("O banco não está respondendo.", "")):
            assert client.get("/healthz").json()["down"] == ["docker", "store"]
    stopped = TestClient(create_app(settings, store, Dispatcher(store.jobs, containers), lambda: None))
    assert stopped.get("/healthz").json()["down"] == ["loop"]


def test_a_store_that_fails_is_named(client: TestClient, store: Store) -> None:
    with patch.object(store.jobs, "add", side_effect=StoreError("O banco está ocupado.", "Tente de novo.")):
        assert refused(client.post("/jobs", json=GOOD), 503) == "O banco está ocupado."
    with patch.object(store.jobs, "list", side_effect=EngineUnavailableError("fora", "")):
        refused(client.get("/jobs"), 503)
    with patch.object(store.jobs, "list", side_effect=RuntimeError("segredo interno")):
        assert refused(client.get("/jobs"), 500) == "O launcher falhou."


def test_each_setting_is_for_jobs_or_not() -> None:
    assert set(Settings.model_fields) - NOT_FOR_JOBS == NEEDED


@pytest.mark.parametrize(
    "change",
    [
        {"networks": "host"},
        {"networks": "container:outro"},
        {"networks": "melancia_a,"},
        {"data_volume": "/"},
        {"data_volume": "/var/run"},
        {"secrets_volume": "../x"},
        {"memory": "0m"},
        {"memory": "muito"},
        {"cpus": 0},
    ],
)
def test_settings_that_would_open_the_host_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match="MELANCIA_LAUNCHER_"):
        load_launcher_settings(_env_file=None, **change)


def test_the_example_is_the_launchers_defaults() -> None:
    example = LauncherSettings(_env_file=REPOSITORY / ".env.example")
    assert example == LauncherSettings(_env_file=None)


def test_it_imports_nothing_that_its_image_lacks() -> None:
    code = "import sys, melancia.launcher.__main__; sys.stdout.write(' '.join(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=REPOSITORY
    )
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    heavy = {
        "langchain",
        "langchain_core",
        "gradio",
        "chromadb",
        "numpy",
        "pandas",
        "mlflow",
        "httpx",
        "psutil",
    }
    assert not loaded & heavy
    assert "docker" in loaded


ENTRANCE = """
from melancia.launcher.__main__ import main
sys.stdout.write(f"{len(missing)} {main.__name__}")
"""


def test_its_image_has_all_that_it_needs() -> None:
    done = run_in_image("launcher", ENTRANCE)
    assert done.returncode == 0, done.stderr
    missing, imported = done.stdout.split()
    assert int(missing) > 50
    assert imported == "main"


def test_every_parameter_of_a_benchmark_becomes_an_argument_and_none_an_option() -> None:
    given = {
        "mode": "full",
        "models": ["ollama:llama3.2:3b", "openai:gpt-4o-mini"],
        "categories": ["definition", "how-to"],
        "limit": 5,
        "repeats": 2,
        "seed": 9,
        "concurrency": 8,
        "budget": 0.5,
        "pipeline": True,
        "batch": False,
        "judge": "openai:gpt-4o",
    }
    assert parameters("benchmark", given).arguments() == (
        "benchmark --mode full --models ollama:llama3.2:3b,openai:gpt-4o-mini --categories definition,how-to "
        "--limit 5 --repeats 2 --seed 9 --concurrency 8 --budget 0.5 --judge openai:gpt-4o "
        "--pipeline"
    ).split(" ")
    resumed = {"mode": "full", "resume": "benchmark_20261130_060807", "budget": 0.5}
    assert parameters("benchmark", resumed).arguments() == (
        "benchmark --budget 0.5 --resume benchmark_20261130_060807".split(" ")
    )
    assert parameters("benchmark", {}).arguments() == ["benchmark", "--mode", "quick"]


@pytest.mark.parametrize(
    "bad",
    [
        {"models": ["--help"]},
        {"models": ["ollama:a,b"]},
        {"models": ["ollama:a b"]},
        {"models": "ollama:a"},
        {"categories": ["--x"]},
        {"judge": "-x"},
        {"resume": "../../etc"},
        {"budget": -1.0},
        {"budget": "1"},
        {"pipeline": "sim"},
        {"questions": "/etc/passwd"},
    ],
)
def test_what_could_be_something_else_than_a_value_is_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="parâmetro"):
        parameters("benchmark", bad)
