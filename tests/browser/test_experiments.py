"""The tab "Experimentos" in real Chromium, on a real store: create, read, pause, promote, roll back."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from melancia.mlops import policies, verdicts
from melancia.records import PolicyMode, PolicyState
from tests.browser.conftest import NewUser, Served
from tests.browser.test_benchmarks import choose
from tests.browser.test_jobs import MODEL, called, serving_one
from tests.browser.test_page import violations
from tests.clock import later
from tests.standins.ollama import OllamaStandin
from tests.ui.experiments import NAME, begun, lived

pytestmark = pytest.mark.browser

Shot = Callable[[Page, str], None]
NEW = "prompt-curto"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """An application of this module's own."""
    with (
        OllamaStandin(models=[MODEL]) as ollama,
        serving_one(tmp_path_factory.mktemp("experimentos"), ollama) as made,
    ):
        yield made


def opened(new_user: NewUser, *size: int, dark: bool = False) -> Page:
    """The page with the tab open."""
    page = new_user(*size, dark=dark)
    page.get_by_role("tab", name="Experimentos").click()
    expect(page.locator("#exp-quadro")).not_to_be_empty()
    page.wait_for_timeout(400)  # colours of the chosen tab fade in, and axe measures what it sees
    return page


def drawn(page: Page) -> None:
    """Wait until both charts are there."""
    for chart in ("#exp-grafico", "#exp-outras"):
        expect(page.locator(f"{chart} .js-plotly-plot .main-svg").first).to_be_visible()


def test_an_experiment_is_created_on_the_page(new_user: NewUser, served: Served, shot: Shot) -> None:
    page = opened(new_user)
    expect(page.locator("#exp-quadro")).to_contain_text("Nenhum experimento foi criado")
    expect(page.locator("#exp-mudar")).to_be_hidden()
    assert violations(page) == []
    page.click("#exp-novo > button")
    page.fill("#exp-nome textarea", NEW)
    choose(page, "#exp-modelo-A", f"ollama:{MODEL}")
    choose(page, "#exp-modelo-B", "extractive")
    page.fill("#exp-peso-B textarea", "30")
    page.click("#exp-continuar-novo")
    expect(page.locator("#exp-aviso")).to_contain_text("Falta dizer por quê")
    page.fill("#exp-motivo-novo textarea", "Ver se o extrativo basta")
    page.click("#exp-protecoes > button")
    page.fill("#exp-limite-p95_latency textarea", "20")
    page.click("#exp-continuar-novo")
    expect(page.locator("#exp-confirmar")).to_have_text(f"Sim, começar {NEW}")
    assert served.runtime.store.policies.list() == []
    shot(page, "experimentos-criar")
    assert violations(page) == []
    page.click("#exp-cancelar")
    expect(page.locator("#exp-confirmacao")).to_be_hidden()
    page.click("#exp-continuar-novo")
    page.click("#exp-confirmar")
    expect(page.locator("#exp-aviso")).to_contain_text(f"Feito: {NEW}, versão 1")
    expect(page.locator("#exp-quadro")).to_contain_text("em andamento")
    expect(page.locator("#exp-quadro")).to_contain_text("Ainda não há veredito")
    (made,) = served.runtime.store.policies.list()
    assert [(arm.variant.label, arm.weight) for arm in made.arms] == [
        (f"ollama:{MODEL}", 50.0),
        ("extractive:extractive", 30.0),
    ]
    assert made.guardrails == {"p95_latency": 20.0}
    assert made.author.startswith("página (")
    assert violations(page) == []


def test_its_figures_are_read_and_it_is_paused_promoted_and_rolled_back(
    new_user: NewUser, served: Served, shot: Shot
) -> None:
    store = served.runtime.store
    policies.end(store, NEW, "teste", "dar lugar")
    lived(store, begun(store))
    with later():
        kept = verdicts.conclude(store, NAME)
    page = opened(new_user, 1280, 1440)
    drawn(page)
    expect(page.locator("#exp-quadro .exp-veredito")).to_have_text(kept.verdict.text)
    arms = page.locator("#exp-quadro .quadro").first.locator("tbody tr")
    expect(arms).to_have_count(2)
    expect(arms.nth(1)).to_contain_text("openai:gpt-4o-mini")
    expect(arms.nth(1)).to_contain_text("prompt v1, temperatura 0,2, 5 trechos")
    expect(page.locator("#exp-checagens")).to_contain_text("É a do sorteio")
    expect(page.locator("#exp-diferenca")).to_contain_text("leitura bayesiana, secundária")
    assert page.locator(".modebar").count() == 0
    ticks = page.locator("#exp-grafico .xtick text").all_text_contents()
    assert any(re.match(r"\d\d/\d\d", tick) for tick in ticks), ticks
    shot(page, "experimentos")
    page.locator("#exp-grafico").scroll_into_view_if_needed()
    shot(page, "experimentos-grafico")
    page.locator("#exp-outras").scroll_into_view_if_needed()
    shot(page, "experimentos-outras")
    page.locator("#exp-checagens").scroll_into_view_if_needed()
    shot(page, "experimentos-checagens")
    assert violations(page) == []

    page.click("#exp-mudar > button")
    change(page, "Pausar um braço", "fica lento à noite", arm="B")
    expect(page.locator("#exp-efeito")).to_contain_text("as dele vão para os outros")
    shot(page, "experimentos-confirmar")
    assert violations(page) == []
    page.get_by_role("button", name="Sim, pausar B").click()
    expect(page.locator("#exp-aviso")).to_contain_text("versão 2")
    expect(page.locator("#exp-quadro")).to_contain_text("B em pausa")
    assert policies.newest(store, NAME).arm("B").paused  # type: ignore[union-attr]

    change(page, "Promover um braço: dá-lo a todos", "mais aprovado", arm="B")
    page.get_by_role("button", name="Sim, dar B a todos").click()
    expect(page.locator("#exp-quadro .etiqueta").first).to_have_text("todos com B")
    assert policies.newest(store, NAME).mode is PolicyMode.FORCED

    change(page, "Voltar a uma versão anterior", "cedo demais", version=re.compile(r"^1 · "))
    page.get_by_role("button", name="Sim, voltar à versão 1").click()
    expect(page.locator("#exp-quadro .etiqueta").first).to_have_text("em andamento")
    now = policies.newest(store, NAME)
    assert (now.version, now.mode, now.reason) == (4, PolicyMode.STICKY, "cedo demais")
    history = page.locator("#exp-historico .quadro").first.locator("tbody tr")
    expect(history).to_have_count(4)
    expect(history.nth(1)).to_contain_text("em andamento → todos com B")
    page.locator("#exp-historico").scroll_into_view_if_needed()
    shot(page, "experimentos-historico")
    assert violations(page) == []


