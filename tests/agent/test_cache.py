"""Answers served again: through the cache's public doors, on a real Chroma."""

import logging
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from melancia.agent.cache import THRESHOLDS, AnswerCache, HitKind, open_cache
from melancia.agent.cache_entry import CacheKey
from melancia.agent.cache_place import CachePlace
from melancia.embeddings.local import LocalEmbeddings
from melancia.errors import InteractionNotFoundError, StoreError
from melancia.records import Answer, Assignment, Filters, FinishReason, Interaction, Turn, Variant
from tests.index.test_server_vectors import ChromaServer

MODEL = "local:enpt"
VARIANT = Variant("ollama", "llama3.1:8b")
KEY = CacheKey.of(VARIANT, "v1")
QUESTION = "Qual a diferença entre Full e Flex no Mercado Livre?"
PARAPHRASE = "qual a diferenca entre ful e flex no meli"


def answered(question: str = QUESTION, *, user: str = "ana", version: str = "v1") -> Interaction:
    """An interaction whose answer may be kept."""
    return Interaction(
        user_id=user,
        conversation_id="c",
        question=question,
        assignment=Assignment(VARIANT),
        exposure=VARIANT,
        index_version=version,
        answer=Answer(text="No Full, o estoque fica no CD [1].", finish_reason=FinishReason.STOP),
    )


class Shelf:
    """Interactions by id, as the store would give them; ``broken`` makes every reading fail."""

    def __init__(self) -> None:
        self.held: dict[str, Interaction] = {}
        self.broken = False

    def put(self, question: str = QUESTION) -> Interaction:
        """An answered question, stored."""
        given = answered(question)
        self.held[given.id] = given
        return given

    def read(self, interaction_id: str) -> Interaction:
        if self.broken:
            raise StoreError("fora do ar")
        if interaction_id not in self.held:
            raise InteractionNotFoundError("não existe")
        return self.held[interaction_id]


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def cache(tmp_path: Path, embeddings: LocalEmbeddings, shelf: Shelf) -> Iterator[AnswerCache]:
    made = open_cache(tmp_path / "answers", MODEL, embeddings, shelf.read)
    assert made.ready()
    yield made
    made.close()


@pytest.fixture
def keep(cache: AnswerCache, shelf: Shelf) -> Callable[..., Interaction]:
    """Store an interaction and keep its answer."""

    def act(interaction: Interaction | None = None, key: CacheKey = KEY) -> Interaction:
        given = interaction or answered()
        shelf.held[given.id] = given
        assert cache.keep(key, given)
        return given

    return act


def test_the_same_question_is_served_whatever_its_writing(
    cache: AnswerCache, keep: Callable[..., Interaction]
) -> None:
    given = keep()
    hit = cache.find(KEY, "  QUAL a diferença, entre FULL e flex no mercado livre ")
    assert hit is not None
    assert (hit.interaction, hit.kind, hit.question, hit.similarity) == (given, HitKind.EXACT, QUESTION, 1.0)


def test_a_paraphrase_is_served_and_marked(cache: AnswerCache, keep: Callable[..., Interaction]) -> None:
    given = keep()
    hit = cache.find(KEY, PARAPHRASE)
    assert hit is not None
    assert (hit.interaction.id, hit.kind) == (given.id, HitKind.SEMANTIC)
    assert THRESHOLDS[MODEL] <= hit.similarity < 1


@pytest.mark.parametrize(
    "question",
    [
        "Qual a diferença entre Full e Flex na Amazon?",
        "Qual a diferença entre Full e Coleta no Mercado Livre?",
        "Como passo do Full para o Flex no Mercado Livre?",
        "Qual a semelhança entre Full e Flex no Mercado Livre?",
        "Qual o melhor filme de suspense?",
    ],
)
def test_a_neighbour_that_asks_something_else_is_not_served(
    cache: AnswerCache, keep: Callable[..., Interaction], question: str
) -> None:
    keep()
    assert cache.find(KEY, question) is None


