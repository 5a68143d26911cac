"""A benchmark in a real MLflow: a parent run with the files, a child a model; and an MLflow that is away."""

import json
import math
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from melancia.errors import TrackingError
from melancia.mlops import naming
from melancia.mlops.benchmark_runs import BenchmarkResult, ModelResult, QuestionSet, record
from melancia.mlops.client import connect
from melancia.records import Job, Variant, utc_now
from melancia.settings import Settings, load_settings
from melancia.store import Store
from tests.cli.test_cli import melancia
from tests.mlflow_server import MlflowServer
from tests.ports import free_port

EXTRACTIVE = Variant("extractive", "extractive", temperature=0.0, context_window=None)
LOCAL = Variant("ollama", "llama3.1:8b")
FIGURES = {"quality_avg": 0.5, "quality_avg_low": 0.4, "quality_avg_high": 0.6, "latency_avg": 0.5}


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
    picture = tmp_path / "qualidade_custo.png"
    picture.write_bytes(b"png")
    now = utc_now()
    return BenchmarkResult(
        benchmark_id=uuid4().hex,
        mode="quick",
        started_at=now - timedelta(seconds=30),
        ended_at=now,
        complete=True,
        models=[
            ModelResult(EXTRACTIVE, FIGURES, [{"question": "O que é ACOS?", "quality_score": None}]),
            ModelResult(LOCAL, {"success_rate": 0.0, "questions": 3.0}),
        ],
        files=files,
        params={"questions": 3, "index_version": "v"},
        pictures=[picture],
        questions=QuestionSet("quick", "0123456789abcdef"),
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
    assert artifacts == {"benchmark_1.json", "benchmark_1.csv", "graficos"}
    pictures = connection.client.list_artifacts(recorded.run_id, "graficos")
    assert [item.path for item in pictures] == ["graficos/qualidade_custo.png"]
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
    assert extractive.data.metrics == FIGURES
    assert "context_window" not in extractive.data.params
    (found,) = runs(settings, "params.model = 'llama3.1:8b' and metrics.success_rate < 1")
    assert found.info.run_id == by_name["ollama:llama3.1:8b"].info.run_id


def test_a_model_s_answers_are_a_table_of_its_run(settings: Settings, result: BenchmarkResult) -> None:
    """As the page of MLflow, and ``load_table``, read them; recorded twice, they are there once."""
    record(settings, result)
    record(settings, result)
    connection = connect(settings)
    table = connection.client.load_table(connection.experiment_id, naming.ANSWERS)
    assert table["question"].tolist() == ["O que é ACOS?"]
    assert table["quality_score"].isna().all()


def test_metrics_that_are_no_numbers_are_left_out_and_many_are_all_kept(
    settings: Settings, result: BenchmarkResult
) -> None:
    many = {f"figure_{number}": float(number) for number in range(1500)}
    model = ModelResult(LOCAL, {**many, "nothing": math.nan, "endless": math.inf})
    record(settings, replace(result, models=[model]))
    (child,) = runs(settings, f"tags.`{naming.KIND_TAG}` = '{naming.BENCHMARK_MODEL}'")
    assert child.data.metrics == many


def test_many_parameters_are_kept_and_a_long_one_whole_in_a_file(
    settings: Settings, result: BenchmarkResult
) -> None:
    text = "pergunta " * 1000
    many = {f"option_{number}": number for number in range(150)}
    recorded = record(settings, replace(result, params={**many, "filter": text, "judge": None}))
    client = connect(settings).client
    params = client.get_run(recorded.run_id).data.params
    assert {name: params[name] for name in many} == {name: str(value) for name, value in many.items()}
    assert set(params) == {*many, "filter", "mode"}
    assert len(params["filter"]) == 6000
    assert params["filter"].endswith("…")
    kept = Path(client.download_artifacts(recorded.run_id, naming.LONG_PARAMS)).read_text("utf-8")
    assert json.loads(kept) == {"filter": text}


def test_a_benchmark_that_was_resumed_completes_its_runs(
    settings: Settings, result: BenchmarkResult, tmp_path: Path
) -> None:
    """No second parent, no second child of a model; what is new replaces what was there."""
    (tmp_path / "benchmark_1.json").write_text("metade", "utf-8")
    half = replace(result, complete=False, models=[ModelResult(LOCAL, {"questions": 1.0})])
    first = record(settings, half)
    (tmp_path / "benchmark_1.json").write_text("tudo", "utf-8")
    second = record(settings, result)
    assert second == first
    (parent,) = runs(settings, f"tags.`{naming.KIND_TAG}` = '{naming.BENCHMARK}'")
    assert (parent.info.status, parent.data.tags[naming.COMPLETE_TAG]) == ("FINISHED", "true")
    assert parent.info.end_time == int(result.ended_at.timestamp() * 1000)
    kept = connect(settings).client.download_artifacts(first.run_id, "benchmark_1.json")
    assert Path(kept).read_text("utf-8") == "tudo"
    children = runs(settings, f"tags.`{naming.PARENT_TAG}` = '{first.run_id}'")
    assert {child.info.status for child in children} == {"FINISHED"}
    metrics = {child.info.run_name: child.data.metrics for child in children}
    assert len(children) == 2
    assert metrics == {EXTRACTIVE.label: FIGURES, LOCAL.label: {"success_rate": 0.0, "questions": 3.0}}


def test_another_machine_s_benchmark_of_the_same_second_is_another_one(
    settings: Settings, result: BenchmarkResult
) -> None:
    """Both are named by the second in which they began."""
    first = record(settings, result)
    second = record(settings, replace(result, started_at=result.started_at + timedelta(milliseconds=3)))
    assert first.run_id != second.run_id
    assert len(runs(settings, f"tags.`{naming.KIND_TAG}` = '{naming.BENCHMARK_MODEL}'")) == 4


def test_a_figure_that_is_known_no_more_leaves_no_trace(settings: Settings, result: BenchmarkResult) -> None:
    priced = ModelResult(LOCAL, {"cost_total": 0.1, "questions": 3.0})
    recorded = record(settings, replace(result, models=[priced, result.models[0]]))
    record(settings, replace(result, models=[ModelResult(LOCAL, {"questions": 4.0})]))
    (child,) = runs(settings, f"tags.`{naming.PARENT_TAG}` = '{recorded.run_id}'")
    assert child.data.metrics == {"questions": 4.0}


def test_two_benchmarks_share_a_model_which_can_be_compared(
    settings: Settings, result: BenchmarkResult
) -> None:
    """What the page of MLflow asks for: the experiment's models, by a metric, of the same questions."""
    better = ModelResult(LOCAL, {"quality_avg": 0.9})
    first = record(settings, replace(result, models=[result.models[0], better]))
    worse = ModelResult(LOCAL, {"quality_avg": 0.3})
    others = QuestionSet("outras", "f" * 16)
    again = replace(result, benchmark_id=uuid4().hex, models=[worse], questions=others)
    second = record(settings, again)
    assert record(settings, again) == second
    connection = connect(settings)
    search = connection.client.search_logged_models

    def ranked(**dataset: str) -> list[str]:
        by = {"field_name": "metrics.quality_avg", "ascending": False, **dataset}
        return [model.name for model in search([connection.experiment_id], order_by=[by])]

    extractive, local = naming.logged_model(EXTRACTIVE), naming.logged_model(LOCAL)
    assert local.startswith("ollama-llama3_1-8b-")
    assert ranked(dataset_name="quick") == [local, extractive]
    assert ranked() == [extractive, local]  # the newest value of each
    (found,) = search([connection.experiment_id], filter_string="metrics.quality_avg > 0.8")
    assert found.params["model"] == "llama3.1:8b"
    assert found.params["variant_hash"] == LOCAL.hash
    assert [metric.value for metric in found.metrics if metric.dataset_name == "outras"] == [0.3] * 2
    for recorded in (first, second):
        children = runs(settings, f"tags.`{naming.PARENT_TAG}` = '{recorded.run_id}'")
        (child,) = [child for child in children if child.info.run_name == LOCAL.label]
        inputs = connection.client.get_run(child.info.run_id).inputs
        assert [item.model_id for item in inputs.model_inputs] == [found.model_id]
        assert len(inputs.dataset_inputs) == 1
    # The registry takes it: what promotes a variant needs no more.
    connection.client.create_registered_model(name := uuid4().hex)
    version = connection.client.create_model_version(
        name, f"models:/{found.model_id}", model_id=found.model_id
    )
    assert version.status == "READY"


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
    (tmp_path / "sumiu.csv").write_text("de volta", "utf-8")
    recorded = record(settings, replace(result, files=[tmp_path / "sumiu.csv"]))
    (parent,) = runs(settings, f"tags.`{naming.KIND_TAG}` = '{naming.BENCHMARK}'")
    assert (parent.info.run_id, parent.info.status) == (recorded.run_id, "FINISHED")


def test_what_a_server_that_died_left_running_is_marked_by_the_next_recording(
    settings: Settings, result: BenchmarkResult
) -> None:
    connection = connect(settings)
    now = int(time.time() * 1000)
    ages = {"old": 2 * 3600 * 1000, "young": 60 * 1000}
    ids = {
        name: connection.client.create_run(
            connection.experiment_id, tags={naming.RECORDING_TAG: str(now - age)}
        ).info.run_id
        for name, age in ages.items()
    }
    foreign = connection.client.create_run(connection.experiment_id).info.run_id
    record(settings, result)
    states = {run_id: connection.client.get_run(run_id).info.status for run_id in (*ids.values(), foreign)}
    assert states == {ids["old"]: "FAILED", ids["young"]: "RUNNING", foreign: "RUNNING"}


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
    artifacts = {item.path for item in connection.client.list_artifacts(row.run_id)}
    name = row.result["benchmark"]
    assert artifacts >= {f"{name}.json", f"{name}.csv", naming.PICTURES}, artifacts
    (child,) = runs(settings, f"tags.`{naming.PARENT_TAG}` = '{row.run_id}'")
    assert child.data.metrics["success_rate"] == 1.0
    assert child.data.metrics["latency_avg"] > 0
