"""The tab "Base de conhecimento" in real Chromium: read, search; send, index and remove as administrator."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import NewUser, Served
from tests.browser.test_page import violations

pytestmark = pytest.mark.browser

Shot = Callable[[Page, str], None]


def opened(new_user: NewUser) -> Page:
    """The page with the tab open."""
    page = new_user()
    page.get_by_role("tab", name="Base de conhecimento").click()
    expect(page.locator("#base-resumo")).to_contain_text("documentos em")
    return page


def test_the_knowledge_base_can_be_searched_and_read(new_user: NewUser, shot: Shot) -> None:
    page = opened(new_user)
    page.fill("#base-busca textarea", "prazo do Full")
    page.click("#base-busca .submit-button")
    expect(page.locator("#base-resultados")).to_contain_text("Mercado Envios")
    page.click("#base-documento input")
    page.get_by_role("option", name="Fundamentos · O que é Retail Media").click()
    expect(page.locator("#base-artigo h1")).to_contain_text("O que é Retail Media")
    expect(page.locator("#base-artigo table").first).to_be_visible()
    expect(page.get_by_role("listbox")).to_have_count(0)
    shot(page, "base")
    assert page.locator("#base-artigo a[href$='.md']").count() == 0
    assert violations(page) == []


def test_an_administrator_sends_a_file_sees_what_it_adds_and_removes_it(
    new_user: NewUser, served: Served, shot: Shot, tmp_path: Path
) -> None:
    note = tmp_path / "Manual da loja azul.md"
    note.write_text("# Manual da loja azul\n\nA loja azul despacha às terças e quintas.\n", encoding="utf-8")
    page = opened(new_user)
    page.set_input_files("#base-admin input[type=file]", note)
    expect(page.locator("#base-andamento")).to_contain_text("1 novos")
    page.get_by_role("button", name="O que cada documento contribui").click()
    row = page.locator("#base-tabela tr", has_text="Manual da loja azul")
    expect(row).to_have_count(1)
    shot(page, "base-admin")
    assert violations(page) == []
    found = served.runtime.index.retriever.search("quando a loja azul despacha?")
    assert found.passages[0].title == "Manual da loja azul"

    page.click("#base-remover input")
    page.get_by_role("option", name="Manual da loja azul").click()
    page.click("#base-remover-botao")
    expect(page.locator("#base-andamento")).to_contain_text("Removido da base: Manual da loja azul")
    expect(row).to_have_count(0)


def test_what_cannot_be_indexed_is_said_on_the_page(new_user: NewUser, tmp_path: Path) -> None:
    page = opened(new_user)
    page.fill("#base-endereco textarea", "http://127.0.0.1:1/segredo")
    page.click("#base-endereco .submit-button")
    expect(page.locator("#base-andamento")).to_contain_text("rede interna")
    bad = tmp_path / "quebrado.pdf"
    bad.write_text("isto não é um PDF")
    page.set_input_files("#base-admin input[type=file]", bad)
    expect(page.locator("#base-andamento")).to_contain_text("quebrado.pdf: não é um PDF")
    page.fill("#base-endereco textarea", "minha pagina")
    page.click("#base-endereco .submit-button")
    expect(page.locator("#base-andamento")).to_contain_text("não é um endereço")