def test_a_true_paraphrase_behind_a_nearer_opposite_is_found(
    cache: AnswerCache, keep: Callable[..., Interaction]
) -> None:
    """The nearest neighbour asks the contrary: the guard passes it over and goes on."""
    keep(answered("Meu ACOS caiu no Mercado Livre, o que olho primeiro?"))
    right = keep(answered("Meu ACOS aumentou no Mercado Livre. O que olho primeiro?"))
    hit = cache.find(KEY, "meu acos subiu no mercado livre, oq olho primeiro")
    assert hit is not None
    assert hit.interaction.id == right.id


@pytest.mark.parametrize(
    "other",
    [
        CacheKey.of(replace(VARIANT, model="mistral:7b"), "v1"),
        CacheKey.of(replace(VARIANT, prompt_version="v2"), "v1"),
        CacheKey.of(replace(VARIANT, temperature=0.9), "v1"),
        CacheKey.of(VARIANT, "v2"),
        CacheKey.of(VARIANT, "v1", Filters(marketplace="amazon")),
        CacheKey.of(VARIANT, "v1", Filters(topic="amazon")),
        CacheKey.of(VARIANT, "v1", None, [Turn("O que é ACOS?", "É um custo.")]),
    ],
)
def test_nothing_is_served_across_scopes(
    cache: AnswerCache, keep: Callable[..., Interaction], other: CacheKey
) -> None:
    keep()
    assert cache.find(other, QUESTION) is None
    assert cache.find(other, PARAPHRASE) is None


def test_the_answer_served_is_what_the_store_holds_now(
    cache: AnswerCache, keep: Callable[..., Interaction], shelf: Shelf
) -> None:
    given = keep()
    shelf.broken = True
    assert cache.find(KEY, QUESTION) is None, "nobody knows whether it may be served"
    shelf.broken = False
    assert cache.find(KEY, QUESTION) is not None, "a store that failed once does not cost the entry"
    del shelf.held[given.id]
    assert cache.find(KEY, QUESTION) is None
    assert cache.count() == 0, "what the store lost is not looked up for ever"


def test_a_disliked_answer_is_never_served_again(
    cache: AnswerCache, keep: Callable[..., Interaction]
) -> None:
    bad, other = keep(), keep(answered("O que é ACOS?"))
    assert cache.forget(bad.id)
    assert cache.find(KEY, QUESTION) is None
    assert cache.find(KEY, PARAPHRASE) is None
    assert not cache.keep(KEY, bad)
    hit = cache.find(KEY, other.question)
    assert hit is not None
    assert hit.interaction.id == other.id


def test_erasing_a_user_leaves_the_others(cache: AnswerCache, keep: Callable[..., Interaction]) -> None:
    keep(answered(user="ana"))
    keep(answered("O que é ACOS?", user="bia"))
    assert cache.forget_user("ana")
    assert cache.find(KEY, QUESTION) is None
    assert cache.find(KEY, "O que é ACOS?") is not None


def test_a_new_index_version_evicts_the_old_answers(
    cache: AnswerCache, keep: Callable[..., Interaction]
) -> None:
    keep()
    new = CacheKey.of(VARIANT, "v2")
    keep(answered(version="v2"), new)
    assert cache.count() == 1
    assert cache.find(KEY, QUESTION) is None
    assert cache.find(new, QUESTION) is not None


def test_the_least_recently_used_go_over_capacity(
    tmp_path: Path, embeddings: LocalEmbeddings, shelf: Shelf
) -> None:
    clock = SimpleNamespace(at=datetime(2026, 11, 1, tzinfo=UTC))
    place = CachePlace(tmp_path / "answers", MODEL)
    cache = AnswerCache(place, embeddings, shelf.read, threshold=0.89, capacity=10, now=lambda: clock.at)
    assert cache.ready()
    names = ("ACOS", "TACOS", "ROAS", "CTR", "CVR", "CPC", "CPM", "CIR", "GMV", "LTV", "CAC")
    questions = [f"O que é {name}?" for name in names]
    for question in questions[:10]:
        clock.at += timedelta(hours=2)
        given = shelf.put(question)
        assert cache.keep(KEY, given)
    clock.at += timedelta(hours=2)
    assert cache.find(KEY, questions[0]) is not None
    given = shelf.put(questions[10])
    assert cache.keep(KEY, given)
    served = [question for question in questions if cache.find(KEY, question)]
    assert cache.count() == 9
    assert served == [questions[0], *questions[3:]]
    cache.close()


