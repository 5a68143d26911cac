"""The arena's handlers on real parts: a store, an index, assistants over HTTP to a stand-in Ollama."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import gradio as gr
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from melancia.app import Runtime
from melancia.errors import InputError
from melancia.mlops import policies, rankings
from melancia.records import (
    Arm,
    FinishReason,
    Interaction,
    ModelState,
    ModelStatus,
    Policy,
    PolicyMode,
    Variant,
)
from melancia.settings import load_settings
from melancia.store import Store
from melancia.store.duels import Duel, DuelState, Winner
from melancia.ui import arena_draw, arena_view
from melancia.ui.arena import Arena
from melancia.ui.arena_draw import at_once, candidates, draw
from melancia.ui.identity import COOKIE, Identity
from tests.standins.ollama import OllamaStandin, Scripted
from tests.standins.ollama.backends import Call, Finish, Piece
from tests.store.samples import answered, question

QUESTION = "Como funciona o ACOS no Mercado Livre?"
TEXT = (
    "# O que é Retail Media\n\nRetail Media é a publicidade nos canais de um varejista. As principais "
    "métricas de performance são ACOS, ROAS e conversão. O ACOS no Mercado Livre funciona como a divisão do "
    "investimento em anúncios pela receita.\n"
)
LLAMA, QWEN = Variant("ollama", "llama3.2:3b"), Variant("ollama", "qwen2.5:1.5b")
SERVED = Variant("openai", "qwen2.5:1.5b", context_window=None)
TEXTS = {LLAMA.model: "É gasto sobre receita [1].", QWEN.model: "Divida o investimento pela receita [1]. Só."}
NAMES = ("llama", "qwen", "ollama", "openai", "extractive", "extrativo")
SAID, ASKED, LEFT, RIGHT, VOTES, REVEAL = 2, 3, 4, 5, 7, 8


class Counting(Scripted):
    """Knows how many answers are being written, and can hold them until a second one begins."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.most = 0
        self.both: asyncio.Event | None = None
        self.wait_for_both = False

    async def stream(self, call: Call) -> AsyncIterator[Piece | Finish]:
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            if self.wait_for_both:
                self.both = self.both or asyncio.Event()
                if self.now == 2:
                    self.both.set()
                await self.both.wait()
            async for piece in super().stream(call):
                yield piece
        finally:
            self.now -= 1


@pytest.fixture(scope="module")
def backend() -> Counting:
    """What the stand-in answers with."""
    return Counting()


@pytest.fixture(scope="module")
def ollama(backend: Counting) -> Iterator[OllamaStandin]:
    """A running stand-in with two models."""
    with OllamaStandin(backend, models=list(TEXTS)) as server:
        yield server


