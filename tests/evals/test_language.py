"""Portuguese is told from other languages, and the field's jargon from a language."""

import pytest

from melancia.evals.language import language


@pytest.mark.parametrize(
    "text",
    [
        "O ACOS é o gasto em anúncios dividido pela receita.",
        "Até R$ 0,65 por clique.",
        "ACOS: 17,8%; ROAS: 5,63; TACOS: 5,3%.",
        "O Sponsored Products e o Brand Store usam o mesmo Seller Central.",
        "- ROAS: 5,63\n- CPC: R$ 0,65",
    ],
)
def test_portuguese_full_of_jargon_is_portuguese(text: str) -> None:
    assert language(text) > 0.9


@pytest.mark.parametrize(
    "text",
    [
        "ACOS is the spend on ads divided by the attributed revenue.",
        "The Sponsored Products window is 7 days after the click [3].",
        "El ACOS es el gasto en anuncios dividido por los ingresos que se les atribuyen.",
        "",
    ],
)
def test_another_language_or_nothing_is_not(text: str) -> None:
    assert language(text) < 0.2
