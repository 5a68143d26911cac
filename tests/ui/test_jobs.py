"""The handlers of the tab "Tarefas" with a job control that only notes, and what jobs look like."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import gradio as gr
import pytest

from melancia.app import Runtime
from melancia.errors import JobError, StoreError
from melancia.jobs.catalog import parameters
from melancia.records import Job, JobState, utc_now
from melancia.settings import load_settings
from melancia.store import Store
from melancia.ui import job_view
from melancia.ui.identity import COOKIE, Identity
from melancia.ui.jobs import _LIVE, _Panel


class Control:
    """A job control that checks and queues, and runs nothing."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def submit(self, name: str, given: Mapping[str, Any], requested_by: str) -> Job:
        job = Job(name, parameters(name, given).model_dump(exclude_none=True), requested_by)
        self._store.jobs.add(job)
        return job

    def cancel(self, job_id: str) -> Job:
        return self._store.jobs.request_cancel(job_id)

    def close(self) -> None:
        pass


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A fresh store."""
    made = Store.open(f"sqlite:///{tmp_path / 'melancia.db'}")
    yield made
    made.close()


def panel_of(store: Store, folder: Path, *, jobs: Any = None, **overrides: Any) -> tuple[_Panel, gr.Request]:
    """The handlers, and a visitor with a genuine cookie."""
    identity = Identity(load_settings(_env_file=None, data_dir=folder, **overrides))
    runtime = cast(Runtime, SimpleNamespace(store=store, jobs=jobs or Control(store)))
    request = cast(gr.Request, SimpleNamespace(cookies={COOKIE: identity.issue()}, headers={}))
    return _Panel(runtime, identity), request


def test_an_administrator_starts_and_cancels(store: Store, tmp_path: Path) -> None:
    panel, request = panel_of(store, tmp_path)
    said, html, *_ = panel.start("full", " 5 ", None, request)
    assert "Benchmark pedido" in said
    assert "Benchmark completo, até 5 perguntas" in html
    (job,) = store.jobs.list()
    assert job.parameters == {"mode": "full", "limit": 5}
    said, html, *_ = panel.cancel(job.id, (job.id,), request)
    assert "Cancelamento pedido" in said
    assert html == ""
    assert store.jobs.get(job.id).state is JobState.CANCELLED


@pytest.mark.parametrize(
    ("cookie", "overrides"),
    [
        (True, {"allowed_origins": "https://exemplo.com"}),
        (False, {}),
        (True, {"auth": "ana:s", "admins": ""}),
    ],
)
def test_nobody_else_does(store: Store, tmp_path: Path, cookie: bool, overrides: dict[str, str]) -> None:
    panel, request = panel_of(store, tmp_path, **overrides)
    if not cookie:
        request = cast(gr.Request, SimpleNamespace(cookies={COOKIE: "falso"}, headers={}))
    job = Control(store).submit("benchmark", {}, "x")
    for said, *_ in (panel.start("quick", "", None, request), panel.cancel(job.id, None, request)):
        assert "Só quem administra" in said
    assert [found.state for found in store.jobs.list()] == [JobState.QUEUED]
    box, *_ = panel.open(request)
    assert box.visible is False


@pytest.mark.parametrize("limit", ["0", "-1", "1001", "1.5", "dez", "²", "1e3"])
def test_a_limit_that_is_none_is_refused(store: Store, tmp_path: Path, limit: str) -> None:
    panel, request = panel_of(store, tmp_path)
    assert "de 1 a 1000" in panel.start("quick", limit, None, request)[0]
    assert store.jobs.list() == []


def test_what_is_refused_elsewhere_is_said_too(store: Store, tmp_path: Path) -> None:
    class Broken(Control):
        def submit(self, name: str, given: Mapping[str, Any], requested_by: str) -> Job:
            raise JobError("O launcher não responde.", "Inicie-o.")

    panel, request = panel_of(store, tmp_path, jobs=Broken(store))
    assert "O launcher não responde. Inicie-o." in panel.start("quick", None, None, request)[0]
    panel, request = panel_of(store, tmp_path)
    assert "“mode” deve ser" in panel.start("outro", None, None, request)[0]
    assert "não existe" in panel.cancel("0" * 32, None, request)[0]


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
        {"mode": evil, "limit": evil},
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
            "files": [evil],
            "link": f"javascript:{evil}",
        },
    )
    ended = Job(**{name: getattr(job, name) for name in Job.__slots__} | {"state": JobState.FAILED})
    for shown in (job_view.open_jobs([job]), job_view.log(job), job_view.ended_jobs([ended])):
        assert "<img" not in shown
        assert not set("${}`") & set(shown)
        assert "javascript:" not in shown
    assert 'aria-valuenow="40"' in job_view.open_jobs([job])
    assert "há 1 min 05 s" in job_view.open_jobs([job])
    assert "falhou em 1 min 05 s" in job_view.ended_jobs([ended])


def test_a_result_is_a_table_with_the_way_to_mlflow() -> None:
    link = "https://mlflow.exemplo.com/#/experiments/1/runs/a&b"
    found = {
        "models": [
            {
                "model": "extractive:extractive",
                "latency_avg": 0.0412,
                "success_rate": 1.0,
                "cost_total": 0.0,
            },
            {"model": "openai:x", "latency_avg": None, "success_rate": 0.0, "cost_total": None},
        ],
        "link": link,
    }
    job = Job("benchmark", {}, "x", state=JobState.SUCCEEDED, ended_at=utc_now(), result=found)
    shown = job_view.ended_jobs([job])
    assert "<td>0,041 s</td><td>100 %</td><td>US&#36; 0</td>" in shown
    assert "<td>–</td><td>0 %</td><td>não se sabe</td>" in shown
    assert 'href="https://mlflow.exemplo.com/#/experiments/1/runs/a&amp;b"' in shown