def test_an_answer_past_its_lifetime_is_not_served(
    tmp_path: Path, embeddings: LocalEmbeddings, shelf: Shelf
) -> None:
    clock = SimpleNamespace(at=datetime(2026, 11, 1, tzinfo=UTC))
    place = CachePlace(tmp_path / "answers", MODEL)
    cache = AnswerCache(place, embeddings, shelf.read, lifetime=timedelta(days=1), now=lambda: clock.at)
    assert cache.ready()
    given = shelf.put()
    cache.keep(KEY, given)
    clock.at += timedelta(hours=23)
    assert cache.find(KEY, QUESTION) is not None
    clock.at += timedelta(hours=2)
    assert cache.find(KEY, QUESTION) is None
    assert cache.count() == 0
    cache.close()


def test_answers_outlive_the_process(tmp_path: Path, embeddings: LocalEmbeddings, shelf: Shelf) -> None:
    first = open_cache(tmp_path / "answers", MODEL, embeddings, shelf.read)
    assert first.ready()
    given = shelf.put()
    first.keep(KEY, given)
    first.close()
    assert first.find(KEY, QUESTION) is None, "closed"
    second = open_cache(tmp_path / "answers", MODEL, embeddings, shelf.read)
    assert second.ready()
    assert second.find(KEY, QUESTION) is not None
    assert second.find(KEY, PARAPHRASE) is not None
    second.close()


def test_a_second_opener_goes_without(
    cache: AnswerCache, keep: Callable[..., Interaction], tmp_path: Path, shelf: Shelf
) -> None:
    """Two processes on one Chroma path lose vectors. A second descriptor stands for the second process."""
    given = keep()
    second = open_cache(tmp_path / "answers", MODEL, LocalEmbeddings(), shelf.read)
    assert second.find(KEY, QUESTION) is None
    assert not second.keep(KEY, given)
    second.close()
    assert cache.find(KEY, QUESTION) is not None


def test_an_embedding_model_without_a_measured_threshold_finds_exact_questions_only(
    tmp_path: Path, embeddings: LocalEmbeddings, shelf: Shelf
) -> None:
    cache = open_cache(tmp_path / "answers", "ollama:outro", embeddings, shelf.read)
    assert cache.ready()
    given = shelf.put()
    cache.keep(KEY, given)
    assert cache.find(KEY, QUESTION.upper()) is not None
    assert cache.find(KEY, PARAPHRASE) is None
    cache.close()


def test_a_failing_chroma_is_a_miss_said_once(
    tmp_path: Path, embeddings: LocalEmbeddings, shelf: Shelf, caplog: pytest.LogCaptureFixture
) -> None:
    """Chroma cannot make its folder: a file is in the way. When it goes, the cache works."""
    (tmp_path / "answers").write_text("not a folder")
    cache = AnswerCache(CachePlace(tmp_path / "answers", MODEL, pause=0), embeddings, shelf.read)
    given = shelf.put()
    with caplog.at_level(logging.WARNING, "melancia"):
        for _ in range(3):
            assert cache.find(KEY, QUESTION) is None
            assert not cache.keep(KEY, given)
            assert not cache.forget("outra")
    assert len(caplog.records) == 1
    (tmp_path / "answers").unlink()
    assert cache.ready()
    assert cache.keep(KEY, given)
    assert cache.find(KEY, QUESTION) is not None
    cache.close()


