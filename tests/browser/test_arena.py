"""The tab "Arena" in real Chromium: two models of a stand-in Ollama answer, blind until the vote."""

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from playwright.sync_api import Browser, Page, expect

from melancia.mlops import policies, rankings
from melancia.records import Arm, Policy, Variant
from melancia.store.duels import Duel, DuelState, Winner
from melancia.store.tables import duels
from melancia.ui.arena_sides import SIDES
from tests.browser.conftest import NewUser, Served, serving
from tests.browser.test_jobs import serving_one
from tests.browser.test_page import violations
from tests.standins.ollama import OllamaStandin, Scripted
from tests.store.samples import answered, question

pytestmark = pytest.mark.browser

Shot = Callable[[Page, str], None]
QUESTION = "Como ganho a buy box no Mercado Livre?"
LLAMA, QWEN = Variant("ollama", "llama3.2:3b"), Variant("ollama", "qwen2.5:1.5b")
TEXTS = {
    LLAMA.model: "A buy box depende do **preço final** [1].\n\n- envio pelo Full [1];\n- reputação [2].",
    QWEN.model: "Ganha quem tem Full, parcelas sem juros e **estoque contínuo** [1].",
}
NAMES = re.compile("llama|qwen|ollama", re.IGNORECASE)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """An application of this module's own, with an experiment of two models."""
    with (
        OllamaStandin(Scripted(token_delay=0.02), models=list(TEXTS)) as ollama,
        serving(tmp_path_factory.mktemp("arena"), ollama) as made,
    ):
        arms = (Arm("A", LLAMA), Arm("B", QWEN))
        policies.create(made.runtime.store, Policy("modelos", arms, "", author="teste", reason="comparar"))
        yield made


@pytest.fixture(autouse=True)
def _two_voices(served: Served, _calm: None) -> None:
    for model, text in TEXTS.items():
        served.ollama.set_script(text, model)


def opened(new_user: NewUser, *size: int, dark: bool = False) -> Page:
    """The page with the tab open."""
    page = new_user(*size, dark=dark)
    arena(page)
    return page


def arena(page: Page) -> None:
    """Open the tab."""
    page.get_by_role("tab", name="Arena").click()
    expect(page.locator("#arena-ranking")).to_contain_text(re.compile("voto"))
    page.wait_for_timeout(400)  # colours of the chosen tab fade in, and axe measures what it sees


def ask(page: Page, text: str = QUESTION) -> None:
    """Type a question and send it."""
    page.fill("#arena-pergunta textarea", text)
    page.click("#arena-pergunta .submit-button")


def asked_slowly(page: Page, served: Served) -> None:
    """Ask; each answer is held until its first words have been seen, however busy the machine is."""
    begun = re.compile("A buy box|Ganha quem tem")
    left = served.ollama.hold(3)
    ask(page)
    expect(page.locator("#arena-respostas")).to_be_visible()
    expect(page.locator("#arena-votos")).to_be_hidden()
    expect(page.locator("#arena-a")).to_contain_text(begun)
    right = served.ollama.hold(3)
    left.release()
    expect(page.locator("#arena-b")).to_contain_text(begun)
    right.release()


def to_be_voted_on(page: Page) -> None:
    """Wait until both answers are complete."""
    expect(page.locator("#arena-votos")).to_be_visible()
    expect(page.locator("#arena-pergunta .submit-button")).to_be_visible()


def being_answered(served: Served) -> int:
    """How many duels are being answered."""
    with served.runtime.store.votes._engine.connect() as connection:
        query = sa.select(sa.func.count()).select_from(duels).where(duels.c.state == "answering")
        return int(connection.execute(query).scalar_one())


def newest(served: Served) -> Duel:
    """The duel that was voted on last."""
    return list(served.runtime.store.votes.voted())[-1]


