"""The handlers of the tab "Benchmarks" with a job control that only notes: start, resume, cancel, read."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from melancia.app import Runtime
from melancia.errors import JobError, StoreError
from melancia.experiments.files import folder_of
from melancia.experiments.journal import Header, Journal
from melancia.experiments.plan import Options
from melancia.experiments.questions import Question
from melancia.records import Job, JobState
from melancia.store import Store
from melancia.ui import benchmark_results
from melancia.ui.benchmark_form import FIELDS
from melancia.ui.benchmark_results import Results
from melancia.ui.benchmark_tab import _LIVE, _Panel
from tests.experiments.measurements import CONTROL, STARTED, answer
from tests.ui.benchmarks import NEW, OLD, made, saved
from tests.ui.conftest import STRANGERS, Control, visit
from tests.ui.test_benchmark_form import UNTOUCHED

NAMES = ("running", "cancelling", "which", "unfinished", "about", "timer", "seen")
SHOWN = ("saved", "result", "details", "question", "answers", "other", "comparison", "place")


def panel_of(store: Store, folder: Path, **more: Any) -> tuple[_Panel, gr.Request, Runtime]:
    """The handlers, and a visitor."""
    runtime, identity, request = visit(store, folder, **more)
    with gr.Blocks():
        results = Results(runtime, {"queue": False})
    return _Panel(runtime, identity, results), request, runtime


def named(values: tuple[Any, ...]) -> dict[str, Any]:
    """What a handler gave, by component; what was said, if it says something, as "said"."""
    live = values[-(_LIVE + benchmark_results.WIDTH) :]
    said = {"said": values[-len(live) - 1]} if len(values) > len(live) else {}
    return said | dict(zip((*NAMES, *SHOWN), live, strict=True))


def skipped(value: Any) -> bool:
    """Whether a component was left as it is."""
    return bool(value == gr.skip())


def form(**changes: Any) -> list[Any]:
    """The values of the form's fields."""
    return [(UNTOUCHED | changes)[name] for name in FIELDS]


def leave_unfinished(runtime: Runtime, index: str = "base") -> None:
    """A benchmark of one model and two questions of which one was answered."""
    questions = [Question("1", "Um?"), Question("2", "Dois?")]
    header = Header(OLD, "full", STARTED, Options(), [CONTROL], questions, index, "hash")
    journal = Journal.begin(folder_of(runtime.settings), header)
    journal.keep(answer(CONTROL, 1))
    journal.close(done=False)


def test_an_administrator_starts_and_cancels(store: Store, tmp_path: Path) -> None:
    panel, request, _ = panel_of(store, tmp_path)
    found = named(panel.start(request, *form(mode="full", limit="5", models=["ollama:x"]), None, None))
    assert "Benchmark pedido" in found["said"]
    assert "Benchmark completo, 1 modelo e o controle, até 5 perguntas" in found["running"]
    assert found["cancelling"].visible
    assert found["timer"].active
    (job,) = store.jobs.list()
    assert job.parameters == {"mode": "full", "limit": 5, "models": ["ollama:x"]}
    found = named(panel.cancel(job.id, (job.id,), None, request))
    assert "Cancelamento pedido" in found["said"]
    assert found["running"] == ""
    assert not found["timer"].active
    assert store.jobs.get(job.id).state is JobState.CANCELLED


@pytest.mark.parametrize(("cookie", "overrides"), STRANGERS)
def test_nobody_else_does_but_everybody_reads(
    store: Store, tmp_path: Path, cookie: bool, overrides: dict[str, str]
) -> None:
    panel, request, runtime = panel_of(store, tmp_path, cookie=cookie, **overrides)
    leave_unfinished(runtime)
    saved(folder_of(runtime.settings), made())
    for values in (panel.start(request, *form(), None, None), panel.resume("", None, None, request)):
        assert "Só quem administra" in named(values)["said"]
    assert store.jobs.list() == []
    job = Control(store).submit("benchmark", {}, "x")
    assert "Só quem administra" in named(panel.cancel(job.id, None, None, request))["said"]
    assert store.jobs.get(job.id).state is JobState.QUEUED
    box, *rest = panel.open(None, request)
    assert box.visible is False
    found = named(tuple(rest))
    assert not found["cancelling"].visible
    assert "Benchmark completo" in found["result"]
    assert all(skipped(value) for value in panel.choices(request))


def test_what_is_refused_is_said(store: Store, tmp_path: Path) -> None:
    class Broken(Control):
        def submit(self, name: str, given: Mapping[str, Any], requested_by: str) -> Job:
            raise JobError("O launcher não responde.", "Inicie-o.")

    panel, request, _ = panel_of(store, tmp_path, jobs=Broken(store))
    assert "O launcher não responde. Inicie-o." in panel.start(request, *form(), None, None)[0]
    panel, request, _ = panel_of(store, tmp_path)
    assert "de 1 a 1000" in panel.start(request, *form(limit="0"), None, None)[0]
    assert "“mode” deve ser" in panel.start(request, *form(mode="outro"), None, None)[0]
    assert "“judge" in panel.start(request, *form(judge="--resume"), None, None)[0]
    assert "não existe" in panel.cancel("0" * 32, None, None, request)[0]
    assert store.jobs.list() == []


