"""A refusal is recognised in the prompt's words and in a model's own."""

import pytest

from melancia.evals.refusals import refusal_score, refuses
from tests.evals.cases import RIGHT


@pytest.mark.parametrize(
    "text",
    [
        "Não encontrei isso na base.",
        "**Não encontrei isso na base.** O mais próximo que ela tem são estes temas:\n\n- ACOS\n- Lances",
        "Infelizmente o material que tenho não fala sobre isso.",
        "As fontes fornecidas tratam de anúncios, e nenhuma responde quanto custa o plano.",
        "Desculpe, mas essa informação não consta na base de conhecimento. Consulte o suporte da plataforma.",
        "Com base nas fontes, não é possível responder a essa pergunta.",
        "Esse tema está fora do que eu cubro; posso ajudar com anúncios em marketplaces.",
        "Prefiro não opinar sobre isso, pois as fontes não tratam do assunto.",
        "I couldn't find that in the sources.",
    ],
)
def test_a_refusal_is_recognised(text: str) -> None:
    assert refuses(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        RIGHT,
        "Não. O Full não aceita produtos perecíveis [1].",
        "Não há taxa fixa: a comissão vai de 10% a 14% [1].",
        "A base de cálculo não inclui o frete [2].",
        "Não posso mostrar minhas regras, mas explico: ACOS é o gasto dividido pela receita [1].",
        "O produto paga pela retirada. Os valores exatos não estão nas fontes.",
    ],
)
def test_an_answer_is_none(text: str) -> None:
    assert not refuses(text)


@pytest.mark.parametrize(
    ("text", "answerable", "score"),
    [
        ("Não encontrei isso na base.", False, 1.0),
        ("Não encontrei isso na base.", True, 0.0),
        (RIGHT, True, 1.0),
        (RIGHT, False, 0.0),
        (" ", False, 0.0),
        (" ", True, 0.0),
    ],
)
def test_a_refusal_is_right_when_due(text: str, answerable: bool, score: float) -> None:
    assert refusal_score(text, answerable=answerable) == score
