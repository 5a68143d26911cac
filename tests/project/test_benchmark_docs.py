"""What docs/benchmark.md and the schema say is what the code has: options, columns, figures, numbers."""

import json
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import typer.main

from melancia.cli import app
from melancia.evals.case import SCORES
from melancia.experiments.figures import FIGURES, METRICS
from melancia.experiments.plan import Options
from melancia.experiments.questions import Question, read
from melancia.experiments.results import COLUMNS, Comparison, JudgeReport, Measured
from melancia.experiments.statistics import questions_needed
from melancia.records import Variant
from melancia.settings import PROJECT_DIR

DOCS = PROJECT_DIR / "docs"
TEXT = (DOCS / "benchmark.md").read_text("utf-8")
SCHEMA: dict[str, Any] = json.loads((DOCS / "benchmark.schema.json").read_text("utf-8"))


def rows(heading: str) -> list[list[str]]:
    """The cells of the table whose first heading this is."""
    _, _, after = TEXT.partition(f"| {heading} |")
    lines = after.partition("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def names(cells: list[list[str]]) -> list[str]:
    """What is set as code in the first cells."""
    return [name for row in cells for name in re.findall(r"`([^`]+)`", row[0])]


def test_every_option_of_the_command_is_explained_and_no_other() -> None:
    command = typer.main.get_command(app).commands["benchmark"]  # type: ignore[attr-defined]
    known = {option for parameter in command.params for option in parameter.opts}
    assert {name.split()[0] for name in names(rows("Opção"))} == known - {"--help"}


def test_every_field_of_a_question_is_explained() -> None:
    own = {field.name for field in fields(Question)} - {"text", "answerable"}
    assert set(names(rows("Campo"))) == own | {"question"}


def test_every_column_is_explained_once() -> None:
    assert sorted(names(rows("Colunas"))) == sorted(COLUMNS)


def test_the_example_is_a_question(tmp_path: Path) -> None:
    (line,) = re.findall(r"```json\n(.*?)\n```", TEXT, re.DOTALL)
    file = tmp_path / "minhas.jsonl"
    file.write_text(line, "utf-8")
    (question,) = read(file)
    assert question.answerable
    assert question.history
    assert question.reference


def test_every_figure_is_named() -> None:
    listed = TEXT.partition("* **Métricas**")[2].partition("\n")[0]
    assert set(FIGURES) <= set(re.findall(r"`([a-z0-9_]+)`", listed))


def test_the_least_numbers_of_questions_are_right() -> None:
    for models, tests, needed in (map(int, row) for row in rows("Modelos")):
        assert tests == len(METRICS) * models * (models - 1) // 2
        assert needed == questions_needed(tests)


def test_what_it_links_to_is_there() -> None:
    links = [link for link in re.findall(r"\]\(([^)#:]+)\)", TEXT) if not link.startswith("http")]
    assert links
    assert [link for link in links if not (DOCS / link).exists()] == []


def test_the_schema_describes_every_field() -> None:
    described = {
        "answer": Measured,
        "options": Options,
        "comparison": Comparison,
        "variant": Variant,
        "judge": JudgeReport,
    }
    for name, kind in described.items():
        one = SCHEMA["$defs"][name]
        assert set(one["properties"]) == {field.name for field in fields(kind)}, name
        assert set(one["required"]) == set(one["properties"]), name
    assert list(SCHEMA["$defs"]["figures"]["properties"]) == list(FIGURES)
    assert list(SCHEMA["$defs"]["answer"]["properties"]["scores"]["properties"]) == list(SCORES)
    assert undescribed(SCHEMA) == []


def undescribed(node: Any, path: str = "") -> list[str]:
    """The properties without a description."""
    found = []
    if isinstance(node, dict):
        for name, one in node.get("properties", {}).items():
            found += [] if one.get("description") else [f"{path}/{name}"]
        for name, one in node.items():
            found += undescribed(one, f"{path}/{name}")
    return found
