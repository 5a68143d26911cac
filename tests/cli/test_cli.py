"""The command line as a user meets it, in a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def melancia(
    *arguments: str, data: Path, typed: str = "", **variables: str
) -> subprocess.CompletedProcess[str]:
    """The command on ``data``, with ``typed`` at its keyboard."""
    return subprocess.run(
        [sys.executable, "-m", "melancia", *arguments],
        cwd=data,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "MELANCIA_DATA_DIR": str(data),
            "COLUMNS": "120",
            **variables,
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        input=typed,
    )


@pytest.fixture(scope="module")
def indexed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("dados")
    docs = data / "docs"
    docs.mkdir()
    (docs / "frete.md").write_text(
        "# Frete\n\nO frete grátis aumenta a conversão do anúncio. O prazo de entrega também pesa.\n", "utf-8"
    )
    (docs / "acos.md").write_text(
        "# ACOS\n\nO ACOS é o investimento em anúncios dividido pela receita desses anúncios.\n", "utf-8"
    )
    done = melancia("ingest", str(docs), data=data)
    assert done.returncode == 0, done.stderr
    assert "2 novos" in done.stdout
    assert "2 documentos e 2 vetores" in done.stdout
    return data


def test_help_and_version(tmp_path: Path) -> None:
    assert "ingest" in melancia("--help", data=tmp_path).stdout
    assert melancia("--version", data=tmp_path).stdout.startswith("melancia ")


def test_only_the_given_folder_is_searched(indexed: Path) -> None:
    found = melancia("search", "como calculo o acos?", "--json", data=indexed)
    answer = json.loads(found.stdout)
    assert answer["mode"] == "hybrid"
    assert answer["vectors"] == {"done": 2, "total": 2}
    assert {passage["document_id"] for passage in answer["passages"]} <= {"acos", "frete"}
    assert answer["passages"][0]["document_id"] == "acos"
    assert answer["passages"][0]["score"] > 0


def test_ask_cites_its_source(indexed: Path) -> None:
    answer = json.loads(melancia("ask", "o que é acos?", "--json", data=indexed).stdout)
    assert "dividido pela receita" in answer["answer"]
    assert "[1]" in answer["answer"]


def test_a_fresh_data_folder_answers_at_once_from_words(tmp_path: Path) -> None:
    answer = melancia("ask", "como ganho a buy box no catálogo?", "--json", data=tmp_path)
    assert answer.returncode == 0, answer.stderr
    assert json.loads(answer.stdout)["mode"] == "lexical"
    assert "melancia ingest" in answer.stderr


def test_bad_files_are_named_and_the_exit_code_says_so(tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "bom.md").write_text("# Bom\n\nUm texto que serve para o teste.\n", "utf-8")
    (docs / "ruim.md").write_bytes(b"\xff\xfe")
    done = melancia("ingest", str(docs), data=tmp_path)
    assert done.returncode == 1
    assert "1 novos" in done.stdout
    assert "ruim.md" in done.stderr
    assert "UTF-8" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "variables", "said"),
    [
        (("search", " "), {}, "A pergunta está vazia"),
        (("ingest", "/nao/existe"), {}, "não existe"),
        (("search", "acos"), {"MELANCIA_KK": "3"}, "MELANCIA_K?"),
        (("search", "acos"), {"MELANCIA_K": "99"}, "MELANCIA_K deve ser no máximo 20."),
        (("search", "acos"), {"MELANCIA_K": "dez"}, "MELANCIA_K deve ser um número inteiro."),
        (("search", "acos"), {"MELANCIA_BLIND": "talvez"}, "MELANCIA_BLIND deve ser true ou false."),
        (("search", "acos"), {"MELANCIA_LOG_FORMAT": "xml"}, "deve ser 'text' ou 'json'."),
        (("search", "acos"), {"MELANCIA_WEIGHTS": "metade"}, "MELANCIA_WEIGHTS não vale."),
        (("search", "acos", "--marketplace", "marte"), {}, "marketplace “marte”"),
    ],
)
def test_bad_input_gets_a_message_in_portuguese(
    indexed: Path, arguments: tuple[str, ...], variables: dict[str, str], said: str
) -> None:
    done = melancia(*arguments, data=indexed, **variables)
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_unknown_options_are_refused(tmp_path: Path) -> None:
    assert melancia("search", "acos", "--inventada", data=tmp_path).returncode == 2


def test_a_damaged_index_a_foreign_env_and_half_a_character_are_told_in_portuguese(tmp_path: Path) -> None:
    index = tmp_path / "index"
    index.mkdir()
    (index / "catalog.db").write_bytes(b"isto nao e um banco" * 100)
    for command in (("search", "acos"), ("doctor",)):
        done = melancia(*command, data=tmp_path, MELANCIA_KNOWLEDGE_DIR=str(tmp_path))
        assert "não pôde ser aberto" in " ".join(f"{done.stdout} {done.stderr}".split()), command
        assert "Traceback" not in done.stderr
    examined = melancia("doctor", data=tmp_path, MELANCIA_HOST="::1")
    assert "Porta" in examined.stdout
    assert "Traceback" not in examined.stderr
    (tmp_path / ".env").write_bytes("MELANCIA_AUTH=joão:x".encode("latin-1"))
    done = melancia("search", "acos", data=tmp_path)
    assert done.returncode == 1
    assert "não está em UTF-8" in done.stderr


def test_a_question_with_half_a_character_is_answered(indexed: Path) -> None:
    done = melancia("ask", "O que \udce9 ACOS?", data=indexed)
    assert done.returncode == 0, done.stderr
    assert "investimento" in done.stdout
