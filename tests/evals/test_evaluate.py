"""The evaluator: which metrics a case has, what they say of each kind, and how they fail."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.embeddings import Embeddings

from melancia.embeddings.local import LocalEmbeddings
from melancia.errors import EmbeddingError
from melancia.evals.case import SCORES, Case
from melancia.evals.evaluate import Evaluator
from melancia.evals.quality import ADMITTED, WAYS, quality
from melancia.evals.weights import WEIGHTS
from tests.evals.cases import BARE, KNOWN, REFUSAL, RIGHT, WRONG, answer

UNKNOWABLE = replace(BARE, question="Qual a previsão do tempo para amanhã?", answerable=False)


class Broken(Embeddings):
    """A model that does not load."""

    def embed_query(self, text: str) -> list[float]:
        raise EmbeddingError("O modelo de embeddings não pôde ser carregado.")

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        raise EmbeddingError("O modelo de embeddings não pôde ser carregado.")


class Counted(Embeddings):
    """Counts the texts that it is asked for."""

    def __init__(self, real: Embeddings) -> None:
        self.real = real
        self.texts: list[str] = []

    def embed_query(self, text: str) -> list[float]:
        self.texts.append(text)
        return self.real.embed_query(text)

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        self.texts.extend(texts)
        return self.real.embed_documents(texts)


@pytest.fixture(scope="module", params=["vectors", "words"])
def evaluator(request: pytest.FixtureRequest, embeddings: LocalEmbeddings) -> Evaluator:
    return Evaluator(embeddings if request.param == "vectors" else None)


@pytest.mark.parametrize(
    ("kind", "case"),
    [(kind, KNOWN) for kind in WRONG] + [(kind, BARE) for kind in WRONG if kind != "undue refusal"],
)
def test_a_wrong_answer_has_less_quality_than_the_right_one(
    evaluator: Evaluator, kind: str, case: Case
) -> None:
    right = evaluator.evaluate(answer(RIGHT, case)).values["quality"]
    assert evaluator.evaluate(answer(WRONG[kind], case)).values["quality"] < right


@pytest.mark.parametrize("text", [RIGHT, *WRONG.values()])
def test_scores_have_known_names_and_lie_between_0_and_1(evaluator: Evaluator, text: str) -> None:
    for case in (BARE, KNOWN, UNKNOWABLE):
        scores = evaluator.evaluate(answer(text, case))
        assert set(scores.values) <= set(SCORES)
        assert not scores.failures
        assert all(0 <= value <= 1 for value in scores.values.values())


def test_a_known_case_has_every_metric(evaluator: Evaluator) -> None:
    assert set(evaluator.evaluate(answer(RIGHT)).values) == set(SCORES)


def test_of_a_user_s_question_nothing_is_known_and_correctness_and_refusal_are_left_out(
    evaluator: Evaluator,
) -> None:
    values = evaluator.evaluate(answer(RIGHT, BARE)).values
    assert set(SCORES) - set(values) == {"correctness", "refusal"}


def test_an_empty_answer_is_wrong_and_no_failure(evaluator: Evaluator) -> None:
    scores = evaluator.evaluate(answer("  "))
    assert scores.failures == {}
    assert set(scores.values) == set(SCORES) - {"citation_precision"}
    assert set(scores.values.values()) == {0.0}


def test_a_due_refusal_is_wholly_good_and_has_no_correctness(evaluator: Evaluator) -> None:
    values = evaluator.evaluate(answer(REFUSAL, UNKNOWABLE)).values
    assert values == {"quality": 1.0, "refusal": 1.0, "language": 1.0}


def test_an_undue_refusal_is_neither_correct_nor_relevant(evaluator: Evaluator) -> None:
    values = evaluator.evaluate(answer(REFUSAL)).values
    assert values["quality"] == values["correctness"] == values["relevance"] == values["refusal"] == 0


def test_a_refusal_of_which_nothing_is_known_is_the_better_the_farther_the_sources(
    evaluator: Evaluator,
) -> None:
    near = evaluator.evaluate(
        answer(REFUSAL, replace(BARE, question="Como calcular o ACOS e a meta de ACOS?"))
    )
    far = evaluator.evaluate(answer(REFUSAL, replace(UNKNOWABLE, answerable=None)))
    assert near.values["quality"] < far.values["quality"] < 1


def test_answering_what_the_base_does_not_have_is_worth_nothing(evaluator: Evaluator) -> None:
    values = evaluator.evaluate(answer("Amanhã chove o dia inteiro, com 21 °C [1].", UNKNOWABLE)).values
    assert values["quality"] == values["refusal"] == 0
    assert "correctness" not in values


def test_who_admits_that_the_base_lacks_it_and_answers_all_the_same_gets_half(evaluator: Evaluator) -> None:
    text = "As fontes não tratam do clima de amanhã. Ainda assim, deve chover 12 mm à tarde em São Paulo."
    assert evaluator.evaluate(answer(text, UNKNOWABLE)).values["quality"] == ADMITTED


def test_a_broken_model_fails_what_needs_it_with_the_reason_and_nothing_else() -> None:
    scores = Evaluator(Broken()).evaluate(answer(RIGHT))
    assert set(scores.failures) == {"quality", "relevance"}
    assert all("não pôde ser carregado" in reason for reason in scores.failures.values())
    assert set(scores.values) == set(SCORES) - set(scores.failures)


def test_sources_and_references_are_embedded_once(embeddings: LocalEmbeddings) -> None:
    counted = Counted(embeddings)
    evaluator = Evaluator(counted)
    for kind in (RIGHT, WRONG["negated"], RIGHT):
        evaluator.evaluate(answer(kind))
    assert len(counted.texts) == len(set(counted.texts))


def test_a_case_without_sources_is_measured(evaluator: Evaluator) -> None:
    scores = evaluator.evaluate(replace(answer(RIGHT), sources=()))
    assert not scores.failures
    assert scores.values["groundedness"] < evaluator.evaluate(answer(RIGHT)).values["groundedness"]


SIGNALS = sorted({name for names in WAYS.values() for name in names})


@given(
    st.fixed_dictionaries({name: st.floats(0, 1) for name in SIGNALS}),
    st.sampled_from(SIGNALS),
    st.floats(0, 1),
    st.sampled_from(sorted(WEIGHTS)),
)
def test_no_metric_that_gets_better_lowers_quality(
    signals: dict[str, float], name: str, higher: float, weights: str
) -> None:
    better = {**signals, name: max(signals[name], higher)}
    assert quality(better, weights) >= quality(signals, weights) - 1e-12


def test_the_words_of_the_reference_support_an_answer_beside_the_sources(evaluator: Evaluator) -> None:
    said = "O seguro Platinum devolve R$ 77 do frete rodoviário."
    known = replace(KNOWN, reference=said, key_facts=("R$ 77",))
    informed = evaluator.signals(answer(said, known))
    uninformed = evaluator.signals(answer(said, BARE))
    for name in ("worst_number", "worst_statement"):
        assert informed[name] > uninformed[name]
    assert evaluator.evaluate(answer(said, known)).values["groundedness"] == 0