def test_what_changed_meanwhile_is_not_overwritten(new_user: NewUser, served: Served) -> None:
    store = served.runtime.store
    page = opened(new_user)
    page.click("#exp-mudar > button")
    change(page, "Encerrar o experimento", "acabou")
    policies.pause(store, NAME, "outra pessoa", "espera")
    page.click("#exp-confirmar")
    expect(page.locator("#exp-aviso")).to_contain_text("mudou enquanto isso")
    expect(page.locator("#exp-quadro .etiqueta").first).to_have_text("pausado")
    assert policies.newest(store, NAME).state is PolicyState.PAUSED


@pytest.mark.parametrize("dark", [False, True])
def test_it_fits_a_phone(new_user: NewUser, served: Served, shot: Shot, dark: bool) -> None:
    page = opened(new_user, 390, 844, dark=dark)
    drawn(page)
    name = f"experimentos-celular-{'escuro' if dark else 'claro'}"
    shot(page, name)
    for part in ("#exp-grafico", "#exp-outras"):
        page.locator(part).scroll_into_view_if_needed()
        shot(page, f"{name}{part.replace('#exp', '')}")
        box = page.locator(f"{part} .main-svg").first.bounding_box()
        assert box is not None
        assert 300 < box["width"] <= 390
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert violations(page) == []


def test_the_charts_can_be_read_in_the_dark(new_user: NewUser, served: Served, shot: Shot) -> None:
    page = opened(new_user, 1280, 1000, dark=True)
    drawn(page)
    page.locator("#exp-grafico").scroll_into_view_if_needed()
    shot(page, "experimentos-escuro")
    fill = page.locator("#exp-grafico .ytick text").first.evaluate("text => getComputedStyle(text).fill")
    assert min(int(part) for part in re.findall(r"\d+", fill)[:3]) > 180, fill


def test_who_does_not_administer_reads_and_changes_nothing(
    new_user: NewUser, served: Served, browser: Any, tmp_path: Path, shot: Shot
) -> None:
    # Published under a name, without a team: nobody administers.
    with serving_one(tmp_path, served.ollama, allowed_origins="https://exemplo.com", blind=True) as public:
        store = public.runtime.store
        lived(store, begun(store), users=60, steps=3)
        context = browser.new_context(locale="pt-BR", viewport={"width": 1280, "height": 860})
        page = context.new_page()
        page.goto(public.url)
        page.wait_for_selector("#exemplos button")
        page.get_by_role("tab", name="Experimentos").click()
        expect(page.locator("#exp-quadro")).to_contain_text("em andamento")
        drawn(page)
        expect(page.locator("#exp-quadro")).not_to_contain_text("gpt-4o")
        expect(page.locator("#exp-historico")).not_to_contain_text("gpt-4o")
        for hidden in ("#exp-admin", "#exp-confirmar", "#exp-concluir", "#exp-continuar"):
            expect(page.locator(hidden)).to_be_hidden()
        shot(page, "experimentos-visitante")
        # A list takes only what this page was offered, which is nothing.
        fields = ["x", *(None, "v1", "0", "5", "1") * 2]
        answers = [
            called(page, "exp-continuar", [None, "end", None, "", None, "", None, "quero"]),
            called(page, "exp-continuar-novo", [*fields, "sticky", "0,1", "", "", "", "", "", "quero"]),
            called(page, "exp-confirmar", [None, None]),
            called(page, "exp-concluir", [None]),
        ]
        context.close()
        assert all("Só quem administra pode mudar experimentos" in answer for answer in answers), answers
        assert [policy.version for policy in store.policies.list()] == [1]


def change(page: Page, what: str, why: str, *, arm: str = "", version: re.Pattern[str] | None = None) -> None:
    """Choose a change and go on to its confirmation."""
    choose(page, "#exp-oque", what)
    if arm:
        choose(page, "#exp-braco", arm)
    if version:
        choose(page, "#exp-versao", version)
    page.fill("#exp-motivo textarea", why)
    page.click("#exp-continuar")
    expect(page.locator("#exp-confirmacao")).to_be_visible()
