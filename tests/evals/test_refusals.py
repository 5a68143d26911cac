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
        "As fontes tratam de anúncios, mas não explicam como abrir empresa. Por isso prefiro não inventar.",
        "Esse pedido eu não atendo: o que orienta meu trabalho não é público. Posso ajudar com lances.",
        "Falta essa informação no material. Consulte o site oficial.",
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
        "Não foi localizada documentação disso [1]. A alternativa é trabalhar com orçamento e meta [1].",
        "A base não traz o CPM da Magalu, mas o da Amazon fica em torno de R$ 12 [2].",
        "Infelizmente não: quem cancela depois do prazo perde o crédito [2].",
        "Não tenho o valor exato, mas a conta é gasto dividido por receita: 300 ÷ 1.500 = 20%.",
        "Veja se há acréscimo no topo: não erro do sistema, um lance de R$ 1,20 vira R$ 1,68.",
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
