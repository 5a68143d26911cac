"""The README's Python: the guide's snippets word for word, run as a reader would, each in its own process.

Only the models are stand-ins, reached by the addresses that a reader would set; index, metrics, files and
MLflow's database are real.
"""

import csv
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sybil.document import Document
from sybil.parsers.markdown import CodeBlockParser

from melancia.mlops.local_store import store_url
from melancia.settings import PROJECT_DIR
from tests.standins.ollama import OllamaStandin

README = PROJECT_DIR / "README.md"
GUIDE = Path(__file__).parent / "guide_snippets"
SNIPPETS = ("benchmark", "pandas", "mlflow")
MODELS = {"gpt-4o-mini": "openai", "llama3.1:8b": "ollama"}
EXAMPLE = "data/experiments/benchmark_20241118_153045.csv"
GUIDES_LINES = (
    r"-{80}",
    r"  ⚡ Latência:    \d+,\d+ s \(±\d+,\d+ s\)",
    r"  📝 Tokens:      \d+ \(média\)",
    r"  💰 Custo:       US\$ \d+,\d{4}",
    r"  ⭐ Qualidade:   [01],\d\d/1,0",
    r"  🎯 Relevância:  [01],\d\d/1,0",
)
GUIDES_END = (
    r"={80}",
    r"🏆 RANKING",
    r"-{80}",
    r"  🥇 Melhor Qualidade:        \S.*",
    r"  ⚡ Mais Rápido:             \S.*",
    r"  💎 Melhor Custo-Benefício:  \S.*",
)


@dataclass(frozen=True)
class Place:
    """A folder of its own to work in, and the environment that a reader would have set."""

    folder: Path
    variables: dict[str, str]

    def run(self, *arguments: str, **more: str) -> str:
        """What Python prints, given ``arguments``, and variables beyond the place's own."""
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=self.folder,
            env={**os.environ, **self.variables, **more},
            capture_output=True,
            text=True,
            timeout=150,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


def blocks() -> list[str]:
    """The README's Python blocks, as they are printed there."""
    parser = CodeBlockParser("python", lambda _example: None)
    return [str(example.parsed) for example in Document.parse(str(README), parser).examples()]


def snippet(name: str) -> str:
    """The block of the README that is the guide's ``name``, by its first import."""
    first = (GUIDE / f"{name}.txt").read_text("utf-8").partition("\n")[0]
    (found,) = (block for block in blocks() if block.startswith(first))
    return found


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Two indexed documents, and two models that answer."""
    folder = tmp_path_factory.mktemp("leitor")
    docs = folder / "docs"
    docs.mkdir()
    (docs / "retail-media.md").write_text(
        "# O que é Retail Media\n\nRetail Media é a venda de espaços publicitários nos canais de um "
        "varejista, perto do momento da compra.\n",
        "utf-8",
    )
    (docs / "campanhas.md").write_text(
        "# Como otimizar campanhas\n\nPara otimizar campanhas, corte os termos que gastam sem vender e "
        "aumente os lances dos que vendem.\n",
        "utf-8",
    )
    with OllamaStandin(models=list(MODELS)) as server:
        server.set_script("Corte os termos que gastam sem vender e aumente os lances dos que vendem [1].")
        made = Place(
            folder,
            {
                "PYTHONPATH": str(PROJECT_DIR),
                "MPLBACKEND": "Agg",
                "MELANCIA_DATA_DIR": str(folder / "data"),
                "MELANCIA_KNOWLEDGE_DIR": str(docs),
                "OLLAMA_BASE_URL": server.url,
                "OPENAI_BASE_URL": f"{server.url}/v1",
                "OPENAI_API_KEY": "nenhuma",
                "HUGGINGFACE_API_TOKEN": "",
                "MLFLOW_TRACKING_URI": "",
            },
        )
        assert "2 documentos e" in made.run("-m", "melancia", "ingest")
        yield made


@pytest.fixture(scope="module")
def printed(place: Place) -> str:
    """What the guide's benchmark prints."""
    return place.run("-c", snippet("benchmark"))


@pytest.mark.parametrize("name", SNIPPETS)
def test_the_guides_snippet_is_in_the_readme_word_for_word(name: str) -> None:
    assert (GUIDE / f"{name}.txt").read_text("utf-8") in blocks()


def test_every_python_block_of_the_readme_is_run_here() -> None:
    """A block that is added needs a test of its own."""
    assert sorted(blocks()) == sorted(snippet(name) for name in SNIPPETS)


def test_the_benchmark_prints_the_guides_report(printed: str) -> None:
    lines = printed.splitlines()
    start = lines.index("📊 RELATÓRIO DE BENCHMARK")
    assert lines[start + 1] == "=" * 80
    for model, provider in MODELS.items():
        begin = lines.index(f"🤖 {provider.upper()} - {model}") + 1
        for expected, line in zip(GUIDES_LINES, lines[begin:], strict=False):
            assert re.fullmatch(expected, line), (expected, line)
    ending = iter(lines[lines.index("🏆 RANKING") - 1 :])
    for expected in GUIDES_END:
        # In this order; a shared place takes more lines than the guide's.
        assert any(re.fullmatch(expected, line) for line in ending), expected
    assert lines[-1] == "=" * 80


@pytest.mark.usefixtures("printed")
def test_the_benchmark_writes_a_line_an_answer(place: Place) -> None:
    with (place.folder / "meu_benchmark.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {(row["provider"], row["model_name"], row["question"]) for row in rows} == {
        (provider, model, question)
        for model, provider in {**MODELS, "extractive": "extractive"}.items()
        for question in ("O que é Retail Media?", "Como otimizar campanhas?")
    }
    for row in rows:
        assert float(row["latency_seconds"]) > 0
        assert 0 <= float(row["quality_score"]) <= 1
        assert 0 <= float(row["relevance_score"]) <= 1
        assert float(row["cost"]) == 0  # servers of one's own
        assert row["model_name"] == "extractive" or float(row["tokens"]) > 0


@pytest.mark.usefixtures("printed")
def test_pandas_reads_what_the_benchmark_saved(place: Place) -> None:
    code = snippet("pandas")
    saved = sorted((place.folder / "data" / "experiments").glob("benchmark_*.csv"))
    assert EXAMPLE in code
    said = place.run("-c", code.replace(EXAMPLE, str(saved[0].relative_to(place.folder))))
    for name in ("quality_score", "latency_seconds"):
        assert f"Name: {name}, dtype: float64" in said
    for model in MODELS:
        assert len(re.findall(rf"^{re.escape(model)} +\d", said, re.MULTILINE)) == 2


def test_the_tracker_finds_what_the_command_recorded(place: Place) -> None:
    local = place.folder / "data" / "mlflow"
    local.mkdir()
    command = ("benchmark", "--models", "ollama:llama3.1:8b", "--limit", "1")
    place.run("-m", "melancia", *command, MLFLOW_TRACKING_URI=store_url(local))
    said = place.run("-c", snippet("mlflow"))
    assert "ollama:llama3.1:8b" in said
    best = re.search(r"^Melhor modelo: (.+)$", said, re.MULTILINE)
    assert best
    assert best[1] in ("extractive", "llama3.1:8b")
