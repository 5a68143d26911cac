"""Topics on real questions: pure, stable between runs, new ones found; labels; what the base lacks."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from melancia.agent.retriever import HybridRetriever
from melancia.embeddings.local import LocalEmbeddings
from melancia.mlops.drift.frame import Window
from melancia.mlops.drift.gaps import gaps
from melancia.mlops.drift.labels import NAMELESS, labels
from melancia.mlops.drift.topics import REST, assign_topics
from melancia.store import Store
from tests.conftest import MODEL
from tests.mlops.drift.windows import ByWords, window

# What nothing in the base is about; written for this test.
TIKTOK = (
    "Como começo a vender no TikTok Shop?",
    "Quanto o TikTok Shop cobra de comissão?",
    "O TikTok Shop já funciona no Brasil?",
    "Vale a pena anunciar no TikTok Shop?",
    "Como funciona o anúncio do TikTok Shop?",
    "O que é live commerce no TikTok Shop?",
    "Preciso de CNPJ pra vender no TikTok Shop?",
    "Como acho criadores para o TikTok Shop?",
    "quanto custa anuncio no tiktok shop",
    "TikTok Shop ou Shopee, qual é melhor pra começar?",
    "Como integrar meu estoque com o TikTok Shop?",
    "O frete do TikTok Shop é por minha conta?",
    "Qual o prazo de repasse do TikTok Shop?",
    "Quais produtos são proibidos no TikTok Shop?",
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An open store on SQLite."""
    made = Store.open(f"sqlite:///{tmp_path / 'melancia.db'}")
    yield made
    made.close()


class Real:
    """The likely questions of the knowledge base, their vectors, and the articles' topics."""

    def __init__(self, retriever: HybridRetriever) -> None:
        catalog = retriever.catalog
        topic = {document.id: document.topic for document in catalog.documents()}
        chunks = [chunk for chunk in catalog.chunks() if chunk.kind == "question"]
        hashes, matrix = catalog.vectors(MODEL)
        row = {key: place for place, key in enumerate(hashes)}
        self.texts = [chunk.text for chunk in chunks]
        self.truth = np.array([topic[chunk.document_id] for chunk in chunks])
        self.vectors = matrix[[row[chunk.text_hash] for chunk in chunks]]
        self.order = np.random.default_rng(0).permutation(len(chunks))

    def window(self, places: Sequence[int] | NDArray[np.int64]) -> Window:
        """Some of them."""
        return window([self.texts[place] for place in places], self.vectors[list(places)])


@pytest.fixture(scope="module")
def real(retriever: HybridRetriever) -> Real:
    """The questions; their vectors are those of the index."""
    return Real(retriever)


def purity(found: NDArray[np.int64], truth: NDArray[np.str_]) -> float:
    """Share of the questions that are of the commonest article topic of their topic."""
    held = sum(Counter(truth[found == topic]).most_common(1)[0][1] for topic in set(found.tolist()))
    return held / len(found)


def test_topics_keep_together_what_articles_do(store: Store, real: Real) -> None:
    half = len(real.order) // 2
    first, second, topics = assign_topics(
        store, real.window(real.order[:half]), real.window(real.order[half:]), MODEL
    )
    found = np.concatenate([first.frame["topic"], second.frame["topic"]])
    truth = real.truth[real.order]
    named = found != topics[0].id
    assert topics[0].label == REST
    assert 10 <= len(topics) <= 60
    assert named.mean() > 0.4
    shuffled = np.random.default_rng(1).permutation(truth[named])
    assert purity(found[named], truth[named]) > 1.5 * purity(found[named], shuffled)
    assert {topic.id: topic.size for topic in topics} == {
        topic.id: int((found == topic.id).sum()) for topic in topics
    }


def test_labels_are_unlike_each_other_and_of_words_that_are_asked(store: Store, real: Real) -> None:
    half = len(real.order) // 2
    *_, topics = assign_topics(store, real.window(real.order[:half]), real.window(real.order[half:]), MODEL)
    named = [topic.label for topic in topics]
    assert len(set(named)) == len(named)
    asked = " ".join(real.texts).lower()
    for label in named[1:]:
        assert all(part.lower() in asked for part in label.split(" · ")), label


