"""The tab "Benchmarks" in real Chromium, with real benchmarks: start, watch, cancel, read, compare."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from melancia.experiments import files
from tests.browser.conftest import NewUser, Served
from tests.browser.test_jobs import A_JOB, MODEL, called, serving_one
from tests.browser.test_page import violations
from tests.standins.ollama import OllamaStandin, Scripted
from tests.ui.benchmarks import NEW, OLD, made, saved
from tests.ui.test_benchmark_form import UNTOUCHED

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

Shot = Callable[[Page, str], None]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """An application of this module's own, whose model takes its time."""
    with (
        OllamaStandin(Scripted(token_delay=0.06), models=[MODEL]) as ollama,
        serving_one(tmp_path_factory.mktemp("benchmarks"), ollama) as made,
    ):
        yield made


def opened(new_user: NewUser, *size: int, dark: bool = False) -> Page:
    """The page with the tab open."""
    page = new_user(*size, dark=dark)
    page.get_by_role("tab", name="Benchmarks").click()
    expect(page.locator("#bench-resumo")).to_contain_text("mesmas perguntas")
    page.wait_for_timeout(400)  # colours of the chosen tab fade in, and axe measures what it sees
    return page


def choose(page: Page, dropdown: str, option: str | re.Pattern[str]) -> None:
    """Choose from a list."""
    page.click(f"{dropdown} input")
    page.get_by_role("option", name=option).click()
    page.keyboard.press("Escape")  # a list of several stays open
    expect(page.get_by_role("listbox")).to_have_count(0)


def test_a_benchmark_is_started_watched_and_read(new_user: NewUser, served: Served, shot: Shot) -> None:
    page = opened(new_user)
    expect(page.locator("#bench-resultado")).to_contain_text("Nenhum benchmark foi salvo")
    expect(page.locator("#bench-detalhes")).to_be_hidden()
    assert violations(page) == []
    page.click("#bench-opcoes button")
    choose(page, "#bench-modelos", f"ollama:{MODEL}")
    assert violations(page) == []
    warming_up = served.ollama.hold(0)
    page.click("#bench-iniciar")
    expect(page.locator("#bench-aviso")).to_contain_text("Benchmark pedido")
    bar = page.get_by_role("progressbar", name="Benchmark rápido, 1 modelo e o controle")
    expect(bar).to_be_visible()
    opened_ones = page.locator("#bench-abertos")
    expect(opened_ones).to_contain_text(f"ollama:{MODEL}: aquecendo", timeout=A_JOB)
    answering = served.ollama.hold(1)  # or it might end while we look
    warming_up.release()
    expect(opened_ones).to_contain_text(re.compile(rf"ollama:{MODEL}: .*\(\d de 6\)"))
    expect(bar).to_have_attribute("aria-valuenow", re.compile(r"^[5-9]\d$"))
    expect(page.locator("#bench-cancelar")).to_be_visible()
    shot(page, "benchmarks-andamento")
    assert violations(page) == []
    answering.release()

    result = page.locator("#bench-resultado")
    expect(result).to_contain_text("Benchmark rápido", timeout=A_JOB)
    expect(bar).to_have_count(0)
    rows = result.locator(".quadro").first.locator("tbody tr")
    expect(rows).to_have_count(2)
    expect(rows.filter(has_text=f"ollama - {MODEL}")).to_contain_text("100 %")
    expect(rows.filter(has_text="controle")).to_contain_text("extractive")
    expect(result).to_contain_text("empate técnico")
    shot(page, "benchmarks")
    assert violations(page) == []

    with page.expect_download() as download:
        result.get_by_role("link", name="JSON").click()
    document = json.loads(Path(download.value.path()).read_text("utf-8"))
    assert len(document["answers"]) == 6
    assert served.runtime.store.counts()["interactions"] == 0

    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.wait_for_timeout(2500)
    assert asked == [], "the page asks although nothing is open"


def test_the_result_has_its_pictures_and_every_answer(new_user: NewUser, served: Served, shot: Shot) -> None:
    """Of the benchmark that the test before ran."""
    page = opened(new_user)
    pictures = page.locator("#bench-resultado img")
    expect(pictures).not_to_have_count(0)
    for picture in pictures.all():
        picture.scroll_into_view_if_needed()
        expect(picture).to_have_js_property("complete", value=True)
        assert picture.evaluate("image => image.naturalWidth") == 1200
        assert len(picture.get_attribute("alt") or "") > 40
    shot(page, "benchmarks-graficos")

    page.click("#bench-respostas button")
    choose(page, "#bench-pergunta", re.compile("ACOS no Mercado Livre"))
    answers = page.locator("#bench-respondido article")
    expect(answers).to_have_count(2)
    expect(page.locator("#bench-respondido")).to_contain_text("Como funciona o ACOS no Mercado Livre?")
    expect(answers.filter(has_text="extractive")).to_contain_text("investimento em anúncios")
    answers.first.get_by_text(re.compile("Trechos recebidos")).click()
    expect(answers.first).to_contain_text("O que é Retail Media")
    answers.first.scroll_into_view_if_needed()
    shot(page, "benchmarks-respostas")
    assert violations(page) == []


