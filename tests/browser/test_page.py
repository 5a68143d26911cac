"""The page in real Chromium: ask, watch, open a source, rate, reload; two users; phone; accessibility."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from melancia.ui.render import WAITING
from tests.browser.conftest import NewUser, Served

pytestmark = pytest.mark.browser

QUESTION = "Como ganho a buy box no Mercado Livre?"
Shot = Callable[[Page, str], None]


def ask(page: Page, question: str = QUESTION) -> None:
    """Type a question and send it."""
    page.fill("#pergunta textarea", question)
    page.click("#pergunta .submit-button")


def answered(page: Page, count: int = 1) -> None:
    """Wait until ``count`` answers are complete."""
    expect(page.locator("#chat .autoria")).to_have_count(count)
    expect(page.locator("#pergunta .submit-button")).to_be_visible()


def test_ask_watch_open_a_source_rate_comment_reload(new_user: NewUser, served: Served, shot: Shot) -> None:
    page = new_user()
    shot(page, "inicio")
    held = served.ollama.hold(0)
    lengths: list[int] = []
    page.expose_function("saw", lambda length: lengths.append(length))  # noqa: PLW0108 (Playwright tags it)
    page.evaluate(
        """() => new MutationObserver(() => {
             const bots = document.querySelectorAll('#chat [data-testid=bot]');
             if (bots.length) saw(bots[bots.length - 1].innerText.length);
           }).observe(document.querySelector('#chat'), {childList: true, subtree: true,
               characterData: true})"""
    )
    ask(page)
    expect(page.locator("#chat [data-testid=user]")).to_contain_text(QUESTION)
    growing = page.locator("#chat [data-testid=bot]")
    expect(growing).to_contain_text(WAITING)
    held.tokens = 4
    expect(growing).to_contain_text("A buy box do")
    held.release()
    answered(page)
    assert len(set(lengths)) >= 3, "the answer did not grow on the page"
    expect(page.locator("#chat .autoria")).to_contain_text("ollama:llama3.2:3b")
    shot(page, "conversa")

    details = page.locator("#chat details.fontes")
    expect(details).to_contain_text("Fontes (2)")
    details.locator("summary").click()
    expect(details.locator("strong").first).to_be_visible()
    shot(page, "fontes")

    page.get_by_title("Não gostei", exact=True).click()
    page.fill("#comentario-texto textarea", "Faltou um exemplo")
    shot(page, "comentario")
    page.click("#comentario-enviar")
    expect(page.locator("#aviso")).to_contain_text("Comentário guardado")
    expect(page.locator("#comentario")).to_be_hidden()

    page.reload()
    expect(page.locator("#chat [data-testid=user]")).to_contain_text(QUESTION)
    expect(page.locator("#chat [data-testid=bot]")).to_contain_text("preço final")
    expect(page.get_by_title("Não gostei (marcado)", exact=True)).to_have_count(1)
    rows = list(served.runtime.store.export_feedback())
    assert [(row["thumb"], row["comment"]) for row in rows] == [(-1, "Faltou um exemplo")]
    assert rows[0]["question"] == QUESTION


def test_a_thumb_stays_through_the_next_question_and_can_be_changed(
    new_user: NewUser, served: Served
) -> None:
    page = new_user()
    ask(page)
    answered(page)
    with told(page):
        page.get_by_title("Gostei", exact=True).click()
    expect(page.locator("#comentario")).to_be_hidden()
    expect(page.get_by_title("Gostei (marcado)", exact=True)).to_have_count(1)
    ask(page, "E no catálogo, como isso funciona?")
    answered(page, 2)
    expect(page.get_by_title("Gostei (marcado)", exact=True)).to_have_count(1)
    page.get_by_title("Não gostei", exact=True).first.click()
    expect(page.locator("#comentario")).to_be_visible()
    expect(page.get_by_title("Não gostei (marcado)", exact=True)).to_have_count(1)
    page.click("#comentario-pular")
    expect(page.locator("#comentario")).to_be_hidden()
    thumbs = [row["thumb"] for row in served.runtime.store.export_feedback() if row["comment"] is None]
    assert thumbs == [-1]
    with told(page):
        page.get_by_title("Não gostei (marcado)", exact=True).click()
    expect(page.get_by_title("Não gostei (marcado)", exact=True)).to_have_count(0)
    page.reload()
    expect(page.locator("#chat .autoria")).to_have_count(2)
    expect(page.get_by_title("Não gostei (marcado)", exact=True)).to_have_count(0)


def test_stop_keeps_what_was_said_and_cancels_the_model(new_user: NewUser, served: Served) -> None:
    page = new_user()
    served.ollama.faults.set(times=1, stall_after_tokens=5)
    ask(page)
    expect(page.locator("#chat [data-testid=bot]")).to_contain_text("buy box")
    page.click("#pergunta .stop-button")
    expect(page.locator("#chat")).to_contain_text("Você interrompeu esta resposta")
    expect(page.locator("#pergunta .submit-button")).to_be_visible()
    assert served.ollama.wait_for(lambda record: record.disconnected)
    ask(page)
    answered(page, 2)


def test_retry_asks_the_same_question_again(new_user: NewUser) -> None:
    page = new_user()
    ask(page)
    answered(page)
    page.get_by_title("Tentar novamente", exact=True).click()
    answered(page, 2)
    expect(page.locator("#chat [data-testid=user]").last).to_contain_text(QUESTION)


def test_an_example_and_a_new_conversation(new_user: NewUser) -> None:
    page = new_user()
    page.click("#exemplos button >> nth=2")
    answered(page)
    expect(page.locator("#exemplos")).to_be_hidden()
    page.click("#nova")
    expect(page.locator("#chat [data-testid=user]")).to_have_count(0)
    expect(page.locator("#exemplos")).to_be_visible()


def test_a_dead_model_falls_back_and_the_page_says_so(new_user: NewUser, served: Served) -> None:
    page = new_user()
    served.ollama.faults.set(times=1, http_500=True)
    ask(page)
    answered(page)
    expect(page.locator("#chat .autoria")).to_contain_text("extrativo")
    expect(page.locator("#chat .autoria")).to_contain_text("no lugar de ollama:llama3.2:3b")


def test_out_of_scope_is_refused_with_suggestions(new_user: NewUser) -> None:
    page = new_user()
    ask(page, "Qual é a receita de bolo de cenoura?")
    answered(page)
    expect(page.locator("#chat [data-testid=bot]")).to_contain_text("Não encontrei isso na base")


def test_two_users_never_see_each_others_memory(new_user: NewUser, served: Served) -> None:
    ana, bia = new_user(), new_user()
    ask(ana)
    answered(ana)
    bia.reload()
    bia.wait_for_selector("#exemplos button")
    expect(bia.locator("#chat [data-testid=user]")).to_have_count(0)
    ask(bia, "E como isso funciona no catálogo do Mercado Livre?")
    answered(bia)
    sent = served.ollama.requests[-1].body["messages"]
    assert QUESTION not in str(sent)
    ana.reload()
    expect(ana.locator("#chat [data-testid=user]")).to_have_count(1)


def test_what_a_model_writes_cannot_become_elements(new_user: NewUser, served: Served) -> None:
    served.ollama.set_script(
        "<div style='position:fixed;inset:0' id='overlay'>x</div> <img src='http://example.com/a.png'> "
        "![i](http://example.com/b.png) <form action='http://example.com'><button>ok</button></form> "
        "<script>window.hacked=1</script> [clique](javascript:window.hacked=1) fim [1]"
    )
    page = new_user()
    ask(page)
    answered(page)
    assert page.locator("#overlay, #chat form, #chat [data-testid=bot] img").count() == 0
    assert page.evaluate("window.hacked") is None
    assert page.locator("#chat a[href^='javascript:']").count() == 0


@pytest.mark.parametrize("dark", [False, True])
def test_a_phone_does_not_scroll_sideways(new_user: NewUser, shot: Shot, dark: bool) -> None:
    page = new_user(390, 844, dark=dark)
    ask(page)
    answered(page)
    page.click("#chat details.fontes summary")
    shot(page, f"celular-{'escuro' if dark else 'claro'}")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    box = page.get_by_title("Gostei", exact=True).bounding_box()
    assert box is not None
    assert min(box["width"], box["height"]) >= 32


@pytest.mark.parametrize("dark", [False, True])
def test_axe_finds_no_serious_violation(new_user: NewUser, shot: Shot, dark: bool) -> None:
    page = new_user(dark=dark)
    assert violations(page) == []
    ask(page)
    answered(page)
    page.click("#chat details.fontes summary")
    page.get_by_title("Não gostei", exact=True).click()
    expect(page.locator("#comentario")).to_be_visible()
    page.click("#como-funciona button")
    shot(page, f"resposta-{'escura' if dark else 'clara'}")
    assert violations(page) == []


@contextmanager
def told(page: Page) -> Iterator[None]:
    """What is pressed shows at once, and is kept when the server has answered: wait for that, too."""
    with page.expect_response(re.compile("/gradio_api/run/")):
        yield


def violations(page: Page) -> list[tuple[str, Any]]:
    """What axe finds, of what matters, once nothing moves: it measures the colours of just then."""
    page.evaluate(
        """() => Promise.allSettled(document.getAnimations()
             .filter(one => one.playState === 'running')
             .filter(one => one.effect.getComputedTiming().endTime !== Infinity)
             .map(one => one.finished))"""
    )
    found = Axe().run(page).response["violations"]
    return [
        (
            item["id"],
            [
                (node["html"][:160], node["any"][0]["message"] if node["any"] else "")
                for node in item["nodes"]
            ][:3],
        )
        for item in found
        if item["impact"] in ("serious", "critical")
    ]
