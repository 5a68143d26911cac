"""A benchmark in a real MLflow: a parent run with the files, a child a model; and an MLflow that is away."""

import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from melancia.errors import TrackingError
from melancia.mlops import naming
from melancia.mlops.benchmark_runs import BenchmarkResult, ModelResult, record
from melancia.mlops.client import connect
from melancia.records import Job, Variant, utc_now
from melancia.settings import Settings, load_settings
from melancia.store import Store
from tests.cli.test_cli import melancia
from tests.mlflow_server import MlflowServer
from tests.ports import free_port

EXTRACTIVE = Variant("extractive", "extractive", temperature=0.0, context_window=None)
LOCAL = Variant("ollama", "llama3.1:8b")


@pytest.fixture
def settings(mlflow_server: MlflowServer, tmp_path: Path) -> Settings:
    """An experiment of this test's own."""
    return load_settings(
        _env_file=None,
        data_dir=tmp_path,
        mlflow_url=mlflow_server.url,
        mlflow_public_url="https://mlflow.exemplo.com/",
        mlflow_experiment=uuid4().hex,
    )


@pytest.fixture
def result(tmp_path: Path) -> BenchmarkResult:
    """A small benchmark."""
    files = [tmp_path / "benchmark_1.json", tmp_path / "benchmark_1.csv"]
    for file in files:
        file.write_text("conteúdo", "utf-8")
    now = utc_now()
    return BenchmarkResult(
        mode="quick",
        started_at=now - timedelta(seconds=30),
        ended_at=now,
        complete=True,
        models=[
            ModelResult(EXTRACTIVE, {name: 0.5 for name in naming.METRICS if name != naming.TOKENS_AVG}),
            ModelResult(LOCAL, {naming.SUCCESS_RATE: 0.0, naming.QUESTIONS: 3.0}),
        ],
        files=files,
        params={"questions": 3, "index_version": "v"},
    )


def runs(settings: Settings, filter_string: str) -> list[Any]:
    """The experiment's runs."""
    connection = connect(settings)
    return list(connection.client.search_runs([connection.experiment_id], filter_string))


def test_a_parent_run_holds_the_files_and_a_child_each_model(
    settings: Settings, result: BenchmarkResult
) -> None:
    recorded = record(settings, result)
    connection = connect(settings)
    parent = connection.client.get_run(recorded.run_id)
    assert parent.info.run_name == naming.benchmark_run("quick", result.started_at)
    assert parent.info.run_name.startswith("benchmark-quick-")
    assert (parent.info.status, parent.data.params["questions"]) == ("FINISHED", "3")
    assert parent.info.end_time - parent.info.start_time == pytest.approx(30_000, abs=2)
    artifacts = {item.path for item in connection.client.list_artifacts(recorded.run_id)}
    assert artifacts == {"benchmark_1.json", "benchmark_1.csv"}
    kept = connection.client.download_artifacts(recorded.run_id, "benchmark_1.json")
    assert Path(kept).read_text("utf-8") == "conteúdo"
    page = f"https://mlflow.exemplo.com/#/experiments/{connection.experiment_id}/runs/{recorded.run_id}"
    assert recorded.url == page

    children = runs(settings, f"tags.`{naming.PARENT_TAG}` = '{recorded.run_id}'")
    by_name = {child.info.run_name: child for child in children}
    assert set(by_name) == {"extractive:extractive", "ollama:llama3.1:8b"}
    params = by_name["ollama:llama3.1:8b"].data.params
    assert params == {
        "provider": "ollama",
        "model": "llama3.1:8b",
        "temperature": "0.3",
        "max_tokens": "800",
        "context_window": "8192",
        "k": "5",
        "prompt_version": "v1",
        "variant_hash": LOCAL.hash,
    }
    assert by_name["ollama:llama3.1:8b"].data.metrics == {"success_rate": 0.0, "questions": 3.0}
    extractive = by_name["extractive:extractive"]
    assert set(extractive.data.metrics) == set(naming.METRICS) - {naming.TOKENS_AVG}
    assert "context_window" not in extractive.data.params
    (found,) = runs(settings, "params.model = 'llama3.1:8b' and metrics.success_rate < 1")
    assert found.info.run_id == by_name["ollama:llama3.1:8b"].info.run_id


def test_a_benchmark_that_was_stopped_is_marked(settings: Settings, result: BenchmarkResult) -> None:
    recorded = record(settings, replace(result, complete=False))
    parent = connect(settings).client.get_run(recorded.run_id)
    assert parent.info.status == "KILLED"
    assert parent.data.tags[naming.COMPLETE_TAG] == "false"


def test_a_server_that_is_away_is_said_within_seconds(settings: Settings, result: BenchmarkResult) -> None:
    away = settings.model_copy(update={"mlflow_url": f"http://127.0.0.1:{free_port()}"})
    begun = time.monotonic()
    with pytest.raises(TrackingError, match="não responde") as caught:
        record(away, result)
    assert "MLFLOW_TRACKING_URI" in caught.value.remedy
    assert time.monotonic() - begun < 15


def test_what_breaks_off_is_marked_as_failed(
    settings: Settings, result: BenchmarkResult, tmp_path: Path
) -> None:
    with pytest.raises(TrackingError, match="não aceitou"):
        record(settings, replace(result, files=[tmp_path / "sumiu.csv"]))
    (parent,) = runs(settings, f"tags.`{naming.KIND_TAG}` = '{naming.BENCHMARK}'")
    assert parent.info.status == "FAILED"


def test_the_command_run_as_a_job_leaves_the_run_in_its_row(settings: Settings, tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "a.md").write_text("# O que é Retail Media\n\nRetail Media é publicidade no varejo.\n", "utf-8")
    store = Store.open(settings.store_url)
    job = Job("benchmark", {"limit": 1}, "ana")
    store.jobs.add(job)
    store.jobs.claim(job.id)
    done = melancia(
        "benchmark",
        "--limit",
        "1",
        data=tmp_path,
        MELANCIA_KNOWLEDGE_DIR=str(docs),
        OLLAMA_BASE_URL="http://127.0.0.1:9",
        MELANCIA_JOB_ID=job.id,
        MLFLOW_TRACKING_URI=settings.mlflow_url or "",
        MELANCIA_MLFLOW_EXPERIMENT=settings.mlflow_experiment,
        MELANCIA_MLFLOW_PUBLIC_URL=settings.mlflow_public_url,
    )
    assert done.returncode == 0, done.stderr
    row = store.jobs.get(job.id)
    store.close()
    assert row.run_id is not None
    assert row.result is not None
    assert row.result["link"].endswith(f"/runs/{row.run_id}")
    assert f"🔬 MLflow: {row.result['link']}" in done.stdout
    connection = connect(settings)
    parent = connection.client.get_run(row.run_id)
    assert parent.data.tags[naming.JOB_TAG] == job.id
    assert {item.path for item in connection.client.list_artifacts(row.run_id)} == set(row.result["files"])
    (child,) = runs(settings, f"tags.`{naming.PARENT_TAG}` = '{row.run_id}'")
    assert child.data.metrics["success_rate"] == 1.0
    assert child.data.metrics["latency_avg"] > 0
    assert set(child.data.metrics) <= set(naming.METRICS)