def test_the_same_windows_again_give_the_same_topics(store: Store, real: Real) -> None:
    half = len(real.order) // 2
    windows = real.window(real.order[:half]), real.window(real.order[half:])
    first = assign_topics(store, *windows, MODEL)
    again = assign_topics(store, *windows, MODEL)
    assert [(topic.id, topic.label) for topic in again[2]] == [(topic.id, topic.label) for topic in first[2]]
    for before, after in zip(first[:2], again[:2], strict=True):
        assert before.frame["topic"].tolist() == after.frame["topic"].tolist()


def test_other_questions_are_recognised_by_the_topics_that_there_are(store: Store, real: Real) -> None:
    """Each half alone, one after the other: topics stay, and take in what they have never seen."""
    half = len(real.order) // 2
    one, other = real.window(real.order[:half]), real.window(real.order[half:])
    nothing = window([], np.zeros((0, one.vectors.shape[1])))
    known, _, before = assign_topics(store, one, nothing, MODEL)
    _, seen, after = assign_topics(store, nothing, other, MODEL)
    assert [(topic.id, topic.label) for topic in after[: len(before)]] == [
        (topic.id, topic.label) for topic in before
    ]
    ids = [topic.id for topic in before[1:]]
    was, now = known.frame["topic"].isin(ids).mean(), seen.frame["topic"].isin(ids).mean()
    assert now > 0.6 * was
    mine = seen.frame["topic"].isin(ids).to_numpy()
    found, truth = seen.frame["topic"].to_numpy()[mine], real.truth[real.order[half:]][mine]
    assert purity(found, truth) > 1.5 * purity(found, np.random.default_rng(1).permutation(truth))


def test_what_nobody_asked_before_becomes_a_topic(
    store: Store, real: Real, embeddings: LocalEmbeddings
) -> None:
    vectors = np.array([embeddings.embed_query(text) for text in TIKTOK], np.float32)
    split = len(real.order) - 9 * len(TIKTOK)
    past = real.window(real.order[:split])
    _, _, before = assign_topics(store, past, past, MODEL)
    rest = real.order[split:]
    current = window(
        [*(real.texts[place] for place in rest), *TIKTOK], np.concatenate([real.vectors[rest], vectors])
    )
    _, seen, after = assign_topics(store, past, current, MODEL)
    new = {topic.id: topic.label for topic in after[len(before) :]}
    found = Counter(seen.frame["topic"][-len(TIKTOK) :])
    topic, count = found.most_common(1)[0]
    assert topic in new
    assert count >= 0.7 * len(TIKTOK)
    assert "TikTok" in new[topic]
    assert [(each.id, each.label) for each in after[: len(before)]] == [
        (each.id, each.label) for each in before
    ]
    assert (seen.frame["topic"][: -len(TIKTOK)] == topic).mean() < 0.05


def test_topics_of_another_embedding_model_are_not_looked_at(store: Store, real: Real) -> None:
    one, other = real.window(real.order[:300]), real.window(real.order[300:400])
    *_, mine = assign_topics(store, one, other, MODEL)
    *_, others = assign_topics(store, one, other, "ollama:outro")
    assert {topic.id for topic in mine}.isdisjoint({topic.id for topic in others})
    assert [topic.label for topic in others] == [topic.label for topic in mine]


def test_too_few_questions_have_no_topics_yet(store: Store, real: Real) -> None:
    one = real.window(real.order[:20])
    first, second, topics = assign_topics(store, one, one, MODEL)
    assert topics == ()
    assert set(first.frame["topic"]) == set(second.frame["topic"]) == {-1}
    assert store.topics.of(MODEL) == []


def test_questions_that_were_not_embedded_have_no_topic(store: Store, real: Real) -> None:
    whole = real.window(real.order[:200])
    some = replace(whole, sampled=whole.sampled[::2], vectors=whole.vectors[::2])
    seen, _, _ = assign_topics(store, some, whole, MODEL)
    assert (seen.frame["topic"][1::2] == -1).all()
    assert (seen.frame["topic"][::2] >= 0).all()
    assert (whole.frame["topic"] == -1).all()  # what is given is not changed


