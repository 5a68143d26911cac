"""Numbers mean the same whatever way they are written."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from melancia.evals.numbers import numbers, rounds_to, same


def grouped(value: int) -> str:
    """With a dot between thousands, as Brazil writes."""
    return f"{value:,}".replace(",", ".")


@given(st.integers(min_value=0, max_value=10**9), st.integers(min_value=0, max_value=99))
def test_a_grouped_amount_is_read_to_the_cent(reais: int, cents: int) -> None:
    (found,) = numbers(f"custa R$ {grouped(reais)},{cents:02d} por mês")
    assert (found.value, found.unit) == (Decimal(reais) + Decimal(cents) / 100, "R$")


@given(st.integers(min_value=1000, max_value=10**7))
def test_writing_the_unit_in_words_or_dots_changes_nothing(value: int) -> None:
    forms = [f"R$ {grouped(value)},00", f"{value} reais", f"R$ {value}", f"{grouped(value)} reais"]
    read = [numbers(form)[0] for form in forms]
    assert all(same(read[0], other) for other in read)


@given(st.integers(min_value=1, max_value=999))
def test_a_percentage_is_the_same_in_every_writing_and_as_a_fraction(value: int) -> None:
    forms = [f"{value}%", f"{value} %", f"{value} por cento", f"{value / 100:.2f}".replace(".", ",")]
    read = [numbers(form)[0] for form in forms]
    assert all(same(read[0], other) for other in read)


@given(st.integers(min_value=1, max_value=10**6), st.integers(min_value=1, max_value=10**6))
def test_different_amounts_are_not_the_same(a: int, b: int) -> None:
    assert same(numbers(f"{a} dias")[0], numbers(f"{b} dias")[0]) == (a == b)


@given(st.text(max_size=200))
def test_any_text_is_read_and_positions_lie_inside_it(text: str) -> None:
    for number in numbers(text):
        assert 0 <= number.start < number.end <= len(text)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("R$ 1.200,00", "1,2 mil reais"),
        ("36 centavos", "R$ 0,36"),
        ("seis meses", "6 meses"),
        ("vinte e cinco por cento", "25%"),
        ("4/3/2027", "4 de março de 2027"),
        ("19,6 mil", "19.600"),
        ("2 milhões", "2.000.000"),
        ("quatro em cada dez pedidos", "40%"),
        ("5 em cada 1.000", "0,5%"),
        ("duas semanas", "14 dias"),
        ("um prazo de 60 dias", "dois meses"),
        ("mil e oitocentos reais", "R$ 1.800"),
        ("um real e doze centavos", "R$ 1,12"),
        ("57 reais e 60 centavos", "R$ 57,60"),
        ("oito vírgula três por cento", "8,3%"),
        ("zero vírgula zero cinco", "0,05"),
        ("cento e cinquenta cliques", "150"),
        ("cinquenta e seis mil trezentos e dois", "56.302"),
    ],
)
def test_two_writings_of_one_number(a: str, b: str) -> None:
    assert same(numbers(a)[0], numbers(b)[0])


@pytest.mark.parametrize(
    ("a", "b"),
    [("30 dias", "30 semanas"), ("12%", "R$ 12"), ("36 centavos", "36 reais"), ("4/3", "11 de março")],
)
def test_another_unit_is_another_number(a: str, b: str) -> None:
    assert not same(numbers(a)[0], numbers(b)[0])


def test_citations_markers_and_names_are_no_numbers() -> None:
    assert numbers("1. Use o ME1 [2][3].\n2. Veja [o guia](guia-2024.md), um por um.") == []
    assert numbers("Retail Media [1 e 3], vendas [4-12] e lances [Fonte 25].") == []


def test_words_that_are_no_numeral_are_none_and_a_list_of_numerals_is_no_sum() -> None:
    assert numbers("quantos por cento em uma semana?") == []
    assert [number.value for number in numbers("quatro e cinco pedidos")] == [4, 5]


def test_the_first_end_of_a_range_has_its_unit() -> None:
    assert [number.unit for number in numbers("de 10 a 15%")] == ["%", "%"]


def test_rounding_goes_by_the_decimals_shown() -> None:
    assert rounds_to(0.648, numbers("R$ 0,65")[0])
    assert rounds_to(0.1778, numbers("17,8%")[0])
    assert not rounds_to(0.648, numbers("R$ 0,66")[0])