def test_a_duel_is_blind_until_the_vote_and_then_revealed(
    new_user: NewUser, served: Served, shot: Shot
) -> None:
    page = opened(new_user)
    assert violations(page) == []
    page.evaluate("""() => {
        window.heard = '';
        const read = window.fetch;
        window.fetch = async (...given) => {
          const answer = await read(...given);
          const copy = answer.clone();
          const reader = copy.body && copy.body.getReader();
          if (reader) (async () => {
            const decoder = new TextDecoder();
            for (;;) {
              const {done, value} = await reader.read();
              if (done) break;
              window.heard += decoder.decode(value, {stream: true});
            }
          })();
          return answer;
        };
    }""")
    lengths: list[tuple[int, int]] = []
    page.expose_function("saw", lambda a, b: lengths.append((a, b)))
    page.evaluate("""() => new MutationObserver(() => {
        const of = side => document.querySelector('#arena-' + side)?.innerText.length ?? 0;
        saw(of('a'), of('b'));
    }).observe(document.querySelector('#aba-arena, body'), {childList: true, subtree: true,
        characterData: true})""")
    joined: list[str] = []
    page.on("request", lambda sent: joined.append(sent.url) if "queue/join" in sent.url else None)
    asked_slowly(page, served)
    to_be_voted_on(page)
    assert len(joined) == 2, "the limit of questions counts these requests: a duel is two questions"
    assert len({a for a, _ in lengths}) >= 3, "the left answer did not grow on the page"
    assert len({b for _, b in lengths}) >= 3, "the right answer did not grow on the page"
    shown = {side: page.locator(f"#arena-{side}").inner_text() for side in "ab"}
    assert {"preço final" in shown["a"], "preço final" in shown["b"]} == {True, False}
    expect(page.locator("#arena-a details.fontes")).to_contain_text("Fontes")
    heard = page.evaluate("window.heard")
    assert "preço final" in heard or "pre\\u00e7o final" in heard, "the stream was not overheard"
    assert NAMES.findall(heard) == []
    assert not re.search(r"\d,\d s", page.locator("#arena-respostas").inner_text())
    shot(page, "arena-antes")
    assert violations(page) == []

    page.reload()
    arena(page)
    to_be_voted_on(page)
    assert {side: page.locator(f"#arena-{side}").inner_text() for side in "ab"} == shown
    assert NAMES.search(page.locator("#arena-respostas").inner_html()) is None
    assert page.locator("#arena-revelacao").inner_text().strip() == ""

    page.click("#arena-voto-a")
    reveal = page.locator("#arena-revelacao")
    expect(reveal).to_contain_text("Seu voto: a resposta A é melhor")
    expect(page.locator("#arena-votos")).to_be_hidden()
    duel = newest(served)
    assert duel.winner is Winner.LEFT
    assert (duel.experiment, duel.question) == ("modelos", QUESTION)
    cards = reveal.locator("article")
    for card, side, text in ((0, duel.left, shown["a"]), (1, duel.right, shown["b"])):
        expect(cards.nth(card)).to_contain_text(f"ollama:{side.variant.model}")
        expect(cards.nth(card)).to_contain_text("Tempo total")
        assert ("preço final" in text) == (side.variant == LLAMA)
    assert violations(page) == []
    reveal.scroll_into_view_if_needed()
    shot(page, "arena-revelada")

    # What was asked here is no part of the chat, and of no experiment's statistics.
    page.reload()
    page.wait_for_selector("#exemplos button")
    expect(page.locator("#chat [data-testid=user]")).to_have_count(0)
    assert list(served.runtime.store.outcomes.of("modelos")) == []
    arena(page)
    expect(page.locator("#arena-respostas")).to_be_hidden()


def test_a_side_that_fails_makes_the_duel_void(new_user: NewUser, served: Served) -> None:
    page = opened(new_user)
    before = served.runtime.store.votes.count()
    served.ollama.faults.set(times=1, http_500=True)
    ask(page)
    expect(page.locator("#arena-aviso")).to_contain_text("o duelo foi anulado")
    expect(page.locator("#arena-votos")).to_be_hidden()
    expect(page.locator("#arena-respostas")).to_be_hidden()
    assert NAMES.search(page.locator("#arena-aviso").inner_text()) is None
    expect(page.locator("#arena-pergunta textarea")).to_have_value(QUESTION)
    page.click("#arena-pergunta .submit-button")
    to_be_voted_on(page)
    page.click("#arena-voto-ruins")
    expect(page.locator("#arena-revelacao")).to_contain_text("ambas ruins")
    assert served.runtime.store.votes.count() == before + 1


def test_stop_ends_both_answers_and_voids_the_duel(new_user: NewUser, served: Served) -> None:
    page = opened(new_user)
    served.ollama.faults.set(times=1, stall_after_tokens=3)
    known = {id(record) for record in served.ollama.requests}
    ask(page)
    expect(page.locator("#arena-a")).to_contain_text(re.compile("buy box|Ganha quem"))
    page.click("#arena-pergunta .stop-button")
    expect(page.locator("#arena-aviso")).to_contain_text("Você interrompeu")
    assert served.ollama.wait_for(lambda record: id(record) not in known and record.disconnected)
    expect(page.locator("#arena-pergunta .submit-button")).to_be_visible()
    page.reload()
    arena(page)
    expect(page.locator("#arena-respostas")).to_be_hidden()


def test_who_leaves_ends_the_answers(new_user: NewUser, served: Served) -> None:
    page = opened(new_user)
    served.ollama.faults.set(times=1, stall_after_tokens=3)
    known = {id(record) for record in served.ollama.requests}
    ask(page)
    expect(page.locator("#arena-a")).to_contain_text(re.compile("buy box|Ganha quem"))
    page.close()  # while the model stalls
    assert served.ollama.wait_for(lambda record: id(record) not in known and record.disconnected)
    assert len(served.ollama.requests) == len(known) + 1, "the other side was asked although nobody waits"
    until = time.monotonic() + 60
    while being_answered(served) and time.monotonic() < until:
        time.sleep(0.05)
    assert being_answered(served) == 0


