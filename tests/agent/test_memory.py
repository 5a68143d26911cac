"""Follow-ups carry the subject; new questions stand alone."""

from pathlib import Path

import pytest

from melancia.agent.memory import get_memory, standalone
from melancia.records import Turn

HISTORY = [Turn("O que é ACOS?", "É o custo sobre a venda [1].")]


@pytest.mark.parametrize(
    "question", ["e como calculo isso?", "E no Mercado Livre?", "Qual a fórmula dele?", "por quê?"]
)
def test_follow_ups_carry_the_subject(question: str) -> None:
    assert "ACOS" in standalone(question, HISTORY)


def test_a_new_question_stands_alone() -> None:
    question = "Como funciona o envio Full no Mercado Livre?"
    assert standalone(question, HISTORY) == question
    assert standalone("e isso?", []) == "e isso?"


def test_memory_keeps_turns_in_order(tmp_path: Path) -> None:
    memory = get_memory(tmp_path / "sub" / "historico.jsonl")
    assert memory.turns() == []
    for number in range(6):
        memory.append(Turn(f"pergunta {number}", "ação"))
    assert [turn.question for turn in memory.turns(limit=2)] == ["pergunta 4", "pergunta 5"]
    memory.clear()
    assert memory.turns() == []
