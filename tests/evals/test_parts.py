"""Groundedness, correctness, relevance and citations on small cases of every kind, without vectors."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from melancia.evals import citations, relevance
from melancia.evals.case import Case
from melancia.evals.correctness import agreement
from melancia.evals.grounding import Grounding, grounding
from melancia.evals.opposites import opposites, stem
from melancia.evals.polarity import places, polarity, tokens
from melancia.evals.sources import evidence, split
from tests.evals.cases import BARE, KNOWN, RIGHT, UNSUPPORTED, WRONG, answer


def flat(_: str) -> float:
    return 1.0


def grounded(text: str) -> Grounding:
    given_ = evidence(replace(BARE, answer=text), flat)
    return grounding(split(text), given_, places(sentence.text for sentence in given_.sentences))


def correct(text: str) -> float:
    return agreement(text, KNOWN.reference, KNOWN.key_facts, flat).value


@pytest.mark.parametrize("kind", ["wrong number", "unsupported", "negated", "english"])
def test_what_the_sources_do_not_say_is_less_grounded(kind: str) -> None:
    assert grounded(WRONG[kind]).value < grounded(RIGHT).value


@pytest.mark.parametrize("kind", ["other answer", "wrong number", "negated", "english"])
def test_what_the_reference_does_not_say_is_less_correct(kind: str) -> None:
    assert correct(WRONG[kind]) < correct(RIGHT)


@given(st.permutations(split(KNOWN.reference + " " + RIGHT)))
def test_the_order_of_sentences_does_not_change_correctness(order: list[object]) -> None:
    texts = [sentence.text for sentence in split(KNOWN.reference + " " + RIGHT)]
    permuted = " ".join(sentence.text for sentence in order)  # type: ignore[attr-defined]
    assert correct(permuted) == pytest.approx(correct(" ".join(texts)))


@given(st.integers(min_value=0, max_value=2), st.sampled_from([RIGHT, *WRONG.values()]))
def test_an_unsupported_sentence_more_never_raises_groundedness(at: int, text: str) -> None:
    sentences = [sentence.text for sentence in split(text)]
    longer = [*sentences[:at], UNSUPPORTED, *sentences[at:]]
    if sentences:
        assert grounded(" ".join(longer)).value <= grounded(" ".join(sentences)).value + 1e-9


def test_nothing_said_is_not_grounded() -> None:
    assert grounded("").value == 0


def test_a_key_fact_counts_in_another_writing_and_a_near_number_does_not() -> None:
    assert agreement("Paga em sessenta dias.", "", ("60 dias",), flat).facts == 1
    assert agreement("Paga em 61 dias.", "", ("60 dias",), flat).facts == 0


@pytest.mark.parametrize(
    "text",
    [
        "O Full não aumenta a conversão dos anúncios.",
        "O Full reduz a conversão dos anúncios.",
        "O Full aumenta o prazo de entrega.",
    ],
)
def test_a_negation_or_an_opposite_contradicts(text: str) -> None:
    known = places(["O Full aumenta a conversão dos anúncios.", "O Full reduz o prazo de entrega."])
    assert polarity([text], known, flat) < 1
    assert polarity(["O Full aumenta a conversão dos anúncios."], known, flat) == 1


def test_a_negated_opposite_does_not_contradict() -> None:
    known = places(["A tarifa do envio é baixa."])
    assert polarity(["A tarifa do envio não é alta."], known, flat) == 1


def test_a_negation_ends_with_its_clause() -> None:
    assert dict(tokens("Não cobra frete, mas cobra comissão."))[stem("comissao")] is False


@pytest.mark.parametrize(("a", "b"), [("maior", "menor"), ("sempre", "nunca"), ("antes", "depois")])
def test_opposites_go_both_ways(a: str, b: str) -> None:
    assert stem(b) in opposites(stem(a))
    assert stem(a) in opposites(stem(b))


def test_an_answer_to_another_question_shares_fewer_words_with_it() -> None:
    own = relevance.words(KNOWN.question, RIGHT, flat)
    assert relevance.words(KNOWN.question, WRONG["other answer"], flat) < own


def precision(case: Case) -> float | None:
    return citations.precision(split(case.answer), evidence(case, flat), case)


def recall(case: Case) -> float:
    return citations.recall(split(case.answer), case)


def test_a_citation_of_the_wrong_source_lowers_precision() -> None:
    right, wrong = precision(answer(RIGHT)), precision(answer(RIGHT.replace("[1]", "[3]")))
    assert right is not None
    assert wrong is not None
    assert wrong < right


def test_an_invented_citation_counts_against_precision() -> None:
    honest = precision(answer(RIGHT))
    assert honest is not None
    invented = precision(replace(answer(RIGHT), invented_citations=2))
    assert invented == pytest.approx(honest / 2)


def test_without_citations_there_is_no_precision_and_no_recall() -> None:
    bare = answer(RIGHT.replace(" [1]", ""))
    assert precision(bare) is None
    assert recall(bare) == 0


def test_recall_wants_every_sentence_cited_and_a_gold_document_among_them() -> None:
    assert recall(answer(RIGHT)) == 1
    assert recall(answer(f"{RIGHT} {UNSUPPORTED}")) < 1
    assert recall(answer(RIGHT.replace("[1]", "[3]"))) == 0.5


def test_a_citation_after_the_full_stop_is_the_sentence_s_own() -> None:
    assert [s.citations for s in split("Uma frase qualquer. [1][2] Outra frase.")] == [(1, 2), ()]