def test_an_interrupted_benchmark_is_offered_and_continued(store: Store, tmp_path: Path) -> None:
    panel, request, runtime = panel_of(store, tmp_path)
    assert "Não há benchmark interrompido" in panel.resume("", None, None, request)[0]
    leave_unfinished(runtime)
    found = named(panel.open(None, request))
    assert found["unfinished"].visible
    assert "completo interrompido" in found["about"]
    assert "1 resposta de 2" in found["about"]
    found = named(panel.resume("1,5", (), None, request))
    assert "Continuação pedida" in found["said"]
    assert not found["unfinished"].visible  # it runs now
    (job,) = store.jobs.list()
    assert job.parameters == {"mode": "full", "resume": OLD, "budget": 1.5}
    assert "continuação" in found["running"]
    assert "Não há benchmark interrompido" in panel.resume("", None, None, request)[0]


def test_what_was_measured_on_other_documents_is_not_offered(store: Store, tmp_path: Path) -> None:
    panel, request, runtime = panel_of(store, tmp_path)
    leave_unfinished(runtime, index="outra base")
    assert not named(panel.open(None, request))["unfinished"].visible


def test_the_newest_result_is_shown_first_and_what_was_chosen_stays(store: Store, tmp_path: Path) -> None:
    panel, request, runtime = panel_of(store, tmp_path)
    folder = folder_of(runtime.settings)
    found = named(panel.open(None, request))
    assert "Nenhum benchmark foi salvo" in found["result"]
    assert not found["details"].visible
    saved(folder, made(OLD))
    found = named(panel.open(found["place"], request))
    assert found["saved"].value == OLD
    assert found["question"].choices[0][1] == found["question"].value == "0"
    assert "Pergunta 0?" in found["answers"]
    assert found["other"].choices == []
    again = named(panel.open(found["place"], request))
    assert skipped(again["result"])  # whoever unfolded something keeps it so
    saved(folder, made())
    found = named(panel.open(found["place"], request))
    assert found["saved"].value == NEW
    assert [value for _, value in found["other"].choices] == [OLD]

    *_, place = panel._results.show(OLD, found["place"])
    later = "benchmark_20270101_000000"
    saved(folder, made(later))
    found = named(panel.open(place, request))
    assert found["saved"].value == OLD
    assert [value for _, value in found["saved"].choices] == [later, NEW, OLD]


def test_an_ended_benchmark_shows_itself(store: Store, tmp_path: Path) -> None:
    panel, request, runtime = panel_of(store, tmp_path)
    place = named(panel.open(None, request))["place"]
    job = Control(store).submit("benchmark", {}, "x")
    assert named(panel.tick((), place, request))["seen"] == (job.id,)
    assert skipped(named(panel.tick([job.id], place, request))["saved"])
    saved(folder_of(runtime.settings), made())
    store.jobs.finish(job.id, JobState.SUCCEEDED)
    found = named(panel.tick([job.id], place, request))
    assert found["saved"].value == NEW
    assert "Benchmark completo" in found["result"]
    assert not found["timer"].active


def test_one_that_failed_says_why_and_where_to_look(store: Store, tmp_path: Path) -> None:
    panel, request, _ = panel_of(store, tmp_path)
    job = Control(store).submit("benchmark", {}, "x")
    store.jobs.claim(job.id)
    store.jobs.finish(job.id, JobState.FAILED, exit_code=1, error="terminou com código 1: <b>sem chave</b>")
    found = named(panel.open(None, request))
    assert "código 1: &lt;b&gt;sem chave" in found["running"]
    assert "aba Tarefas" in found["running"]


def test_other_jobs_are_not_shown_here(store: Store, tmp_path: Path) -> None:
    panel, request, _ = panel_of(store, tmp_path)
    Control(store).submit("ingest", {}, "x")
    found = named(panel.open(None, request))
    assert found["running"] == ""
    assert not found["timer"].active


def test_answers_and_comparison_are_of_what_is_shown(store: Store, tmp_path: Path) -> None:
    panel, request, runtime = panel_of(store, tmp_path)
    saved(folder_of(runtime.settings), made(), made(OLD, index_version="v0"))
    results = panel._results
    place = named(panel.open(None, request))["place"]
    assert "Pergunta 3?" in results.answers("3", place)
    assert "versão v0 antes, v1 agora" in results.compare(OLD, place)
    assert results.answers("3", None) == results.answers(None, place) == results.compare(None, place) == ""
    assert "não existe" in results.compare("../melancia", place)
    assert "não existe" in results.show("../melancia", place)[0]
    (folder_of(runtime.settings) / f"{NEW}.json").write_text("{", "utf-8")
    assert "não pode ser lido" in results.answers("3", replace(place))


@pytest.mark.parametrize(
    ("link", "mlflow", "expected"),
    [
        (
            "https://ml.exemplo/#/experiments/1/runs/a",
            "http://mlflow:5000",
            "https://ml.exemplo/#/experiments/1/runs/a",
        ),
        (None, "http://mlflow:5000", "http://localhost:5000/#/experiments"),
        (None, None, None),
        (None, "sqlite:///x.db", None),
    ],
)
def test_the_way_to_mlflow(
    store: Store, tmp_path: Path, link: str | None, mlflow: str | None, expected: str | None
) -> None:
    panel, request, runtime = panel_of(store, tmp_path, mlflow_url=mlflow)
    saved(folder_of(runtime.settings), made())
    job = Control(store).submit("benchmark", {}, "x")
    store.jobs.claim(job.id)
    store.jobs.set_result(job.id, {"benchmark": NEW, "link": link})
    store.jobs.finish(job.id, JobState.SUCCEEDED)
    html = named(panel.open(None, request))["result"]
    assert (f'href="{expected}"' in html) if expected else ("--mode ui" in html)


def test_a_store_that_is_away_is_asked_again(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel, request, _ = panel_of(store, tmp_path)

    def away() -> None:
        raise StoreError("O banco não responde.")

    monkeypatch.setattr(store.jobs, "open", away)
    assert all(skipped(value) for value in named(panel.tick((), None, request)).values())
