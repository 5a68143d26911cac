"""Which questions a benchmark asks, and what is said of a file that is none."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from melancia.errors import InputError
from melancia.experiments.questions import FOLDER, QUICK, questions, read
from melancia.records import Turn


def test_quick_asks_the_guides_questions_in_their_order() -> None:
    assert [question.text for question in questions("quick")] == list(QUICK)
    assert [question.text for question in questions("quick", limit=2, seed=9)] == list(QUICK[:2])


def test_full_asks_the_whole_test_split_what_has_no_answer_included() -> None:
    asked = questions("full")
    assert len(asked) == len((FOLDER / "test.jsonl").read_text("utf-8").splitlines())
    assert {question.answerable for question in asked} == {True, False}
    assert all(question.reference and question.key_facts for question in asked if question.answerable)
    assert any(question.history for question in asked)


@given(st.integers(1, 200), st.integers(0, 1000))
def test_a_limit_is_a_sample_by_seed_in_the_files_order(limit: int, seed: int) -> None:
    everything = [question.id for question in questions("full")]
    found = [question.id for question in questions("full", limit=limit, seed=seed)]
    assert found == [question.id for question in questions("full", limit=limit, seed=seed)]
    assert found == [name for name in everything if name in set(found)]
    assert len(found) == min(limit, len(everything))


def test_another_seed_is_another_sample() -> None:
    assert questions("full", limit=20, seed=1) != questions("full", limit=20, seed=2)


def test_categories_choose_and_unknown_ones_are_refused() -> None:
    found = questions("full", categories=["calculation"])
    assert {question.category for question in found} == {"calculation"}
    with pytest.raises(InputError, match="calculo"):
        questions("full", categories=["calculo"])
    with pytest.raises(InputError, match="calculation"):
        questions("quick", categories=["calculation"])


def test_a_file_of_ones_own(tmp_path: Path) -> None:
    lines = [
        {"id": "1", "question": "P1", "gold": ["a"], "history": [{"question": "Q", "answer": "R"}]},
        {"question": "sem nada mais"},
        {"id": "3", "question": "fora", "gold": [], "reference": "R", "key_facts": ["3"]},
    ]
    path = tmp_path / "minhas.jsonl"
    path.write_text("\n".join(json.dumps(line) for line in lines) + "\n\n", "utf-8")
    first, second, third = questions("quick", file=path)
    assert (first.history, first.answerable, first.gold) == ((Turn("Q", "R"),), True, ("a",))
    assert (second.id, second.answerable, second.category) == ("linha-2", None, "")
    assert (third.answerable, third.reference, third.key_facts) == (False, "R", ("3",))
    text = tmp_path / "minhas.txt"
    text.write_text("O que é ROAS?\n\nE TACOS?\n", "utf-8")
    assert [question.text for question in questions("full", file=text)] == ["O que é ROAS?", "E TACOS?"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "não puderam ser lidas"),
        ("{", "linha 1"),
        ('{"question": "a"}\n[1]', "linha 2"),
        ('{"question": "  "}', "linha 1"),
        ('{"id": "x"}', "linha 1"),
        ('{"question": "a", "gold": "abc"}', "linha 1"),
        ('{"question": "a", "history": [{"question": "b"}]}', "linha 1"),
        ('{"question": "a", "history": [{"question": 1, "answer": 2}]}', "linha 1"),
        ('{"question": "a", "history": [{"question": "b", "answer": null}]}', "linha 1"),
        ('{"question": "a"}\n{"question": "b", "category": ["c"]}', "linha 2"),
        ('{"question": "a", "reference": 15}', "linha 1"),
        ('{"id": 1, "question": "a"}\n{"id": "1", "question": "b"}', "se repete"),
        ("", "não tem perguntas"),
    ],
)
def test_a_broken_file_is_named_with_its_line(tmp_path: Path, content: str | None, said: str) -> None:
    path = tmp_path / "minhas.jsonl"
    if content is not None:
        path.write_text(content)
    with pytest.raises(InputError, match=said) as error:
        questions("full", file=path)
    assert "minhas.jsonl" in str(error.value)


@given(st.text())
def test_no_text_makes_reading_fail_otherwise(content: str) -> None:
    path = Path("/tmp/melancia-perguntas.jsonl")
    path.write_text(content, "utf-8", errors="replace")
    try:
        found = read(path)
    except InputError:
        return
    assert all(question.text.strip() for question in found)
