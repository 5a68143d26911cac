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
from melancia.evals.roles import roles
from melancia.evals.slots import in_place, slots
from melancia.evals.sources import evidence, split
from melancia.evals.verdicts import verdicts_agree
from melancia.text import fold
from tests.evals.cases import BARE, KNOWN, RIGHT, UNSUPPORTED, WRONG, answer


def flat(_: str) -> float:
    return 1.0


def grounded(text: str) -> Grounding:
    given_ = evidence(replace(BARE, answer=text), flat)
    known = places(sentence.text for sentence in given_.sentences)
    return grounding(split(text), given_, known, slots(given_.sentences))


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


def test_nenhum_negates_the_next_word_alone() -> None:
    found = dict(tokens("Sem nenhum pedido o lance sobe."))
    assert found[stem("pedido")] is True
    assert found[stem("lance")] is False


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("maior", "menor"),
        ("sempre", "nunca"),
        ("antes", "depois"),
        ("permite", "proíbe"),
        ("obrigatório", "opcional"),
        ("correta", "incorreta"),
        ("vantagem", "desvantagem"),
    ],
)
def test_opposites_go_both_ways(a: str, b: str) -> None:
    first, second = stem(fold(a)), stem(fold(b))
    assert second in opposites(first)
    assert first in opposites(second)


def test_an_answer_to_another_question_shares_fewer_words_with_it() -> None:
    own = relevance.words(KNOWN.question, RIGHT, flat)
    assert relevance.words(KNOWN.question, WRONG["other answer"], flat) < own


def test_two_things_exchanged_lower_roles_and_a_paraphrase_does_not() -> None:
    text = (
        "Com o Flex, o vendedor embala em casa e a entrega sai no mesmo dia pela cidade inteira. "
        "Com o Full, a plataforma guarda, embala e envia do centro de distribuição, com tarifa por unidade."
    )
    same = [
        "No Full, a plataforma guarda e envia do centro de distribuição, com tarifa por unidade.",
        "No Flex, o vendedor embala em casa e a entrega sai no mesmo dia.",
    ]
    exchanged = [
        sentence.replace("Full", "X").replace("Flex", "Full").replace("X", "Flex") for sentence in same
    ]
    question = "Qual a diferença entre Full e Flex?"
    assert roles(same, text, question, flat) == 1
    assert roles(exchanged, text, question, flat) < 1


def test_a_yes_against_a_no_disagrees_and_an_opening_that_decides_nothing_does_not() -> None:
    assert verdicts_agree("Sim, pode pausar já.", "Ainda não dá para concluir.") == 0
    assert verdicts_agree("Não, espere 120 cliques.", "Ainda não dá para concluir.") == 1
    assert verdicts_agree("O prazo é de 7 dias.", "Não: são 7 dias.") == 1


def test_a_number_in_the_place_of_another_is_out_of_place_even_when_the_sources_have_it() -> None:
    sources = split("O ajuste de posicionamento vai até 900%. O desconto da campanha de natal é de 12%.")

    def placed(text: str) -> float:
        return in_place(split(text), slots(sources), (), flat)

    assert placed("O ajuste de posicionamento vai até 900%.") == 1
    assert placed("O ajuste de posicionamento vai até 12%.") < 1
    assert placed("O ajuste de posicionamento vai até 12 dias.") == 1  # another unit is no rival


def test_an_addition_stands_out_in_an_answer_that_keeps_to_its_sources() -> None:
    assert grounded(f"{RIGHT} {UNSUPPORTED}").alike < grounded(RIGHT).alike


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


def test_citations_are_read_as_the_assistant_reads_them() -> None:
    assert split("Uma frase qualquer. [Fontes 1-3 e 5]") == split("Uma frase qualquer. [1][2][3][5]")
