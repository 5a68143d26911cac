"""Benchmarks and drift reports that MLflow was away for are recorded by the worker, once."""

import os
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import time_machine

from melancia import benchmark_tracking
from melancia.experiments.files import folder_of, telling, write
from melancia.mlops import naming
from melancia.mlops.client import connect
from melancia.mlops.drift.session import finish
from melancia.mlops.privacy import files
from melancia.records import Job, utc_now
from melancia.settings import Settings
from melancia.store import Store
from melancia.worker import Round, Worker
from tests.experiments.measurements import CONTROL, LOCAL, report, sampled
from tests.mlops.drift.test_session import FEW, FOUND
from tests.ports import free_port
from tests.worker_process import once

LEVELS = {
    CONTROL: {"quality": 0.5, "latency": 0.1, "cost": 0.0},
    LOCAL: {"quality": 0.8, "latency": 2.0, "cost": 0.0},
}
REPORT = report([CONTROL, LOCAL], sampled(LEVELS, 5))
NAME = "benchmark_20261130_120000"


def saved(settings: Settings, name: str = NAME, *, ago: float = 300, **changes: Any) -> Path:
    """A benchmark as its process left it so many seconds ago."""
    made = write(replace(REPORT, id=name, **changes), "O relatório.", folder_of(settings))
    (folder_of(settings) / name).mkdir(exist_ok=True)
    (folder_of(settings) / name / "custo.png").write_bytes(b"png")
    then = time.time() - ago
    os.utime(made.data, (then, then))
    return made.data


def parents(settings: Settings) -> list[Any]:
    """What MLflow has of benchmarks."""
    connection = connect(settings)
    return list(
        connection.client.search_runs(
            [connection.experiment_id], f"tags.`{naming.KIND_TAG}` = '{naming.BENCHMARK}'"
        )
    )


def away(settings: Settings) -> Settings:
    """The same with an MLflow that is not there."""
    return settings.model_copy(update={"mlflow_url": f"http://127.0.0.1:{free_port()}"})


def told(done: Round) -> tuple[int, int]:
    """How many benchmarks and reports."""
    return done.missed_benchmarks, done.missed_reports


def test_a_benchmark_that_mlflow_missed_is_recorded_whole_and_once(settings: Settings, store: Store) -> None:
    saved(settings)
    job = Job("benchmark", {}, "ana")
    store.jobs.add(job)
    store.jobs.claim(job.id)
    store.jobs.set_result(job.id, {"benchmark": NAME})
    waiting = Worker(away(settings), store).once()
    assert "não responde" in waiting.export_problem
    assert told(Worker(settings, store).once()) == (1, 0)
    [run] = parents(settings)
    assert (run.info.status, run.info.start_time) == ("FINISHED", int(REPORT.started_at.timestamp() * 1000))
    assert run.data.tags[naming.BENCHMARK_ID_TAG] == NAME
    assert run.data.tags[naming.JOB_TAG] == job.id
    connection = connect(settings)
    names = {item.path for item in connection.client.list_artifacts(run.info.run_id)}
    assert names == {f"{NAME}{end}" for end in (".json", ".csv", ".log", ".config.json")} | {naming.PICTURES}
    children = connection.client.search_runs(
        [connection.experiment_id], f"tags.`{naming.PARENT_TAG}` = '{run.info.run_id}'"
    )
    assert {child.data.params["model"] for child in children} == {CONTROL.model, LOCAL.model}
    # Neither this worker nor the next one does it again; not even when somebody deletes it there.
    assert told(Worker(settings, store).once()) == (0, 0)
    connection.client.delete_run(run.info.run_id)
    assert told(Worker(settings, store).once()) == (0, 0)


def test_a_benchmark_that_went_on_while_mlflow_was_away_is_completed(
    settings: Settings, store: Store
) -> None:
    saved(settings, complete=False)
    worker = Worker(settings, store)
    assert told(worker.once()) == (1, 0)
    saved(settings, ago=200, ended_at=REPORT.ended_at + timedelta(hours=1))
    assert told(worker.once()) == (1, 0)
    [run] = parents(settings)
    assert (run.info.status, run.data.tags[naming.COMPLETE_TAG]) == ("FINISHED", "true")


def test_what_its_own_process_tells_or_is_old_or_broken_is_left_alone(
    settings: Settings, store: Store
) -> None:
    data = saved(settings)
    saved(settings, "benchmark_20261130_120001", ago=5)  # it may be about to tell
    saved(settings, "benchmark_20261130_120002", ago=30 * 86_400)
    broken = saved(settings, "benchmark_20261130_120003")
    broken.write_text("{", "utf-8")
    os.utime(broken, (time.time() - 300,) * 2)
    worker = Worker(settings, store)
    with telling(data) as ours:
        assert ours
        assert told(worker.once()) == (0, 0)
    assert parents(settings) == []
    assert told(worker.once()) == (1, 0)


def test_a_benchmark_that_is_erased_while_it_is_told_is_taken_back(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = saved(settings)
    track = benchmark_tracking.track

    def erased_meanwhile(*given: Any) -> Any:
        done = track(*given)
        data.unlink()
        return done

    monkeypatch.setattr(benchmark_tracking, "track", erased_meanwhile)
    Worker(settings, store).once()
    assert parents(settings) == []


def test_a_drift_report_that_mlflow_missed_is_recorded_with_what_was_kept(
    settings: Settings, store: Store
) -> None:
    kept = finish(store, away(settings), FOUND, seed=3).report
    [note] = [note for note in kept.notes if "MLflow" in note]
    assert note.endswith("O worker o registra quando o MLflow voltar.")
    data, page = sorted(settings.drift_dir.iterdir())
    assert data.name == f"{kept.id}.evidently.json"
    assert data.stat().st_size < 100_000
    assert told(Worker(settings, store).once()) == (0, 0), "its own process may be at it"
    with time_machine.travel(utc_now() + timedelta(minutes=6)):
        assert told(Worker(settings, store).once()) == (0, 1)
        assert told(Worker(settings, store).once()) == (0, 0)
    after = store.reports.get(kept.id)
    assert after == replace(kept, run_id=after.run_id, notes=kept.notes[:-1])
    assert not data.exists()
    client = connect(settings).client
    run = client.get_run(after.run_id)
    assert (run.info.status, run.data.params["seed"]) == ("FINISHED", "3")
    said = client.download_artifacts(after.run_id, "evidently.json")
    assert '"metrics"' in Path(said).read_text("utf-8")
    html = Path(client.download_artifacts(after.run_id, "relatorio.html")).read_text("utf-8")
    assert html == page.read_text("utf-8")


def test_a_report_without_its_documents_is_recorded_all_the_same(settings: Settings, store: Store) -> None:
    kept = finish(store, away(settings), FEW).report
    assert files.erase_report(settings, kept.id) == 2  # what waits goes with the page
    with time_machine.travel(utc_now() + timedelta(minutes=6)):
        assert told(Worker(settings, store).once()) == (0, 1)
    client = connect(settings).client
    run_id = store.reports.get(kept.id).run_id
    html = Path(client.download_artifacts(run_id, "relatorio.html")).read_text("utf-8")
    assert "dados de menos" in html


def test_the_command_says_what_it_made_up_for(settings: Settings, tmp_path: Path) -> None:
    saved(settings)
    done = once(
        tmp_path,
        MLFLOW_TRACKING_URI=settings.mlflow_url or "",
        MELANCIA_MLFLOW_EXPERIMENT=f"{uuid4().hex}",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "MLflow: 1 benchmark com registro atrasado, agora em dia." in done.stdout
