"""Drafts with their final answers, the prompt for a rating, and a visitor who leaves, in real Chromium."""

import time
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from melancia.mlops import policies
from melancia.records import Arm, FinishReason, Policy, PolicyMode, Variant
from tests.browser.conftest import NewUser, Served, serving
from tests.browser.test_page import QUESTION, ask, told, violations
from tests.standins.ollama import OllamaStandin

pytestmark = pytest.mark.browser

Shot = Callable[[Page, str], None]
A, B = Variant("ollama", "a:1b"), Variant("ollama", "b:1b")
DRAFT, FINAL = "Preço e prazo [1].", "Preço final, prazo, parcelas e reputação [1][2]."


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """An application of this module's own, with a hybrid experiment, that asks about every answer."""
    with (
        OllamaStandin(models=["a:1b", "b:1b"]) as ollama,
        serving(tmp_path_factory.mktemp("hibrido"), ollama, variant="ollama:a:1b", rating_prompt=1.0) as made,
    ):
        arms = (Arm("A", A), Arm("B", B))
        wanted = Policy("dois", arms, "", mode=PolicyMode.HYBRID, author="teste", reason="ver")
        policies.create(made.runtime.store, wanted)
        yield made


@pytest.fixture(autouse=True)
def _two_voices(served: Served, _calm: None) -> None:
    served.ollama.set_script(DRAFT, "a:1b")
    served.ollama.set_script(FINAL, "b:1b")


def answered(page: Page, count: int) -> None:
    """Wait until ``count`` answers are complete."""
    expect(page.locator("#chat .autoria")).to_have_count(count)
    expect(page.locator("#pergunta .submit-button")).to_be_visible()


def test_the_final_answer_is_asked_for_and_rated_apart(new_user: NewUser, served: Served, shot: Shot) -> None:
    page = new_user()
    expect(page.locator("#final")).to_be_hidden()
    ask(page)
    answered(page, 1)
    expect(page.locator("#chat .autoria")).to_contain_text("Rascunho de ollama:a:1b")
    expect(page.locator("#final")).to_be_visible()
    page.wait_for_timeout(400)  # a new message fades in, and axe measures what it sees
    shot(page, "hibrido-rascunho")
    assert violations(page) == []
    page.click("#final")
    answered(page, 2)
    expect(page.locator("#chat .autoria").last).to_contain_text("Resposta final de ollama:b:1b")
    expect(page.locator("#final")).to_be_hidden()
    with told(page):
        page.get_by_title("Não gostei", exact=True).first.click()
    expect(page.get_by_title("Não gostei (marcado)", exact=True)).to_have_count(1)
    with told(page):
        page.get_by_title("Gostei", exact=True).last.click()
    expect(page.get_by_title("Gostei (marcado)", exact=True)).to_have_count(1)
    shot(page, "hibrido-final")
    page.reload()
    expect(page.locator("#chat [data-testid=user]")).to_have_count(2)
    rated = {row["answer"]: row["thumb"] for row in served.runtime.store.export_feedback()}
    assert rated[DRAFT] == -1
    assert rated[FINAL] == 1
    # Trying again asks for another final answer, and not the button's words.
    page.get_by_title("Tentar novamente", exact=True).last.click()
    answered(page, 3)
    assert {row.interaction_id for row in served.runtime.store.outcomes.of("dois") if row.arm == "B"}
    expect(page.locator("#chat .autoria").last).to_contain_text("Resposta final de ollama:b:1b")


def test_a_draft_without_sources_is_followed_by_its_final_answer(new_user: NewUser, served: Served) -> None:
    served.ollama.set_script("Não cito nada.", "a:1b")
    page = new_user()
    ask(page)
    answered(page, 2)
    expect(page.locator("#chat [data-testid=user]").last).to_contain_text("o rascunho não citou fontes")
    expect(page.locator("#chat [data-testid=bot]").last).to_contain_text("parcelas e reputação")
    expect(page.locator("#final")).to_be_hidden()


def test_the_prompt_is_answered_by_keyboard_and_can_be_ignored(
    new_user: NewUser, served: Served, shot: Shot
) -> None:
    page = new_user()
    expect(page.locator("#pedido")).to_be_hidden()
    ask(page)
    answered(page, 1)
    expect(page.locator("#pedido")).to_contain_text("Esta resposta ajudou?")
    shot(page, "pedido")
    ask(page, "O que é ACOS?")  # ignored
    answered(page, 2)
    expect(page.locator("#pedido")).to_be_visible()
    page.get_by_role("button", name="Não ajudou").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#pedido")).to_be_hidden()
    expect(page.locator("#comentario")).to_be_visible()
    expect(page.get_by_title("Não gostei (marcado)", exact=True)).to_have_count(1)
    page.fill("#comentario-texto textarea", "Faltou a fórmula")
    page.click("#comentario-enviar")
    expect(page.locator("#aviso")).to_contain_text("Comentário guardado")
    rows = [row for row in served.runtime.store.export_feedback() if row["question"] == "O que é ACOS?"]
    assert [(row["thumb"], row["comment"], row["asked"]) for row in rows] == [(-1, "Faltou a fórmula", True)]
    page.reload()
    expect(page.locator("#chat .autoria")).to_have_count(2)
    expect(page.locator("#pedido")).to_be_hidden()


def test_the_prompt_fits_a_phone(new_user: NewUser, shot: Shot) -> None:
    page = new_user(390, 780, dark=True)
    ask(page)
    answered(page, 1)
    page.wait_for_timeout(400)
    shot(page, "pedido-telefone")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert violations(page) == []


def test_who_leaves_while_a_model_is_silent_ends_its_answer(new_user: NewUser, served: Served) -> None:
    page = new_user()
    served.ollama.faults.set(times=1, stall_after_tokens=2)
    known = {id(record) for record in served.ollama.requests}
    ask(page, f"{QUESTION} Estou de saída.")
    expect(page.locator("#chat [data-testid=bot]")).to_contain_text("Preço")
    page.close()
    assert served.ollama.wait_for(lambda record: id(record) not in known and record.disconnected)

    def stopped() -> list[str]:
        rows = served.runtime.store.outcomes.unscored(1000)
        assert all("Estou de saída" not in row.question for row in rows)
        with served.runtime.store._engine.connect() as connection:
            query = "SELECT finish_reason FROM interactions WHERE question LIKE '%Estou de saída%'"
            return [row[0] for row in connection.exec_driver_sql(query)]

    until = time.monotonic() + 60
    while stopped() == [FinishReason.RUNNING.value] and time.monotonic() < until:
        time.sleep(0.05)
    assert stopped() == [FinishReason.CANCELLED.value]
