"""The tab "Saúde" in real Chromium, on a real store and with a document that Evidently really wrote."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, Request, expect

from melancia.records import ActionState, Job, JobState, utc_now
from tests.browser.conftest import NewUser, Served
from tests.browser.test_benchmarks import choose
from tests.browser.test_jobs import MODEL, called, serving_one
from tests.browser.test_page import violations
from tests.standins.ollama import OllamaStandin
from tests.ui import health as seeds

pytestmark = pytest.mark.browser

Shot = Callable[[Page, str], None]
DOCUMENT = f"/saude/relatorios/{seeds.NEWEST}.html"
OPEN = [state for state in ActionState if state is not ActionState.DISMISSED]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """An application of this module's own, under which MLflow is said to be somewhere."""
    with (
        OllamaStandin(models=[MODEL]) as ollama,
        serving_one(tmp_path_factory.mktemp("saude"), ollama) as made,
    ):
        yield made


@pytest.fixture
def seeded(served: Served) -> Served:
    """With three reports, the newest of which has a document."""
    folder = served.runtime.settings.drift_dir
    if not folder.is_dir():
        seeds.lived(served.runtime.store)
        seeds.document(folder)
    return served


def opened(new_user: NewUser, *size: int, dark: bool = False) -> Page:
    """The page with the tab open."""
    page = new_user(*size, dark=dark)
    page.get_by_role("tab", name="Saúde").click()
    expect(page.locator("#saude-quadro h3")).to_be_visible()
    page.wait_for_timeout(400)  # colours of the chosen tab fade in, and axe measures what it sees
    return page


def drawn(page: Page) -> None:
    """Wait until the trend is there."""
    expect(page.locator("#saude-grafico .js-plotly-plot .main-svg").first).to_be_visible()


def test_before_the_first_report_it_says_how_to_get_one(
    new_user: NewUser, served: Served, shot: Shot
) -> None:
    page = opened(new_user)
    expect(page.locator("#saude-quadro")).to_contain_text("Ainda não há relatório")
    expect(page.locator("#saude-quadro")).to_contain_text("Próxima busca automática")
    expect(page.locator("#saude-procurar")).to_be_visible()
    for hidden in ("#saude-qual", "#saude-grafico", "#saude-documento", "#saude-base", "#saude-medida"):
        expect(page.locator(hidden)).to_be_hidden()
    shot(page, "saude-vazia")
    assert violations(page) == []


def test_a_search_is_followed_until_its_report_is_there(
    new_user: NewUser, seeded: Served, shot: Shot
) -> None:
    # Running from the start: a queued one would be taken by the real job control.
    store = seeded.runtime.store
    job = Job("drift", {}, "x", state=JobState.RUNNING, started_at=utc_now())
    store.jobs.add(job)
    store.jobs.report(job.id, progress=0.4, message="comparando respostas")
    page = opened(new_user)
    bar = page.get_by_role("progressbar", name="Busca de mudanças")
    expect(bar).to_have_attribute("aria-valuenow", "40")
    choose(page, "#saude-agora", "o último dia")
    page.click("#saude-procurar")
    expect(page.locator("#saude-aviso")).to_contain_text("Já há uma busca em curso")
    shot(page, "saude-andamento")
    assert violations(page) == []
    choose(page, "#saude-qual", re.compile("estável"))
    expect(page.locator("#saude-quadro h3")).to_contain_text("Estável")
    store.jobs.finish(job.id, JobState.SUCCEEDED)
    expect(bar).to_have_count(0)
    expect(page.locator("#saude-quadro h3")).to_contain_text("Mudanças encontradas")


def test_the_report_is_read(new_user: NewUser, seeded: Served, shot: Shot) -> None:
    page = opened(new_user, 1280, 1500)
    drawn(page)
    board = page.locator("#saude-quadro")
    expect(board.locator("h3")).to_contain_text("Mudanças encontradas")
    first = board.locator(".quadro").first.locator("tbody tr").first
    expect(first).to_contain_text("Tempo de resposta")
    expect(first).to_contain_text("braço A")
    board.get_by_text("Exemplos").click()
    expect(board).to_contain_text("O Full aceita suplemento? Escreva para [")
    expect(page.locator("#saude-medida input")).to_have_value("Serviço · tempo de resposta")
    expect(page.locator("#saude-grafico .legend")).to_contain_text("mudou")
    assert page.locator(".modebar").count() == 0
    shot(page, "saude")
    assert violations(page) == []
    page.locator("#saude-acoes").scroll_into_view_if_needed()
    shot(page, "saude-acoes")
    page.locator("#saude-grafico").scroll_into_view_if_needed()
    shot(page, "saude-tendencia")
    choose(page, "#saude-medida", re.compile("sem resposta na base"))
    expect(page.locator("#saude-grafico .ytitle")).to_have_text("%")
    page.get_by_text("Os números do gráfico").click()
    expect(page.locator("#saude-numeros tbody tr")).to_have_count(2)
    page.locator("#saude-lacunas").scroll_into_view_if_needed()
    shot(page, "saude-lacunas")
    assert violations(page) == []
    with page.expect_download() as given:
        page.get_by_role("link", name="Baixar em CSV").click()
    assert '"suplemento, full",41' in given.value.path().read_text("utf-8-sig")
    page.click("#saude-base")
    expect(page.locator("#base-resumo")).to_contain_text("documentos em")


