"""/metrics: by token for Prometheus, by login for admins, for nobody else; and it tells what is."""

import asyncio
import base64
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from melancia.api import create_app
from melancia.api.gauges import exposition
from melancia.app import Runtime
from melancia.errors import ProviderTimeoutError, SettingsError
from melancia.records import (
    Action,
    ActionState,
    DriftReport,
    Finding,
    Job,
    ModelState,
    ModelStatus,
    ReportStatus,
    utc_now,
)
from melancia.store.lock import WorkerLock
from tests.api.conftest import open_runtime

TOKEN = "um-segredo-de-teste-com-mais-de-32-letras"


@contextmanager
def page(folder: Path, **overrides: object) -> Iterator[tuple[TestClient, Runtime]]:
    """A page with a token, and its runtime."""
    file = folder / "token"
    file.write_text(f"{TOKEN}\n")
    runtime = open_runtime(folder, **{"metrics_token_file": file, **overrides})
    try:
        with TestClient(create_app(runtime), base_url="http://localhost:7860") as client:
            yield client, runtime
    finally:
        runtime.close()


def bearer(token: str, **more: str) -> dict[str, str]:
    """Prometheus's headers, as inside the stack."""
    return {"authorization": f"Bearer {token}", "host": "app:7860", **more}


def basic(name: str, password: str) -> dict[str, str]:
    """A team member's header."""
    return {"authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}


def samples(text: str) -> dict[str, float]:
    """By name and labels."""
    return {
        sample.name + "".join(f"|{key}={value}" for key, value in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_the_token_opens_metrics_and_nothing_else(tmp_path: Path) -> None:
    with page(tmp_path, auth="ana:senha", admins="ana") as (client, _):
        assert client.get("/metrics", headers=bearer(TOKEN)).status_code == 200
        assert client.get("/metrics", headers=bearer(TOKEN + "x")).status_code == 403
        assert client.get("/metrics", headers=[(b"authorization", b"Bearer a\xe7\xe3o")]).status_code == 403
        assert client.get("/metrics", headers={"host": "app:7860"}).status_code == 421
        assert client.post("/metrics", headers=bearer(TOKEN)).status_code == 421
        assert client.get("/", headers=bearer(TOKEN)).status_code == 421
        assert client.get("/", headers=bearer(TOKEN, host="localhost:7860")).status_code == 401
        assert client.get("/metrics").status_code == 401


def test_an_admin_may_read_and_another_member_may_not(tmp_path: Path) -> None:
    with page(tmp_path, auth="ana:senha,bia:outra", admins="ana") as (client, _):
        assert client.get("/metrics", headers=basic("ana", "senha")).status_code == 200
        assert client.get("/metrics", headers=basic("bia", "outra")).status_code == 403
        assert client.get("/metrics", headers=basic("ana", "outra")).status_code == 401


def test_without_a_team_only_a_browser_of_this_machine_is_an_admin(tmp_path: Path) -> None:
    with page(tmp_path) as (client, _):
        refused = client.get("/metrics")
        assert refused.status_code == 403
        assert "MELANCIA_METRICS_TOKEN_FILE" in refused.json()["detail"]
        client.get("/")
        assert client.get("/metrics").status_code == 200


def test_without_a_token_file_no_token_is_right(tmp_path: Path) -> None:
    with page(tmp_path, metrics_token_file=None) as (client, _):
        for given in (TOKEN, ""):
            assert client.get("/metrics", headers=bearer(given)).status_code == 403


def test_a_changed_token_counts_at_once_and_a_lost_one_shuts_the_door(tmp_path: Path) -> None:
    with page(tmp_path) as (client, _):
        (tmp_path / "token").write_text(TOKEN[::-1])
        assert client.get("/metrics", headers=bearer(TOKEN)).status_code == 403
        assert client.get("/metrics", headers=bearer(TOKEN[::-1])).status_code == 200
        (tmp_path / "token").write_text("")
        assert client.get("/metrics", headers=bearer("")).status_code == 403


@pytest.mark.parametrize("content", [None, b"", b"curto", "ã".encode() * 40])
def test_a_file_without_a_token_is_said_at_the_start(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "token"
    if content is not None:
        file.write_bytes(content)
    runtime = open_runtime(tmp_path, metrics_token_file=file)
    with pytest.raises(SettingsError, match="metrics"):
        create_app(runtime)
    runtime.close()


def test_it_tells_what_happened_and_what_is(tmp_path: Path) -> None:
    with page(tmp_path, mlflow_url="http://127.0.0.1:9") as (client, runtime):
        asyncio.run(ask(runtime, "Como ganho a buy box?"))
        asyncio.run(ask(runtime, "Quanto custa uma passagem para Marte?"))
        store = runtime.store
        store.jobs.add(Job("ingest", {}, "ana"))
        store.models.put(ModelStatus("llama3.2:3b", ModelState.PULLING))
        report = DriftReport(
            ReportStatus.DRIFT,
            (utc_now(), utc_now()),
            None,
            "28d",
            {"current": 1},
            {},
            findings=(Finding("question_length", True, "mudou"), Finding("latency", False, "igual")),
        )
        store.reports.keep(report)
        store.reports.plan(Action("k1", report.id, "r", "alert", "aviso"))
        store.reports.plan(Action("k2", report.id, "r", "alert", "visto", state=ActionState.DISMISSED))
        for _ in range(5):
            runtime.breaker.ended("openai", provider_error())
        lock = WorkerLock(runtime.settings.store_url)
        assert lock.try_acquire()
        answer = client.get("/metrics", headers=bearer(TOKEN))
        lock.release()
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert answer.headers["cache-control"] == "no-store"
    told = samples(answer.text)
    refused = "|".join(
        (
            "melancia_answers_total",
            "answered=nenhum",
            "assigned=extractive",
            "fell_back=false",
            "finish_reason=stop",
            "origin=direct",
            "refused=true",
        )
    )
    assert told[refused] == 1
    assert told["melancia_answer_duration_seconds_count|model=extractive|provider=extractive"] == 1
    assert told["melancia_answers_running"] == 0
    assert told["melancia_answers_waiting"] == 0
    assert told["melancia_jobs|state=queued"] == 1
    assert told["melancia_jobs|state=failed"] == 0
    assert told["melancia_model_state|model=llama3.2:3b|state=pulling"] == 1
    assert told["melancia_model_state|model=llama3.2:3b|state=ready"] == 0
    assert told["melancia_breaker_open|provider=openai"] == 1
    assert told["melancia_breaker_open|provider=ollama"] == 0
    assert told["melancia_outbox_backlog"] == 2
    assert told["melancia_index_documents"] == 1
    assert told["melancia_worker_up"] == 1
    assert told["melancia_drift_report_status|status=drift"] == 1
    assert told["melancia_drift_report_status|status=stable"] == 0
    assert told["melancia_drift_findings"] == 1
    assert told["melancia_drift_report_timestamp_seconds"] == pytest.approx(report.created_at.timestamp())
    assert told["melancia_actions|kind=alert|state=planned"] == 1
    assert "melancia_actions|kind=alert|state=dismissed" not in told
    assert not any(value for name, value in told.items() if name.startswith("melancia_scrape_errors"))
    assert "Marte" not in answer.text


def test_openmetrics_is_spoken_to_who_asks_for_it(tmp_path: Path) -> None:
    with page(tmp_path) as (client, _):
        asked = bearer(TOKEN, accept="application/openmetrics-text;version=1.0.0")
        answer = client.get("/metrics", headers=asked)
        assert answer.headers["content-type"].startswith("application/openmetrics-text")
        assert answer.text.endswith("# EOF\n")


def test_a_database_that_is_gone_blinds_its_gauges_only(tmp_path: Path) -> None:
    with page(tmp_path) as (client, runtime):
        asyncio.run(ask(runtime, "Como ganho a buy box?"))
        runtime.store._engine.dispose()
        for file in tmp_path.glob("melancia.db*"):
            file.unlink()
        (tmp_path / "melancia.db").write_bytes(b"not a database" * 1000)
        told = samples(client.get("/metrics", headers=bearer(TOKEN)).text)
    for source in ("jobs", "models", "drift", "actions"):
        assert told[f"melancia_scrape_errors|source={source}"] == 1
    assert "melancia_jobs|state=queued" not in told
    assert told["melancia_scrape_errors|source=index"] == 0
    assert told["melancia_index_documents"] == 1
    assert told["melancia_answer_duration_seconds_count|model=extractive|provider=extractive"] == 1


def test_no_two_metrics_have_one_name(runtime: Runtime) -> None:
    names = [family.name for family in exposition(runtime, lambda: 0).collect()]
    assert len(names) == len(set(names))


async def ask(runtime: Runtime, question: str) -> None:
    """Ask to the end."""
    async for _ in runtime.assistant.ask(question, user="ana", conversation="c", reuse=False):
        pass


def provider_error() -> ProviderTimeoutError:
    """A failure that its provider is blamed for."""
    return ProviderTimeoutError("openai", "gpt-4o-mini", "demorou")
