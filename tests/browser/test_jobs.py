"""The tab "Tarefas" in real Chromium, with real subprocesses: watch, read the result, cancel."""

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from melancia.records import Job, JobState, utc_now
from tests.browser.conftest import NewUser, Served, serving
from tests.browser.test_page import violations
from tests.standins.ollama import OllamaStandin, Scripted

# Its jobs are processes that load all of the application, beside the browser.
pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

Shot = Callable[[Page, str], None]
MODEL = "llama3.2:3b"
A_JOB = 150_000  # milliseconds in which one gets on
TEXT = (
    "# O que é Retail Media\n\nRetail Media é a publicidade nos canais de um varejista. As principais "
    "métricas de performance são ACOS, ROAS e conversão. O ACOS no Mercado Livre funciona como a divisão do "
    "investimento em anúncios pela receita.\n"
)


@contextmanager
def serving_one(folder: Path, ollama: OllamaStandin, **changes: Any) -> Iterator[Served]:
    """The application over one short document, answering extractively."""
    docs = folder / "docs"
    docs.mkdir()
    (docs / "retail-media.md").write_text(TEXT, "utf-8")
    with serving(folder, ollama, knowledge_dir=docs, variant="extractive", **changes) as made:
        yield made


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """An application of this module's own, whose model takes its time."""
    with (
        OllamaStandin(Scripted(token_delay=0.06), models=[MODEL]) as ollama,
        serving_one(tmp_path_factory.mktemp("tarefas"), ollama) as made,
    ):
        yield made


def opened(new_user: NewUser, *size: int, dark: bool = False) -> Page:
    """The page with the tab open."""
    page = new_user(*size, dark=dark)
    page.get_by_role("tab", name="Tarefas").click()
    expect(page.locator("#tarefas-resumo")).to_contain_text("O que roda fora da conversa")
    page.wait_for_timeout(400)  # colours of the chosen tab fade in, and axe measures what it sees
    return page


def test_a_job_is_watched_and_read(new_user: NewUser, served: Served, shot: Shot) -> None:
    page = opened(new_user)
    expect(page.locator("#tarefas-terminadas")).to_contain_text("Nenhuma tarefa terminou")
    assert violations(page) == []
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.wait_for_timeout(2500)
    assert asked == [], "the page asks although nothing is open"

    held = served.ollama.hold(1)  # or it might end while we look
    served.runtime.jobs.submit("benchmark", {"limit": 2}, "teste")
    page.get_by_role("tab", name="Conversa").click()
    page.get_by_role("tab", name="Tarefas").click()
    bar = page.get_by_role("progressbar", name="Benchmark rápido, até 2 perguntas")
    expect(bar).to_be_visible()
    expect(page.locator("#tarefas-abertas")).to_contain_text(f"ollama:{MODEL}", timeout=A_JOB)
    page.get_by_role("button", name="Registro da tarefa").click()
    expect(page.locator("#tarefas-linhas")).to_contain_text("extractive:")
    expect(page.locator("#tarefas-cancelar")).to_be_visible()
    shot(page, "tarefas-andamento")
    assert violations(page) == []
    held.release()

    ended = page.locator("#tarefas-terminadas details.tarefa").first
    expect(ended).to_contain_text("concluída", timeout=A_JOB)
    expect(ended.locator("tbody tr")).to_have_count(2)
    expect(ended.locator("tbody tr").nth(1)).to_contain_text(f"ollama:{MODEL}")
    expect(ended.locator("tbody tr").nth(1)).to_contain_text("100 %")
    expect(ended).to_contain_text("aba Benchmarks")
    expect(bar).to_have_count(0)
    expect(page.locator("#tarefas-cancelar")).to_be_hidden()
    ended.get_by_text("Registro", exact=True).click()
    expect(ended.locator("pre")).to_contain_text(f"ollama - {MODEL}")
    shot(page, "tarefas")
    assert violations(page) == []
    assert served.runtime.store.counts()["interactions"] == 0


