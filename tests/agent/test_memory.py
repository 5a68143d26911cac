"""Follow-ups carry the subject; new questions stand alone."""

import unicodedata
from pathlib import Path

import pytest

from melancia.agent.memory import get_memory, standalone
from melancia.knowledge.documents import find_files, load
from melancia.records import Turn
from melancia.settings import PROJECT_DIR

HISTORY = [Turn("O que é ACOS?", "É o custo sobre a venda [1].")]


@pytest.mark.parametrize(
    "question",
    [
        "e como calculo isso?",
        "E no Mercado Livre?",
        "E é obrigatório emitir nota fiscal?",
        "Mas é permitido na Shopee?",
        "Qual a fórmula dele?",
        "Como faço para mudá-la?",
        "por quê?",
        "Quanto custa?",
        "É caro?",
        "É isso?",
        "Está certo isso?",
        "É a mesma coisa no Mercado Livre?",
        "O mesmo vale para a Shopee?",
        "Esta regra vale para a Shopee?",
        "Quanto custa esta taxa na Shopee?",
        "Aquela taxa vale na Amazon?",
        "Qual o exemplo acima em reais?",
        "O que é melhor?",
        "Quanto tempo devo esperar para julgar ele?",
    ],
)
def test_follow_ups_carry_the_subject(question: str) -> None:
    assert "ACOS" in standalone(question, HISTORY)


@pytest.mark.parametrize(
    "question",
    [
        "Como funciona o envio Full no Mercado Livre?",
        "É obrigatório emitir nota fiscal na Shopee?",
        unicodedata.normalize("NFD", "É possível anunciar na Amazon sem estoque?"),
        "e possivel anunciar na amazon sem estoque?",
        "Meu lance está alto demais, como reduzo?",
        "meu lance esta alto demais, como reduzo?",
        "Como está o tempo em Curitiba amanhã?",
        "como esta o tempo em curitiba amanha?",
        "E-commerce precisa emitir nota fiscal?",
        "Como vender mais este mês na Amazon?",
        "Como comparo as vendas com as do ano anterior?",
        "O frete grátis é obrigatório acima de 79 reais?",
        "Retail media é a mesma coisa que verba de trade?",
        "Devo ter o mesmo preço em todos os marketplaces?",
        "Para que serve esse tal de DSP?",
        "O que é DSP?",
        "Recebi uma notificação do CONAR por causa de um post patrocinado. Eles podem me multar?",
    ],
)
def test_a_new_question_stands_alone(question: str) -> None:
    assert standalone(question, HISTORY) == question


def test_without_history_nothing_is_a_follow_up() -> None:
    assert standalone("e isso?", []) == "e isso?"


def test_hardly_a_likely_question_of_the_base_is_taken_for_a_follow_up() -> None:
    """They stand alone, all of them: a few are lost to words that point within the question."""
    root = PROJECT_DIR / "data" / "knowledge"
    likely = [question for path in find_files(root) for question in load(path, root).questions]
    taken = [question for question in likely if standalone(question, HISTORY) != question]
    assert len(likely) > 500
    assert len(taken) <= 2


def test_memory_keeps_turns_in_order(tmp_path: Path) -> None:
    memory = get_memory(tmp_path / "sub" / "historico.jsonl")
    assert memory.turns() == []
    for number in range(6):
        memory.append(Turn(f"pergunta {number}", "ação"))
    assert [turn.question for turn in memory.turns(limit=2)] == ["pergunta 4", "pergunta 5"]
    memory.clear()
    assert memory.turns() == []
