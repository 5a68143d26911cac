"""A number is supported by sources, by the question, or by arithmetic on them; by nothing else."""

from dataclasses import replace

import pytest

from melancia.evals import figures
from melancia.evals.arithmetic import derivable, written_sums
from melancia.evals.numbers import numbers
from melancia.evals.sources import evidence, split
from tests.evals.cases import BARE


def worst(answer: str, question: str = BARE.question) -> float:
    sentences = split(answer)
    given = evidence(replace(BARE, question=question, answer=answer))
    return min(value for row in figures.support(sentences, given, figures.sums(sentences)) for value in row)


def test_a_number_of_the_source_is_supported_in_any_writing() -> None:
    assert worst("Com 1200 reais de gasto, o ACOS é de 12 por cento.") > 0.5


def test_a_number_from_nowhere_is_not() -> None:
    assert worst("O produto paga depois de 45 dias parado.") == 0


def test_a_number_of_another_subject_is_less_supported_than_the_right_one() -> None:
    assert worst("O ACOS é de 900% com esse gasto.") < worst("O ACOS é de 12% com esse gasto.")


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("Gastei 180 e vendi 1.500, qual o ACOS?", "O ACOS é de 12%."),
        ("Vendo a R$ 200 com margem de 15%, quanto sobra?", "Sobram R$ 30,00."),
        ("O fornecedor demora 35 dias e o centro recebe em 8, quanto dá?", "São 43 dias."),
        ("Um custo de R$ 70 com margem de 30% do preço, quanto cobro?", "Cobre R$ 100,00."),
        ("Preço 180, conversão 3% e meta 12%: lance?", "Até R$ 0,65 por clique."),
    ],
)
def test_what_follows_from_the_question_is_supported(question: str, answer: str) -> None:
    assert worst(answer, question) >= figures.DERIVED


def test_the_result_of_a_sum_written_further_on_is_supported() -> None:
    answer = "Até R$ {} por clique. A conta é da loja. O limite vem do preço. Faça 57,60 × 0,012."
    question = "Com 57,60 por pedido e conversão de 0,012, qual o limite?"
    assert worst(answer.format("0,69"), question) >= figures.DERIVED
    assert worst(answer.format("0,79"), question) == 0


@pytest.mark.parametrize("answer", ["O ACOS é de 17%.", "O ACOS é 180 ÷ 1.500 = 17%."])
def test_what_does_not_follow_is_not(answer: str) -> None:
    assert worst(answer, "Gastei 180 e vendi 1.500, qual o ACOS?") == 0


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("1.728 ÷ 9.720 = 17,8%", True),
        ("1.728 ÷ 9.720 = 19,8%", False),
        ("35 + 4 + 8 = 47 dias", True),
        ("160 vezes 18 reais = 2.880", True),
        ("160 vezes 18 reais = 2.580", False),
        ("1.728 dividido por 9.720 dá 17,8%", True),
        ("(310 + 330) ÷ 2 = 320 pedidos", True),
        ("(310 + 330) ÷ 2 = 475 pedidos", False),
        ("12 ÷ (1.000 × 0,32%) = R$ 3,75", True),
        ("((1 + 2) × 3) ÷ 9 = 1", True),
        ("180 × 0,03 × 0,12 dá cerca de R$ 0,65", True),
        ("16 × 0,02 × 0,98 ÷ 0,004² = 19.600", True),
        ("16 × 0,02 × 0,98 ÷ 0,004² = 78.400", False),
    ],
)
def test_a_written_sum_is_checked(text: str, right: bool) -> None:
    assert list(written_sums(text, numbers(text)).values()) == [right]


def test_a_date_follows_from_another_and_a_number_of_days() -> None:
    known = numbers("9 de maio e 14 dias")
    assert derivable(numbers("25 de abril")[0], known)
    assert not derivable(numbers("20 de abril")[0], known)


def test_a_model_that_runs_away_supports_nothing() -> None:
    sentences = split("1.200 + " * 20_000)
    found = figures.support(sentences, evidence(BARE), figures.sums(sentences))
    assert {value for row in found for value in row} == {0.0}