def test_who_starts_a_job_and_comes_here_at_once_sees_it(
    new_user: NewUser, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = served.runtime.jobs
    submit, arrived = jobs.submit, threading.Event()

    def late(*arguments: Any) -> Job:
        arrived.wait(30)
        return submit(*arguments)

    monkeypatch.setattr(jobs, "submit", late)
    page = new_user()
    page.get_by_role("tab", name="Benchmarks").click()
    page.click("#bench-iniciar")
    page.get_by_role("tab", name="Tarefas").click()
    expect(page.locator("#tarefas-resumo")).to_contain_text("O que roda fora da conversa")
    expect(page.locator("#tarefas-terminadas details.tarefa")).not_to_have_count(0)
    expect(page.get_by_role("progressbar")).to_have_count(0)
    arrived.set()
    expect(page.get_by_role("progressbar", name="Benchmark rápido", exact=True)).to_be_visible()
    newest = page.locator("#tarefas-terminadas details.tarefa").first
    expect(newest.locator("summary").first).to_have_text(
        re.compile("Benchmark rápido · concluída"), timeout=A_JOB
    )


def test_a_cancelled_job_keeps_what_it_has_and_frees_the_next(
    new_user: NewUser, served: Served, shot: Shot
) -> None:
    # Once: the second job may begin before the page has shown us that the first one ended.
    served.ollama.faults.set(times=1, slow_first_token=120)
    for limit in (2, 1):
        served.runtime.jobs.submit("benchmark", {"limit": limit}, "teste")
    page = opened(new_user)
    expect(page.get_by_role("progressbar")).to_have_count(2)
    expect(page.locator("#tarefas-abertas")).to_contain_text("na fila")
    expect(page.locator("#tarefas-qual input")).to_have_value("Benchmark rápido, até 2 perguntas")
    expect(page.locator("#tarefas-abertas")).to_contain_text(
        re.compile(rf"ollama:{MODEL}: aquecendo"), timeout=A_JOB
    )
    shot(page, "tarefas-fila")
    assert violations(page) == []
    page.click("#tarefas-cancelar")
    expect(page.locator("#tarefas-aviso")).to_contain_text("Cancelamento pedido")
    first = page.locator("#tarefas-terminadas details.tarefa").first
    expect(first).to_contain_text("cancelada", timeout=A_JOB)
    expect(first.locator("tbody tr")).to_have_count(1)
    expect(first.locator("tbody tr")).to_contain_text("extractive")
    expect(first).to_contain_text("Benchmark rápido, até 1 pergunta", timeout=A_JOB)
    states = [job.state for job in served.runtime.store.jobs.list(2)]
    assert states == [JobState.SUCCEEDED, JobState.CANCELLED]


@pytest.mark.parametrize("dark", [False, True])
def test_it_fits_a_phone(new_user: NewUser, served: Served, shot: Shot, dark: bool) -> None:
    # Running from the start: a queued one could be taken by the real job control.
    job = Job("benchmark", {"limit": 1}, "x", state=JobState.RUNNING, started_at=utc_now())
    jobs = served.runtime.store.jobs
    jobs.add(job)
    model = {
        "model": f"ollama:{MODEL}",
        "quality_avg": 0.5,
        "latency_avg": 1.5,
        "success_rate": 1.0,
        "cost_total": 0.0123,
    }
    jobs.set_result(job.id, {"models": [model], "benchmark": "benchmark_20260101_120000"})
    jobs.finish(job.id, JobState.SUCCEEDED)
    page = opened(new_user, 390, 844, dark=dark)
    first = page.locator("#tarefas-terminadas details.tarefa").first
    expect(first).to_be_visible()
    first.scroll_into_view_if_needed()
    shot(page, f"tarefas-celular-{'escuro' if dark else 'claro'}")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert violations(page) == []


def test_who_does_not_administer_looks_and_changes_nothing(
    new_user: NewUser, served: Served, browser: Any, tmp_path: Path, shot: Shot
) -> None:
    # Published under a name, without a team: nobody administers.
    with serving_one(tmp_path, served.ollama, allowed_origins="https://exemplo.com") as public:
        context = browser.new_context(locale="pt-BR", viewport={"width": 1280, "height": 860})
        page = context.new_page()
        page.goto(public.url)
        page.wait_for_selector("#exemplos button")
        page.get_by_role("tab", name="Tarefas").click()
        expect(page.locator("#tarefas-terminadas")).to_contain_text("Nenhuma tarefa terminou")
        expect(page.locator("#tarefas-cancelar")).to_be_hidden()
        shot(page, "tarefas-visitante")
        answer = called(page, "tarefas-cancelar", [None, None])
        context.close()
        assert "Só quem administra pode iniciar ou cancelar" in answer


def called(page: Page, button: str, data: list[Any], event: dict[str, Any] | None = None) -> str:
    """What the server answers when somebody presses a button that the page does not show them."""
    answer: str = page.evaluate(
        """async ([button, data, event_data]) => {
             const config = window.gradio_config;
             const id = config.components.find((c) => c.props.elem_id === button).id;
             const event = config.dependencies.find(
               (d) => d.targets.some(([i, e]) => i === id && e === "click"));
             const answer = await fetch("/gradio_api/run/predict", {
               method: "POST", headers: {"content-type": "application/json"},
               body: JSON.stringify({data, event_data, fn_index: event.id, session_hash: "intruso"}),
             });
             return JSON.stringify(await answer.json());
           }""",
        [button, data, event],
    )
    return answer
