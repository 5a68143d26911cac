"""A small knowledge base, a question and its answers of every kind."""

from dataclasses import replace

from melancia.evals.case import Case, Source

SOURCES = (
    Source(
        "envios",
        "Envios no Mercado Livre",
        "Full: custo e prazo",
        "No Full, o estoque fica no centro de distribuição do Mercado Livre. A armazenagem é cobrada por "
        "unidade e por dia. Depois de 60 dias parado, o produto paga uma cobrança adicional "
        "por estoque antigo. O Full aumenta a conversão dos anúncios e reduz o prazo de entrega.",
    ),
    Source(
        "acos",
        "ACOS: cálculo e meta",
        "Como calcular o ACOS",
        "O ACOS é o gasto em anúncios dividido pela receita atribuída a eles. Com gasto de R$ 1.200,00 e "
        "receita de R$ 10.000,00, o ACOS é de 12%.",
    ),
    Source("lances", "Lances na Amazon", "Ajustes", "O ajuste de posicionamento vai até 900%."),
)
QUESTION = "O que acontece com o estoque parado no Full?"
BARE = Case(question=QUESTION, answer="", sources=SOURCES)
KNOWN = replace(
    BARE,
    reference="Depois de 60 dias parado no Full, o produto paga uma cobrança adicional por estoque antigo.",
    key_facts=("60 dias", "estoque antigo"),
    gold=("envios",),
    answerable=True,
)
RIGHT = (
    "No Full, o produto parado por 60 dias paga uma cobrança adicional por estoque antigo [1]. A armazenagem "
    "é cobrada por unidade e por dia [1]."
)
UNSUPPORTED = "Quem contrata o seguro Platinum recebe reembolso integral do frete rodoviário."
REFUSAL = "Não encontrei isso na base."
WRONG = {
    "other answer": "O ACOS é o gasto em anúncios dividido pela receita atribuída a eles [2].",
    "wrong number": RIGHT.replace("60", "45"),
    "unsupported": f"{RIGHT} {UNSUPPORTED}",
    "negated": RIGHT.replace("paga", "nunca paga"),
    "english": "After sitting in Full for 60 days, the product pays an additional fee for old stock [1].",
    "empty": "",
    "undue refusal": REFUSAL,
}


def answer(text: str, case: Case = KNOWN) -> Case:
    """``case`` answered with ``text``."""
    return replace(case, answer=text)