def test_evidently_s_document_is_drawn_in_a_frame_that_reaches_nothing(
    new_user: NewUser, seeded: Served, shot: Shot
) -> None:
    page = opened(new_user, 1280, 1100)
    asked: list[Request] = []
    failed: list[str] = []
    page.on("request", lambda request: asked.append(request))  # noqa: PLW0108  Playwright marks what it calls
    page.on("console", lambda said: failed.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: failed.append(str(error)))
    page.wait_for_timeout(300)
    assert not [one for one in asked if DOCUMENT in one.url], "read although nobody opened it"
    page.click("#saude-documento > button")
    frame = page.frame_locator("#saude-moldura iframe")
    expect(frame.get_by_text("latency").first).to_be_visible()
    expect(frame.get_by_text(re.compile("Dataset Drift is", re.I)).first).to_be_visible()
    page.wait_for_timeout(500)
    shot(page, "saude-documento")
    framed = [one.url for one in asked if one.frame != page.main_frame]
    assert [url.removeprefix(seeded.url) for url in framed if url.startswith("http")] == [DOCUMENT]
    inner = next(one for one in page.frames if one.url.endswith(DOCUMENT))
    # No origin of its own: neither cookies nor the page can be read, and no request leaves.
    assert inner.evaluate("window.origin") == "null"
    for tried in ("document.cookie", "window.parent.document.title", "localStorage.length"):
        assert inner.evaluate(
            f"() => {{ try {{ {tried}; return 'got' }} catch (e) {{ return e.name }} }}"
        ) == ("SecurityError")
    for address in (f"{seeded.url}/healthz", "https://exemplo.com/"):
        said = inner.evaluate("url => fetch(url, {mode: 'no-cors'}).then(() => 'got', e => e.name)", address)
        assert said == "TypeError"
    assert [line for line in failed if "exemplo.com" not in line and "/healthz" not in line] == []
    assert violations(page) == []
    with page.context.expect_page() as other:
        page.get_by_role("link", name="Abrir em outra aba").click()
    expect(other.value.get_by_text("latency").first).to_be_visible()
    assert other.value.evaluate("window.origin") == "null"


def test_an_action_leads_to_its_report_and_is_put_away(new_user: NewUser, seeded: Served, shot: Shot) -> None:
    store = seeded.runtime.store
    page = opened(new_user, 1280, 1000)
    choose(page, "#saude-qual", re.compile("estável"))
    expect(page.locator("#saude-quadro h3")).to_contain_text("Estável")
    cards = page.locator("#saude-acoes article")
    expect(cards).to_have_count(5)
    held = cards.filter(has_text="Promoção suspensa")
    held.get_by_role("button", name="Ver o relatório").click()
    expect(page.locator("#saude-quadro h3")).to_contain_text("Mudanças encontradas")
    expect(page.locator("#saude-qual input")).to_have_value(re.compile("4 mudanças"))
    held.get_by_role("button", name="Liberar a promoção").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#saude-aviso")).to_contain_text("Feito")
    expect(cards).to_have_count(4)
    assert store.reports.holds("modelos") == []
    page.get_by_text("Histórico (2)").click()
    expect(page.locator("#saude-acoes tbody tr")).to_have_count(2)
    page.locator("#saude-acoes").scroll_into_view_if_needed()
    shot(page, "saude-historico")
    assert violations(page) == []


@pytest.mark.parametrize("dark", [False, True])
def test_it_fits_a_phone(new_user: NewUser, seeded: Served, shot: Shot, dark: bool) -> None:
    page = opened(new_user, 390, 844, dark=dark)
    drawn(page)
    name = f"saude-celular-{'escuro' if dark else 'claro'}"
    shot(page, name)
    for part in ("#saude-acoes", "#saude-grafico", "#saude-lacunas"):
        page.locator(part).scroll_into_view_if_needed()
        shot(page, f"{name}{part.replace('#saude', '')}")
    box = page.locator("#saude-grafico .main-svg").first.bounding_box()
    assert box is not None
    assert 300 < box["width"] <= 390
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert violations(page) == []


def test_it_can_be_read_in_the_dark(new_user: NewUser, seeded: Served, shot: Shot) -> None:
    page = opened(new_user, 1280, 1400, dark=True)
    drawn(page)
    shot(page, "saude-escuro")
    fill = page.locator("#saude-grafico .ytick text").first.evaluate("text => getComputedStyle(text).fill")
    assert min(int(part) for part in re.findall(r"\d+", fill)[:3]) > 180, fill
    assert violations(page) == []


def test_who_does_not_administer_reads_and_changes_nothing(
    new_user: NewUser, served: Served, browser: Any, tmp_path: Path, shot: Shot
) -> None:
    # Published under a name, without a team: nobody administers.
    with serving_one(tmp_path, served.ollama, allowed_origins="https://exemplo.com") as public:
        store = public.runtime.store
        seeds.lived(store)
        context = browser.new_context(locale="pt-BR", viewport={"width": 1280, "height": 1400})
        page = context.new_page()
        page.goto(public.url)
        page.wait_for_selector("#exemplos button")
        page.get_by_role("tab", name="Saúde").click()
        expect(page.locator("#saude-quadro h3")).to_contain_text("Mudanças encontradas")
        drawn(page)
        for hidden in ("#saude-admin", "#saude-procurar", "#saude-documento", "#saude-base"):
            expect(page.locator(hidden)).to_be_hidden()
        expect(page.get_by_role("button", name="Marcar como visto")).to_have_count(0)
        expect(page.get_by_role("button", name="Ver o relatório").first).to_be_visible()
        assert "aceita suplemento" not in page.content()
        shot(page, "saude-visitante")
        answers = [
            called(page, "saude-procurar", ["7d", "28d", None]),
            called(page, "saude-acoes", [None, None], {"pede": "visto", "id": "hold-done"}),
        ]
        assert page.request.get(f"{public.url}{DOCUMENT}").status == 403
        context.close()
        assert all("Só quem administra" in answer for answer in answers), answers
        assert store.jobs.list() == []
        assert len(store.reports.actions(states=OPEN)) == 5