def test_a_disliked_answer_stays_out_even_if_chroma_could_not_be_told(
    tmp_path: Path, embeddings: LocalEmbeddings, shelf: Shelf
) -> None:
    place = CachePlace(tmp_path / "answers", MODEL)
    cache = AnswerCache(place, embeddings, shelf.read)
    assert cache.ready()
    given = shelf.put()
    cache.keep(KEY, given)
    gone = place.use(lambda chroma: chroma.get(include=["embeddings", "metadatas"]), None)
    cache.forget(given.id)
    # As if that deletion had never reached Chroma.
    place.use(
        lambda chroma: chroma.add(
            ids=gone["ids"], embeddings=gone["embeddings"], metadatas=gone["metadatas"]
        ),
        None,
    )
    assert cache.count() == 1
    assert cache.find(KEY, QUESTION) is None
    cache.close()


@pytest.mark.timeout(60)
def test_a_server_that_never_replies_does_not_hold_an_answer(
    tmp_path: Path, embeddings: LocalEmbeddings, shelf: Shelf
) -> None:
    """A listener that accepts and says nothing: without a limit Chroma's client would wait for ever."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        cache = open_cache(tmp_path / "answers", MODEL, embeddings, shelf.read, server=url)
        assert cache.find(KEY, QUESTION) is None
        assert not cache.keep(KEY, answered())
        cache.close()


def test_no_server_at_all_is_a_miss(tmp_path: Path, embeddings: LocalEmbeddings, shelf: Shelf) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    cache = open_cache(tmp_path / "answers", MODEL, embeddings, shelf.read, server=f"http://127.0.0.1:{port}")
    assert cache.find(KEY, QUESTION) is None
    cache.close()


def test_many_threads_keep_find_and_forget(
    cache: AnswerCache, shelf: Shelf, caplog: pytest.LogCaptureFixture
) -> None:
    questions = [f"Quero ROAS {number}, isso dá quanto de ACOS?" for number in range(2, 34)]
    given = [answered(question) for question in questions]
    shelf.held = {interaction.id: interaction for interaction in given}
    barrier = threading.Barrier(8)

    def work(share: int) -> list[bool]:
        barrier.wait()
        outcome = []
        for interaction in given[share::8]:
            kept = cache.keep(KEY, interaction)
            hit = cache.find(KEY, interaction.question)
            outcome.append(kept and hit is not None and hit.interaction.id == interaction.id)
        cache.forget(given[share].id)
        return outcome

    with caplog.at_level(logging.WARNING, "melancia"), ThreadPoolExecutor(8) as pool:
        outcomes = [each for found in pool.map(work, range(8)) for each in found]
    assert outcomes == [True] * 32
    assert not caplog.records
    served = [cache.find(KEY, question) for question in questions]
    assert [hit is None for hit in served] == [True] * 8 + [False] * 24


def test_a_server_is_shared_and_may_go_away(
    tmp_path: Path, embeddings: LocalEmbeddings, shelf: Shelf, caplog: pytest.LogCaptureFixture
) -> None:
    server = ChromaServer(tmp_path / "server")
    server.start()
    page = AnswerCache(
        CachePlace(tmp_path / "a", MODEL, server.url, pause=0), embeddings, shelf.read, threshold=0.89
    )
    other = open_cache(tmp_path / "b", MODEL, embeddings, shelf.read, server=server.url)
    assert page.ready()
    assert other.ready()
    given = shelf.put()
    assert page.keep(KEY, given)
    assert other.find(KEY, PARAPHRASE) is not None
    server.stop()
    with caplog.at_level(logging.WARNING, "melancia.agent"):
        assert page.find(KEY, QUESTION) is None
        assert page.find(KEY, PARAPHRASE) is None
        assert not page.forget_user("ana")
    assert len(caplog.records) == 1
    server.start()
    assert page.find(KEY, PARAPHRASE) is not None
    assert page.forget_user("ana")
    assert other.find(KEY, QUESTION) is None
    page.close()
    other.close()
    server.stop()
