"""``actions`` and ``benchmark --report`` as an operator types them."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from melancia.cli import app
from melancia.errors import InputError
from melancia.experiments.questions import of_report
from melancia.mlops import policies
from melancia.records import Action
from melancia.store import Store
from tests.cli.test_cli import melancia
from tests.mlops.actions.samples import POLICY, finding, report
from tests.standins.ollama import OllamaStandin
from tests.store.samples import question

MODEL = "llama3.2:3b"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """The store of the commands' data folder."""
    made = Store.open(f"sqlite:///{tmp_path / 'melancia.db'}")
    yield made
    made.close()


def test_a_hold_is_listed_and_lifted(store: Store, tmp_path: Path) -> None:
    policies.create(store, POLICY)
    made = report(finding())
    store.reports.keep(made)
    detail = {"experiment": "modelos", "arm": "B"}
    held = Action("k", made.id, "segurar-promocao", "hold", "As falhas subiram.", detail)
    store.reports.plan(held)
    refused = melancia("experiment", "promote", "modelos", "B", "--reason", "vence", data=tmp_path)
    assert refused.returncode == 1
    assert "A promoção de B está suspensa. As falhas subiram." in refused.stderr
    assert f"melancia actions dismiss {held.id}" in refused.stderr

    listed = melancia("actions", "list", "--open", data=tmp_path).stdout
    for said in (held.id, "promoção suspensa: a fazer", "As falhas subiram.", f"relatório {made.id}"):
        assert said in listed
    plain = json.loads(melancia("actions", "list", "--json", data=tmp_path).stdout)
    assert [(one["id"], one["report"], one["detail"]) for one in plain] == [(held.id, made.id, detail)]

    done = melancia("actions", "dismiss", held.id, data=tmp_path)
    assert (done.returncode, done.stdout) == (0, "Ação dada por vista.\n")
    assert melancia("actions", "list", "--open", data=tmp_path).stdout == "Nenhuma ação.\n"
    again = melancia("actions", "dismiss", "0" * 32, data=tmp_path)
    assert (again.returncode, "não existe" in again.stderr) == (1, True)
    promoted = melancia("experiment", "promote", "modelos", "B", "--reason", "vence", data=tmp_path)
    assert promoted.returncode == 0, promoted.stderr


def test_the_rules_in_force_are_shown_or_refused(tmp_path: Path) -> None:
    shown = melancia("actions", "rules", data=tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert "assunto-novo: topic_new → benchmark, no máximo a cada 168 h" in shown.stdout
    (tmp_path / "minhas.yaml").write_text("rules:\n  - nome: aviso\n", "utf-8")
    refused = melancia("actions", "rules", data=tmp_path, MELANCIA_RULES_FILE=str(tmp_path / "minhas.yaml"))
    assert refused.returncode == 1
    assert "minhas.yaml, linha 2: “nome” não existe." in refused.stderr


def test_a_benchmark_asks_what_users_asked_of_a_new_topic(store: Store, tmp_path: Path) -> None:
    asked = []
    for number, text in enumerate(
        ("Como calculo o frete?", "como calculo o  FRETE?", "E o frete de ana@loja.com?", "O que é ACOS?")
    ):
        one = question(user=f"u{number}", text=text)
        store.start(one)
        asked.append(one)
    new = finding(
        "topic_new", arm="", topic="frete, envio", examples=(*(one.id for one in asked[:3]), "0" * 32)
    )
    other = finding("unanswered", arm="", examples=(asked[3].id,))
    made = report(new, other)
    store.reports.keep(made)
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "frete.md").write_text("# Frete\n\nO frete é calculado pelo peso e pela distância.\n", "utf-8")
    with OllamaStandin(models=[MODEL]) as ollama:
        variables = {"MELANCIA_KNOWLEDGE_DIR": str(docs), "OLLAMA_BASE_URL": ollama.url}
        done = melancia(
            "benchmark", "--report", made.id, "--topic", "frete, envio", data=tmp_path, **variables
        )
    assert done.returncode == 0, done.stderr
    assert "1. Como calculo o frete?" in done.stdout
    assert "2. E o frete de [e-mail]?" in done.stdout
    assert "Testando 2 modelos em 2 perguntas" in done.stdout
    assert "ana@loja.com" not in done.stdout + done.stderr
    (found,) = [file for file in (tmp_path / "experiments").glob("*.json") if "config" not in file.name]
    results = json.loads(found.read_text("utf-8"))
    assert "ana@loja.com" not in found.read_text("utf-8")
    answers = results["answers"]
    assert {answer["question_id"] for answer in answers} == {asked[0].id, asked[2].id}
    # Nothing is known of a right answer: correctness is neither a score nor a failure.
    for answer in answers:
        assert "quality" in answer["scores"] | answer["unscored"]
        assert "correctness" not in answer["scores"] | answer["unscored"]


def test_questions_that_are_not_there_are_told_so(store: Store) -> None:
    one = question()
    store.start(one)
    made = report(finding("topic_new", topic="frete", examples=(one.id,)))
    store.reports.keep(made)
    assert [found.text for found in of_report(store, made.id)] == [one.question]
    with pytest.raises(InputError, match="Esse relatório não existe"):
        of_report(store, "0" * 32)
    with pytest.raises(InputError, match="Há dos assuntos: frete"):
        of_report(store, made.id, "preço")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--topic", "frete"), "Diga de qual, com --report."),
        (("--report", "r", "--categories", "how-to"), "Tire --questions e --categories"),
        (("--report", "r", "--resume", "ultimo"), "--resume continua com"),
    ],
)
def test_options_that_contradict_each_other_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], said: str
) -> None:
    monkeypatch.setenv("MELANCIA_DATA_DIR", str(tmp_path))
    refused = CliRunner().invoke(app, ["benchmark", *arguments])
    assert said in str(refused.exception)