def test_a_question_asked_a_hundred_times_is_a_topic_and_does_not_draw_others(
    store: Store, real: Real
) -> None:
    once = list(real.order[:200])
    many = [*once, *[once[0]] * 100]
    *_, topics = assign_topics(store, real.window(many), real.window(once), MODEL)
    seen, _, _ = assign_topics(store, real.window(many), real.window(once), MODEL)
    mine = int(seen.frame["topic"].iloc[-1])
    assert mine != topics[0].id
    assert (seen.frame["topic"].iloc[:200] == mine).sum() < 40


def test_a_label_is_written_as_people_write() -> None:
    groups = [
        ["Quem paga o frete grátis?", "O frete grátis vale a pena?", "frete grátis acima de quanto"],
        ["Como baixar o ACOS?", "Meu ACOS está alto", "Qual ACOS é bom?", "acos alto demais"],
    ]
    first, second = labels(groups)
    assert first.split(" · ")[0] == "frete grátis"
    assert "ACOS" in second


def test_a_label_shows_no_word_of_a_single_question() -> None:
    (label,) = labels([["Frete para Dona Filomena?", "Frete para Itu?", "Frete caro"]], ["Qual o lance?"])
    assert label == "frete"
    (nameless,) = labels([["Alfa?", "Beta?"]])
    assert nameless == NAMELESS


def test_masked_data_is_no_word() -> None:
    (label,) = labels([["frete [e-mail]", "frete [e-mail]", "prazo [e-mail]", "prazo [CPF]"]])
    assert "mail" not in label
    assert "CPF" not in label


def test_labels_never_meet() -> None:
    group = ["frete grátis", "frete grátis"]
    named = labels([group, group, group], taken=["Frete grátis"])
    assert len({name.lower() for name in [*named, "Frete grátis"]}) == 4


def test_gaps_put_like_beside_like(real: Real, embeddings: LocalEmbeddings) -> None:
    unanswered = [*TIKTOK[:6], "Como tirar mancha de vinho da roupa?"]
    vectors = np.array([embeddings.embed_query(text) for text in unanswered], np.float32)
    rest = real.order[:100]
    seen = window(
        [*unanswered, *(real.texts[place] for place in rest)],
        np.concatenate([vectors, real.vectors[rest]]),
        [True] * len(unanswered),
    )
    found = gaps(seen)
    assert sum(gap["count"] for gap in found) == len(unanswered)
    first = found[0]
    assert first["count"] >= 5
    assert "TikTok" in first["label"]
    asked = dict(zip(seen.frame["id"], seen.frame["question"], strict=True))
    assert all([asked[id_] for id_ in gap["ids"]] == gap["examples"] for gap in found)
    alone = [gap for gap in found if gap["count"] == 1]
    assert all(gap["label"] == "" for gap in alone), "its own words would be shown where nobody's may be"
    assert any("vinho" in gap["examples"][0] for gap in alone)


def test_gaps_look_at_questions_outside_the_sample_when_they_can() -> None:
    texts = [f"pergunta {number} sobre coisa {number}" for number in range(40)] + ["frete grátis"] * 3
    embeddings = ByWords()
    vectors = np.array([embeddings.embed_query(text) for text in texts], np.float32)
    whole = window(texts, vectors, [False] * 40 + [True] * 3)
    some = replace(whole, sampled=whole.sampled[:40], vectors=whole.vectors[:40])
    assert gaps(some) == []
    (gap,) = gaps(some, embeddings=embeddings)
    assert (gap["label"], gap["count"], gap["examples"]) == ("", 3, ["frete grátis"])


def test_the_commonest_gap_comes_first_even_without_enough_to_compare() -> None:
    texts = ["Emite boleto?", "Onde vejo a fatura?", "onde vejo a fatura?"]
    found = gaps(window(texts, np.eye(3, 8), [True] * 3))
    assert [(gap["examples"][0], gap["count"]) for gap in found] == [
        ("Onde vejo a fatura?", 2),
        ("Emite boleto?", 1),
    ]


def test_a_window_without_gaps_has_none() -> None:
    assert gaps(window(["a", "b"], np.eye(2, 4))) == []