def test_a_duel_beyond_the_limit_is_refused_and_the_page_goes_on(
    served: Served, browser: Browser, tmp_path: Path
) -> None:
    with serving_one(
        tmp_path, served.ollama, fallbacks=f"ollama:{LLAMA.model}", questions_per_minute=3
    ) as one:
        context = browser.new_context(locale="pt-BR")
        page = context.new_page()
        page.goto(one.url)
        page.wait_for_selector("#exemplos button")
        arena(page)
        ask(page, "O que é o ACOS no Mercado Livre?")
        to_be_voted_on(page)
        ask(page, "O que é Retail Media?")
        expect(page.get_by_text("Muitas perguntas em pouco tempo")).to_be_visible()
        # The first duel is still there, and votes are no questions.
        expect(page.locator("#arena-aviso")).to_contain_text("Qual é melhor?")
        page.click("#arena-voto-a")
        expect(page.locator("#arena-revelacao")).to_contain_text("extrativo")
        expect(page.locator("#arena-pergunta .submit-button")).to_be_visible()
        context.close()


def test_a_question_without_evidence_is_no_duel(new_user: NewUser) -> None:
    page = opened(new_user)
    ask(page, "Qual é a receita de bolo de cenoura?")
    expect(page.locator("#arena-aviso")).to_contain_text("Não há o que comparar")
    expect(page.locator("#arena-votos")).to_be_hidden()


def test_what_a_model_writes_cannot_become_elements(new_user: NewUser, served: Served) -> None:
    served.ollama.set_script(
        "<div style='position:fixed;inset:0' id='overlay'>x</div> <img src='http://example.com/a.png'> "
        "![i](http://example.com/b.png) <script>window.hacked=1</script> "
        "[clique](javascript:window.hacked=1) fim [1]"
    )
    page = opened(new_user)
    ask(page)
    to_be_voted_on(page)
    assert page.locator("#overlay, #arena-respostas img").count() == 0
    assert page.evaluate("window.hacked") is None
    assert page.locator("#arena-respostas a[href^='javascript:']").count() == 0


def vote_often(served: Served, count: int = 40, people: int = 8) -> None:
    """Votes of several people, most of them for one of the models."""
    store = served.runtime.store
    for number in range(count):
        user = f"pessoa-{number % people}"
        left, right = (LLAMA, QWEN) if number % 2 else (QWEN, LLAMA)
        duel = store.votes.begin(user, QUESTION, left, right, "modelos")
        store.votes.claim(duel.id, user)
        sides = [
            answered(question(user, duel.conversation(side)), "x" * (100 + 17 * (number % (5 + at))))
            for at, side in enumerate(SIDES)
        ]
        for one in sides:
            store.start(one)
        assert store.votes.answered(duel.id, *sides).state is DuelState.ANSWERED
        winner = "tie" if number % 7 == 0 else ("left" if (left == LLAMA) == (number % 5 > 0) else "right")
        store.votes.vote(duel.id, user, winner)


@pytest.mark.parametrize("dark", [False, True])
def test_the_ranking_is_read_and_it_fits_a_phone(
    new_user: NewUser, served: Served, shot: Shot, dark: bool
) -> None:
    if served.runtime.store.votes.count() < 40:
        vote_often(served)
    rankings.refresh(served.runtime.store)
    page = opened(new_user, 390, 844, dark=dark)
    ranking = page.locator("#arena-ranking")
    expect(ranking.locator("tbody tr")).to_have_count(2)
    expect(ranking.locator("tbody tr").first).to_contain_text("ollama:llama3.2:3b")
    expect(ranking).to_contain_text("Efeito do tamanho")
    ask(page)
    to_be_voted_on(page)
    shot(page, f"arena-celular-{'escuro' if dark else 'claro'}")
    left, right = (page.locator(f"#arena-{side}").bounding_box() for side in "ab")
    assert left is not None
    assert right is not None
    assert right["y"] >= left["y"] + left["height"], "the answers are not one above the other"
    button = page.locator("#arena-voto-empate").bounding_box()
    assert button is not None
    assert button["height"] >= 44
    page.click("#arena-voto-empate")
    expect(page.locator("#arena-revelacao article")).to_have_count(2)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert violations(page) == []
    ranking.scroll_into_view_if_needed()
    shot(page, f"arena-ranking-{'escuro' if dark else 'claro'}")


def test_a_topic_has_its_own_ranking(new_user: NewUser, served: Served, shot: Shot) -> None:
    if served.runtime.store.votes.count() < 40:
        vote_often(served)
    rankings.refresh(served.runtime.store)
    page = opened(new_user, 1280, 1270)
    page.click("#arena-assunto input")
    page.get_by_role("option", name="Métricas").click()
    expect(page.locator("#arena-ranking .titulo")).to_contain_text("Métricas: 40 votos de 8 pessoas")
    assert violations(page) == []
    ask(page)
    to_be_voted_on(page)
    page.click("#arena-voto-b")
    expect(page.locator("#arena-ranking")).to_contain_text("1 voto depois disso")
    shot(page, "arena")
