"""The handlers of the tab "Tarefas" with a job control that only notes, and what jobs look like."""

from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import gradio as gr
import pytest

from melancia.app import Runtime
from melancia.errors import JobError, StoreError
from melancia.records import Job, JobState, utc_now
from melancia.store import Store
from melancia.ui import job_view
from melancia.ui.jobs import _LIVE, _Panel
from tests.ui.conftest import STRANGERS, Control, visit


def ended(store: Store) -> Job:
    """A job that ended."""
    job = Control(store).submit("benchmark", {}, "x")
    store.jobs.claim(job.id)
    store.jobs.finish(job.id, JobState.SUCCEEDED)
    return job


def panel_of(store: Store, folder: Path, **more: Any) -> tuple[_Panel, gr.Request]:
    """The handlers, and a visitor."""
    runtime, identity, request = visit(store, folder, **more)
    return _Panel(runtime, identity), request


def test_an_administrator_cancels(store: Store, tmp_path: Path) -> None:
    panel, request = panel_of(store, tmp_path)
    job = Control(store).submit("benchmark", {"mode": "full", "limit": 5}, "x")
    said, html, *_ = panel.open(request)
    assert said == ""
    assert "Benchmark completo, até 5 perguntas" in html
    said, html, *_ = panel.cancel(job.id, (job.id,), request)
    assert "Cancelamento pedido" in said
    assert html == ""
    assert store.jobs.get(job.id).state is JobState.CANCELLED
    assert "já tinha terminado" in panel.cancel(ended(store).id, None, request)[0]
    assert "não existe" in panel.cancel("0" * 32, None, request)[0]


@pytest.mark.parametrize(("cookie", "overrides"), STRANGERS)
def test_nobody_else_does(store: Store, tmp_path: Path, cookie: bool, overrides: dict[str, str]) -> None:
    panel, request = panel_of(store, tmp_path, cookie=cookie, **overrides)
    job = Control(store).submit("benchmark", {}, "x")
    assert "Só quem administra" in panel.cancel(job.id, None, request)[0]
    assert store.jobs.get(job.id).state is JobState.QUEUED
    assert not panel.open(request)[4].visible


def test_that_nobody_can_run_jobs_is_said(store: Store, tmp_path: Path) -> None:
    class Absent:
        store: Any

        @property
        def jobs(self) -> Any:
            raise JobError("O launcher não responde.", "Inicie-o.")

    panel, request = panel_of(store, tmp_path)
    absent = Absent()
    absent.store = store
    panel._runtime = cast(Runtime, absent)
    assert "O launcher não responde. Inicie-o." in panel.open(request)[0]


def test_a_tick_redraws_only_what_changed_and_survives_a_store_that_is_away(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel, request = panel_of(store, tmp_path)
    job = Control(store).submit("benchmark", {}, "x")
    first = panel.tick((), request)
    assert len(first) == _LIVE
    assert first[-1] == (job.id,)
    assert "Nenhuma tarefa terminou" in first[5]
    second = panel.tick([job.id], request)
    assert isinstance(second[5], dict)  # gr.skip(): whoever unfolded something keeps it so

    def away() -> None:
        raise StoreError("O banco não responde.")

    monkeypatch.setattr(store.jobs, "open", away)
    assert len(panel.tick((), request)) == _LIVE


def test_what_a_job_says_cannot_become_elements() -> None:
    evil = "<img src=x onerror=alert(1)> ${value} {{x}} \"' `"
    now = utc_now()
    job = Job(
        "benchmark",
        {"mode": evil, "limit": evil, "models": [evil], "resume": None},
        f"equipe:{evil}",
        state=JobState.RUNNING,
        started_at=now - timedelta(seconds=65),
        ended_at=now,
        progress=0.4,
        message=evil,
        log_tail=evil,
        error=evil,
        result={
            "models": [{"model": evil, "latency_avg": None, "success_rate": None, "cost_total": None}],
            "benchmark": evil,
            "link": f"javascript:{evil}",
        },
    )
    over = Job(**{name: getattr(job, name) for name in Job.__slots__} | {"state": JobState.FAILED})
    for shown in (
        job_view.open_jobs([job]),
        job_view.log(job),
        job_view.ended_jobs([over]),
        job_view.failure(over),
    ):
        assert "<img" not in shown
        assert not set("${}`") & set(shown)
        assert "javascript:" not in shown
    assert 'aria-valuenow="40"' in job_view.open_jobs([job])
    assert "há 1 min 05 s" in job_view.open_jobs([job])
    assert "falhou em 1 min 05 s" in job_view.ended_jobs([over])


def test_a_result_is_a_table_with_the_way_to_mlflow() -> None:
    link = "https://mlflow.exemplo.com/#/experiments/1/runs/a&b"
    found = {
        "models": [
            {
                "model": "extractive:extractive",
                "quality_avg": 0.5,
                "latency_avg": 0.0412,
                "success_rate": 1.0,
                "cost_total": 0.0,
            },
            {
                "model": "openai:x",
                "quality_avg": None,
                "latency_avg": None,
                "success_rate": 0.0,
                "cost_total": None,
            },
        ],
        "link": link,
        "benchmark": "benchmark_20261130_120000",
    }
    job = Job("benchmark", {}, "x", state=JobState.SUCCEEDED, ended_at=utc_now(), result=found)
    shown = job_view.ended_jobs([job])
    assert "<td>0,50</td><td>0,041 s</td><td>100 %</td><td>US&#36; 0,0000</td>" in shown
    assert "<td>–</td><td>–</td><td>0 %</td><td>não se sabe</td>" in shown
    assert "aba Benchmarks" in shown
    assert 'href="https://mlflow.exemplo.com/#/experiments/1/runs/a&amp;b"' in shown