@pytest.fixture(scope="module")
def opened(ollama: OllamaStandin, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    """A runtime over one short document."""
    folder = tmp_path_factory.mktemp("arena")
    docs = folder / "docs"
    docs.mkdir()
    (docs / "retail-media.md").write_text(TEXT, "utf-8")
    made = Runtime.open(
        load_settings(
            _env_file=None,
            data_dir=folder,
            knowledge_dir=docs,
            variant="extractive",
            ollama_base_url=ollama.url,
            openai_base_url=f"{ollama.url}/v1",
            first_token_timeout=20,
        )
    )
    yield made
    made.close()


@pytest.fixture
def runtime(opened: Runtime, ollama: OllamaStandin, backend: Counting, tmp_path: Path) -> Iterator[Runtime]:
    """It, with a store of the test's own and both models in an experiment."""
    for model, text in TEXTS.items():
        ollama.set_script(text, model)
    backend.most, backend.wait_for_both, backend.both = 0, False, None
    store = Store.open(f"sqlite:///{tmp_path / 'melancia.db'}")
    start(store, LLAMA, QWEN)
    fresh = Runtime(opened.settings, store, opened.index)
    yield fresh
    fresh.ingests.close()
    store.close()
    ollama.faults.clear()


def start(store: Store, *variants: Variant, **more: Any) -> Policy:
    """Begin an experiment of them."""
    arms = tuple(Arm(name, variant) for name, variant in zip("ABC", variants, strict=False))
    wanted = Policy(more.pop("experiment", "modelos"), arms, "", author="ana", reason="comparar")
    return policies.create(store, replace(wanted, **more))


class Visitor:
    """Somebody at the page."""

    def __init__(self, runtime: Runtime, chance: Any = None) -> None:
        identity = Identity(runtime.settings)
        cookie = identity.issue()
        self.request = cast(gr.Request, SimpleNamespace(cookies={COOKIE: cookie}, headers={}))
        self.user = identity.anonymous({COOKIE: cookie}) or ""
        self.arena = Arena(runtime, identity, chance)
        self.store = runtime.store

    def draw(self, text: str = QUESTION) -> str:
        """A duel that was drawn."""
        drawn, said = self.arena.draw(text, self.request)
        assert drawn is not None, said
        return drawn

    def duel(self, drawn: str) -> Duel:
        return self.store.votes.get(drawn, self.user)

    def answer(self, drawn: str) -> list[tuple[Any, ...]]:
        """All that the page is sent until both have answered."""

        async def collect() -> list[tuple[Any, ...]]:
            return [shown async for shown in self.arena.answer(drawn, self.request)]

        return asyncio.run(collect())

    def interactions(self, duel: Duel) -> tuple[Interaction, Interaction]:
        return self.store.get(duel.left.interaction or ""), self.store.get(duel.right.interaction or "")


def visible(value: Any) -> bool | None:
    """Whether a row is to be shown; None when it is left as it is."""
    return None if value == gr.skip() else bool(value.visible)


def named(shown: Any) -> list[str]:
    """The model names that are in what the page is sent."""
    told = " ".join(
        str(value.constructor_args if hasattr(value, "constructor_args") else value) for value in shown
    ).lower()
    return [name for name in NAMES if name in told]


def test_both_answer_the_same_question_and_nothing_tells_who(runtime: Runtime) -> None:
    ana = Visitor(runtime)
    drawn = ana.draw()
    shown = ana.answer(drawn)
    assert [named(one) for one in shown] == [[]] * len(shown)
    assert len(shown) > 2
    assert not any(visible(one[VOTES]) for one in shown[:-1])
    assert visible(shown[-1][VOTES])
    assert QUESTION in shown[-1][ASKED]
    duel = ana.duel(drawn)
    assert duel.state is DuelState.ANSWERED
    left, right = ana.interactions(duel)
    for side, interaction, text in (
        (duel.left, left, shown[-1][LEFT]),
        (duel.right, right, shown[-1][RIGHT]),
    ):
        assert interaction.question == QUESTION
        assert interaction.exposure == interaction.assignment.variant == side.variant
        assert interaction.assignment.experiment is None
        assert interaction.answer.text == TEXTS[side.variant.model]
        assert side.length == len(interaction.answer.text)
        assert interaction.answer.text in text
        assert "Fontes (1)" in text
    assert left.conversation_id != right.conversation_id
    assert runtime.store.latest_conversation(ana.user) is None
    assert list(runtime.store.outcomes.of("modelos")) == []
    # Neither has heard of the other, nor of the duel before.
    again = ana.draw()
    ana.answer(again)
    assert all(len(one.standalone) == len(QUESTION) for one in ana.interactions(ana.duel(again)))


def test_the_vote_reveals_is_final_and_can_be_repeated(runtime: Runtime) -> None:
    ana = Visitor(runtime)
    drawn = ana.draw()
    ana.answer(drawn)
    duel = ana.duel(drawn)
    revealed = ana.arena.vote(drawn, "right", ana.request)
    for side in (duel.left, duel.right):
        assert side.variant.label in revealed[REVEAL]
    assert "Seu voto: a resposta B é melhor" in revealed[REVEAL]
    assert "Tokens da resposta" in revealed[REVEAL]
    assert visible(revealed[VOTES]) is False
    assert ana.arena.vote(drawn, "right", ana.request)[REVEAL] == revealed[REVEAL]
    refused = ana.arena.vote(drawn, "left", ana.request)
    assert "não muda" in refused[SAID]
    assert ana.duel(drawn).winner is Winner.RIGHT


def test_forged_votes_reveal_nothing(runtime: Runtime) -> None:
    ana, bia = Visitor(runtime), Visitor(runtime)
    drawn = ana.draw()
    early = ana.arena.vote(drawn, "left", ana.request)
    assert "ainda não terminaram" in early[SAID]
    ana.answer(drawn)
    stranger = cast(gr.Request, SimpleNamespace(cookies={COOKIE: "falso"}, headers={}))
    refused = {
        "próprios duelos": bia.arena.vote(drawn, "left", bia.request),
        "voto não existe": ana.arena.vote(drawn, "meio", ana.request),
        "não existe": ana.arena.vote(None, "left", ana.request),
        "sessão não foi reconhecida": ana.arena.vote(drawn, "left", stranger),
    }
    for said, shown in refused.items():
        assert said in shown[SAID]
        assert named(shown) == []
        assert shown[REVEAL] == gr.skip()
    assert runtime.store.votes.count() == 0
    # Nor can somebody else see the answers, or have them written.
    assert bia.arena.open(None, bia.request)[LEFT] == gr.skip()
    other = ana.draw()
    assert "próprios duelos" in bia.answer(other)[-1][SAID]
    assert ana.duel(other).state is DuelState.DRAWN


def test_an_open_duel_comes_back_blind_and_a_voted_one_does_not(runtime: Runtime) -> None:
    ana = Visitor(runtime)
    drawn = ana.draw()
    last = ana.answer(drawn)[-1]
    again = ana.arena.open(None, ana.request)
    assert again[ASKED : RIGHT + 1] == last[ASKED : RIGHT + 1]
    assert visible(again[VOTES])
    assert named(again) == []
    assert ana.arena.open(drawn, ana.request)[LEFT] == gr.skip()  # it is on the page already
    ana.arena.vote(drawn, "tie", ana.request)
    assert ana.arena.open(None, ana.request)[LEFT] == gr.skip()


def test_nobody_speaks_for_a_side_that_fails(runtime: Runtime, ollama: OllamaStandin) -> None:
    ana = Visitor(runtime)
    drawn = ana.draw()
    asked = len(ollama.requests)
    ollama.faults.set(times=1, http_500=True)
    last = ana.answer(drawn)[-1]
    assert "o duelo foi anulado" in last[SAID]
    assert named(last) == []
    assert visible(last[VOTES]) is False
    assert last[1].value == QUESTION
    duel = ana.duel(drawn)
    assert (duel.state, duel.reason) == (DuelState.VOID, "left: error")
    assert len(ollama.requests) == asked + 1, "the right side was asked for a duel that is void"
    assert "anulado" in ana.arena.vote(drawn, "right", ana.request)[SAID]


def test_who_leaves_ends_the_answers(runtime: Runtime, ollama: OllamaStandin) -> None:
    ana = Visitor(runtime)
    drawn = ana.draw()
    ollama.faults.set(times=1, stall_after_tokens=2)
    known = {id(record) for record in ollama.requests}

    async def leave() -> None:
        async with aclosing(ana.arena.answer(drawn, ana.request)) as shown:
            async for one in shown:
                if one[LEFT] != gr.skip() and any(word in one[LEFT] for word in ("gasto", "Divida")):
                    return

    asyncio.run(leave())
    duel = ana.duel(drawn)
    assert (duel.state, duel.reason) == (DuelState.VOID, "cancelled")
    assert ollama.wait_for(lambda record: id(record) not in known and record.disconnected)
    ((interaction, _),) = runtime.store.conversation(duel.conversation("left"), ana.user)
    assert interaction.answer.finish_reason is FinishReason.CANCELLED
    assert runtime.store.conversation(duel.conversation("right"), ana.user) == []


def test_stop_says_that_there_is_no_duel(runtime: Runtime) -> None:
    ana = Visitor(runtime)
    drawn = ana.draw()
    shown = asyncio.run(ana.arena.stop(drawn, ana.request))
    assert "Você interrompeu" in shown[SAID]
    assert ana.duel(drawn).state is DuelState.VOID
    ended = ana.draw()
    ana.answer(ended)
    # It came too late: both have answered, and can be voted on.
    assert visible(asyncio.run(ana.arena.stop(ended, ana.request))[VOTES])
    assert ana.duel(ended).state is DuelState.ANSWERED


def test_one_own_server_answers_one_after_the_other(runtime: Runtime, backend: Counting) -> None:
    ana = Visitor(runtime)
    ana.answer(ana.draw())
    assert backend.most == 1


def test_different_providers_answer_at_once(runtime: Runtime, backend: Counting) -> None:
    runtime.store.policies.add(
        replace(policies.newest(runtime.store, "modelos"), arms=(Arm("A", LLAMA), Arm("B", SERVED))), 1
    )
    backend.wait_for_both = True  # it would never end if one waited for the other
    ana = Visitor(runtime)
    drawn = ana.draw()
    ana.answer(drawn)
    assert ana.duel(drawn).state is DuelState.ANSWERED
    assert backend.most == 2


def test_without_evidence_there_is_nothing_to_compare(runtime: Runtime, ollama: OllamaStandin) -> None:
    ana = Visitor(runtime)
    asked = len(ollama.requests)
    drawn = ana.draw("Quem ganhou a copa de 1970?")
    assert "Não há o que comparar" in ana.answer(drawn)[-1][SAID]
    assert ana.duel(drawn).reason.endswith("no evidence")
    assert len(ollama.requests) == asked


@pytest.mark.parametrize("text", ["", "  \x00 ", "x" * 2001])
def test_a_bad_question_draws_nobody(runtime: Runtime, text: str) -> None:
    ana = Visitor(runtime)
    drawn, said = ana.arena.draw(text, ana.request)
    assert drawn is None
    assert "A pergunta" in said


def test_a_blind_installation_reveals_nothing(runtime: Runtime) -> None:
    ana = Visitor(runtime)
    drawn = ana.draw()
    ana.answer(drawn)
    ana.arena._runtime.settings = runtime.settings.model_copy(update={"blind": True})
    shown = ana.arena.vote(drawn, "left", ana.request)
    assert "MELANCIA_BLIND" in shown[REVEAL]
    assert named(shown) == []
    rankings.refresh(runtime.store)
    assert "MELANCIA_BLIND" in ana.arena.standings("")[1]


def test_candidates_are_the_open_arms_else_whoever_the_settings_name(runtime: Runtime) -> None:
    assert candidates(runtime) == arena_draw.Candidates((LLAMA, QWEN), "modelos")
    policy = policies.newest(runtime.store, "modelos")
    third = replace(LLAMA, temperature=0.9)
    arms = (Arm("A", LLAMA), Arm("B", QWEN, paused=True), Arm("C", third), Arm("D", SERVED, weight=0.0))
    runtime.store.policies.add(replace(policy, arms=arms), 1)
    assert candidates(runtime).variants == (LLAMA, third)
    runtime.store.models.put(ModelStatus(LLAMA.model, ModelState.PULLING))
    with pytest.raises(InputError, match="dois modelos"):
        candidates(runtime)
    runtime.store.models.put(ModelStatus(LLAMA.model, ModelState.READY))
    assert len(candidates(runtime).variants) == 2
    runtime.store.policies.add(replace(policy, mode=PolicyMode.FORCED, forced="A"), 2)
    with pytest.raises(InputError, match="dois modelos"):  # the settings name the extractive one alone
        candidates(runtime)
    drawn, said = Visitor(runtime).arena.draw(QUESTION, Visitor(runtime).request)
    assert drawn is None
    assert "MELANCIA_FALLBACKS" in said


def test_a_model_without_its_key_is_no_candidate(runtime: Runtime) -> None:
    runtime.store.policies.add(
        replace(
            policies.newest(runtime.store, "modelos"),
            arms=(Arm("A", LLAMA), Arm("B", Variant("huggingface", "x")), Arm("C", QWEN)),
        ),
        1,
    )
    assert candidates(runtime).variants == (LLAMA, QWEN)


@pytest.mark.parametrize(
    ("left", "right", "address", "expected"),
    [
        (LLAMA, QWEN, None, False),
        (LLAMA, SERVED, None, True),
        (SERVED, replace(SERVED, model="b"), "https://api.openai.com/v1", True),
        (SERVED, replace(SERVED, model="b"), None, True),
        (SERVED, replace(SERVED, model="b"), "http://127.0.0.1:8000/v1", False),
        (LLAMA, Variant("extractive", "extractive"), None, True),
    ],
)
def test_only_one_own_server_makes_them_wait(
    left: Variant, right: Variant, address: str | None, expected: bool
) -> None:
    settings_ = load_settings(_env_file=None, openai_base_url=address)
    assert at_once(left, right, settings_) is at_once(right, left, settings_) is expected


@given(st.integers(2, 5), st.integers(0, 2**32))
@settings(max_examples=25, deadline=None)
def test_every_ordered_pair_is_as_likely(count: int, seed: int) -> None:
    variants = [Variant("ollama", f"m{number}") for number in range(count)]
    chance, draws = random.Random(seed), 2000
    found = Counter(draw(variants, chance) for _ in range(draws))
    pairs = count * (count - 1)
    expected = draws / pairs
    spread = (expected * (1 - 1 / pairs)) ** 0.5
    assert len(found) == pairs
    assert all(left != right for left, right in found)
    assert max(abs(times - expected) for times in found.values()) < 6 * spread
    lefts = Counter(left for left, _ in found.elements())
    assert max(abs(times - draws / count) for times in lefts.values()) < 6 * (draws / count) ** 0.5


@given(st.text(min_size=1, max_size=40).filter(lambda text: text.replace("\x00", "").strip()), st.integers())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_neither_user_nor_question_decides(runtime: Runtime, text: str, seed: int) -> None:
    """The same chance gives the same draw, whoever asks whatever."""
    drawn = []
    for asked in (QUESTION, text.encode("utf-8", "replace").decode()):
        visitor = Visitor(runtime, random.Random(seed))
        duels = [visitor.duel(visitor.draw(asked)) for _ in range(5)]
        drawn.append([(duel.left.variant, duel.right.variant) for duel in duels])
    assert drawn[0] == drawn[1]


def test_one_user_with_one_question_gets_both_orders(runtime: Runtime) -> None:
    ana = Visitor(runtime)
    lefts = Counter(ana.duel(ana.draw()).left.variant for _ in range(60))
    assert set(lefts) == {LLAMA, QWEN}  # fails once in 2⁵⁹ by chance


def vote_often(store: Store, count: int, people: int) -> None:
    """Votes that mostly go to one variant."""
    for number in range(count):
        user = f"u{number % people}"
        left, right = (LLAMA, QWEN) if number % 2 else (QWEN, LLAMA)
        duel = store.votes.begin(user, QUESTION, left, right)
        store.votes.claim(duel.id, user)
        texts = ("x" * (10 + number % 5), "x" * (10 + number % 3))
        made = [answered(question(user, duel.conversation("left")), text) for text in texts]
        for one in made:
            store.start(one)
        store.votes.answered(duel.id, *made)
        favourite = "left" if left == LLAMA else "right"
        store.votes.vote(duel.id, user, favourite if number % 5 else "tie")


def test_the_ranking_says_how_sure_it_is(runtime: Runtime) -> None:
    arena = Visitor(runtime).arena
    box, shown = arena.standings("")
    assert "Ainda não há votos" in shown
    assert not box.visible
    vote_often(runtime.store, 6, 2)
    assert "6 votos até agora; o ranking ainda vai ser calculado" in arena.standings("")[1]
    rankings.refresh(runtime.store)
    box, shown = arena.standings("")
    assert box.choices == [("todos", ""), ("Métricas", "metricas")]
    assert "Poucos votos para uma ordem" in shown
    assert "1º" not in shown
    vote_often(runtime.store, 34, 8)
    assert "34 votos depois disso" in arena.standings("")[1]
    rankings.refresh(runtime.store)
    box, shown = arena.standings("metricas")
    assert box.value == "metricas"
    assert "Métricas: 40 votos de 8 pessoas" in shown
    assert "Poucos votos" not in shown
    assert shown.index("ollama:llama3.2:3b") < shown.index("ollama:qwen2.5:1.5b")
    assert "1º" in shown
    assert "2º" in shown
    assert "Efeito do tamanho" in shown
    assert "empate técnico" not in shown
    box, _ = arena.standings("inventado")
    assert box.value == ""


def test_what_is_shown_of_votes_is_escaped(runtime: Runtime) -> None:
    assert "<b>" not in arena_view.status("<b>x</b>")
    evil = Variant("ollama", "<img src=x>${1}")
    store = runtime.store
    duel = store.votes.begin("u", QUESTION, evil, QWEN)
    store.votes.claim(duel.id, "u")
    made = [answered(question("u", duel.conversation("left")), "a") for _ in range(2)]
    for one in made:
        store.start(one)
    store.votes.answered(duel.id, *made)
    store.votes.vote(duel.id, "u", "left")
    rankings.refresh(store)
    shown = Visitor(runtime).arena.standings("")[1]
    assert "<img" not in shown
    assert "${" not in shown