def test_a_cancelled_benchmark_keeps_what_it_has_and_goes_on_later(
    new_user: NewUser, served: Served, shot: Shot
) -> None:
    served.ollama.faults.set(times=None, slow_first_token=120)
    page = opened(new_user)
    page.fill("#bench-limite textarea", "1")
    page.click("#bench-iniciar")
    expect(page.locator("#bench-abertos")).to_contain_text(f"ollama:{MODEL}: aquecendo", timeout=A_JOB)
    page.click("#bench-cancelar")
    expect(page.locator("#bench-aviso")).to_contain_text("Cancelamento pedido")
    expect(page.locator("#bench-resultado")).to_contain_text("Parou antes do fim", timeout=A_JOB)
    expect(page.locator("#bench-resultado .quadro").first.locator("tbody tr")).to_have_count(1)
    expect(page.locator("#bench-interrompido")).to_contain_text("1 resposta de 2")
    shot(page, "benchmarks-interrompido")
    assert violations(page) == []

    served.ollama.faults.clear()
    page.click("#bench-continuar")
    expect(page.locator("#bench-aviso")).to_contain_text("Continuação pedida")
    expect(page.locator("#bench-abertos")).to_contain_text("continuação")
    expect(page.locator("#bench-retomada")).to_be_hidden()
    rows = page.locator("#bench-resultado .quadro").first.locator("tbody tr")
    expect(rows).to_have_count(2, timeout=A_JOB)
    expect(page.locator("#bench-resultado")).not_to_contain_text("Parou antes do fim")
    expect(page.locator("#bench-retomada")).to_be_hidden()


def test_a_choice_that_cannot_be_is_refused_in_words(new_user: NewUser, served: Served) -> None:
    before = len(served.runtime.store.jobs.list())
    page = opened(new_user)
    expect(page.locator("#bench-categorias")).to_be_hidden()
    page.get_by_label("Completo: as perguntas de teste").check()
    choose(page, "#bench-categorias", "como fazer")
    page.fill("#bench-limite textarea", "0")
    page.click("#bench-iniciar")
    expect(page.locator("#bench-aviso")).to_contain_text("de 1 a 1000")
    assert len(served.runtime.store.jobs.list()) == before


def test_an_earlier_benchmark_is_read_and_compared(new_user: NewUser, served: Served, shot: Shot) -> None:
    folder = files.folder_of(served.runtime.settings)
    saved(folder, made(OLD, index_version="v0"), made(NEW))
    page = opened(new_user)
    choose(page, "#bench-salvos", re.compile("30.11.2026 .* 3 modelos, 24 perguntas"))
    expect(page.locator("#bench-resultado")).to_contain_text("O servidor não respondeu.")
    page.click("#bench-comparar button")
    choose(page, "#bench-outro", re.compile("28.11.2026"))
    expect(page.locator("#bench-comparacao")).to_contain_text("versão v0 antes, v1 agora")
    expect(page.locator("#bench-comparacao tbody tr")).to_have_count(3)
    page.locator("#bench-comparacao").scroll_into_view_if_needed()
    shot(page, "benchmarks-comparacao")
    assert violations(page) == []
    # What was chosen stays when the tab is left and opened again.
    page.get_by_role("tab", name="Conversa").click()
    page.get_by_role("tab", name="Benchmarks").click()
    expect(page.locator("#bench-comparacao tbody tr")).to_have_count(3)
    expect(page.locator("#bench-resultado")).to_contain_text("O servidor não respondeu.")


@pytest.mark.parametrize("dark", [False, True])
def test_it_fits_a_phone(new_user: NewUser, served: Served, shot: Shot, dark: bool) -> None:
    saved(files.folder_of(served.runtime.settings), made("benchmark_20991231_090000"))
    page = opened(new_user, 390, 844, dark=dark)
    table = page.locator("#bench-resultado .quadro").first
    expect(table).to_be_visible()
    page.click("#bench-respostas button")
    expect(page.locator("#bench-respondido article")).to_have_count(3)
    table.scroll_into_view_if_needed()
    shot(page, f"benchmarks-celular-{'escuro' if dark else 'claro'}")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert table.evaluate("box => box.scrollWidth > box.clientWidth"), "the table scrolls inside of its box"
    assert violations(page) == []


def test_who_does_not_administer_reads_and_changes_nothing(
    new_user: NewUser, served: Served, browser: Any, tmp_path: Path, shot: Shot
) -> None:
    # Published under a name, without a team: nobody administers.
    with serving_one(tmp_path, served.ollama, allowed_origins="https://exemplo.com") as public:
        saved(files.folder_of(public.runtime.settings), made())
        context = browser.new_context(locale="pt-BR", viewport={"width": 1280, "height": 860})
        page = context.new_page()
        page.goto(public.url)
        page.wait_for_selector("#exemplos button")
        page.get_by_role("tab", name="Benchmarks").click()
        expect(page.locator("#bench-resultado")).to_contain_text("Benchmark completo")
        for hidden in ("#bench-admin", "#bench-iniciar", "#bench-continuar", "#bench-cancelar"):
            expect(page.locator(hidden)).to_be_hidden()
        shot(page, "benchmarks-visitante")
        answers = [
            called(page, "bench-iniciar", [*UNTOUCHED.values(), None, None]),
            called(page, "bench-continuar", ["", None, None]),
            called(page, "bench-cancelar", [None, None, None]),
        ]
        context.close()
        assert all("Só quem administra pode iniciar ou cancelar" in answer for answer in answers)
        assert public.runtime.store.jobs.list() == []
