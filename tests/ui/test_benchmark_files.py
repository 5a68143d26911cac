"""Saved benchmarks are listed and read back whole; an interrupted one is found without being touched."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from melancia.errors import InputError
from melancia.experiments.documents import document
from melancia.experiments.journal import Header, Journal
from melancia.experiments.plan import Options
from melancia.experiments.questions import Question
from melancia.experiments.results import JudgeReport
from melancia.records import Turn
from melancia.ui import benchmark_files
from tests.experiments.measurements import CONTROL, LOCAL, STARTED, answer
from tests.ui.benchmarks import NEW, OLD, made, saved


def test_a_report_comes_back_as_it_was_written(tmp_path: Path) -> None:
    asked = Question(
        "0",
        "E o prazo?",
        (Turn("O que é o Full?", "Um serviço."),),
        "how-to",
        "Um dia.",
        ("um dia",),
        ("full",),
        True,
    )
    judge = JudgeReport("openai:gpt-4o", None, {"labelled": {"kappa": 0.5}}, "Poucas respostas.")
    written = made(judge=judge)
    written = replace(written, questions=[asked, *written.questions[1:]])
    saved(tmp_path, written)
    assert benchmark_files.load(tmp_path, NEW) == written


def test_the_newest_comes_first_and_says_what_it_is(tmp_path: Path) -> None:
    saved(tmp_path, made(OLD, questions=1, variants=[CONTROL], mode="quick"), made(complete=False))
    (tmp_path / "benchmark_20261129_090000.json").write_text("{", "utf-8")
    listed = benchmark_files.listed(tmp_path)
    assert [name for _, name in listed] == [NEW, "benchmark_20261129_090000", OLD]
    assert listed[0][0].endswith(" · completo · 3 modelos, 24 perguntas · interrompido")
    assert listed[1][0] == "benchmark_20261129_090000 (ilegível)"
    assert listed[2][0].endswith(" · rápido · 1 modelo, 1 pergunta")


def test_one_that_was_written_anew_is_read_anew(tmp_path: Path) -> None:
    saved(tmp_path, made(complete=False))
    assert not benchmark_files.load(tmp_path, NEW).complete
    assert "interrompido" in benchmark_files.listed(tmp_path)[0][0]
    saved(tmp_path, made())
    assert benchmark_files.load(tmp_path, NEW).complete
    assert "interrompido" not in benchmark_files.listed(tmp_path)[0][0]


@pytest.mark.parametrize(
    "change", [{"models": [{}]}, {"options": {"outra": 1}}, {"answers": 3}, {"schema": 99}]
)
def test_a_document_of_another_shape_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    other = document(made()) | change
    (tmp_path / f"{NEW}.json").write_text(json.dumps(other), "utf-8")
    with pytest.raises(InputError, match="outra versão"):
        benchmark_files.load(tmp_path, NEW)


@pytest.mark.parametrize("name", ["", "../segredo", "benchmark_20260101_000000", "a\0b"])
def test_one_that_is_not_there_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError):
        benchmark_files.load(tmp_path, name)


def test_what_was_interrupted_is_counted_and_left_as_it_is(tmp_path: Path) -> None:
    assert benchmark_files.interrupted(tmp_path) is None
    questions = [Question("1", "Um?"), Question("2", "Dois?")]
    header = Header(NEW, "full", STARTED, Options(repeats=3), [CONTROL, LOCAL], questions, "base", "hash")
    journal = Journal.begin(tmp_path, header)
    for given in (answer(CONTROL, 1), answer(CONTROL, 2), answer(CONTROL, 1, judge_score=0.5)):
        journal.keep(given)
    journal.close(done=False)
    # Half a line, as a kill leaves it; and a newer one that is no journal at all.
    journal.path.write_bytes(journal.path.read_bytes() + b'{"answer": {"prov')
    (tmp_path / "benchmark_20270101_000000.partial.jsonl").write_text("nada", "utf-8")
    before = journal.path.read_bytes()
    found = benchmark_files.interrupted(tmp_path)
    assert found is not None
    assert (found.id, found.mode, found.done, found.total, found.index) == (NEW, "full", 2, 12, "base")
    assert journal.path.read_bytes() == before
