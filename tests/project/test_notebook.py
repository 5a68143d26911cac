"""The notebook, run from top to bottom as Jupyter does, on a small real benchmark."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
import pytest
from nbclient import NotebookClient

from melancia.experiments.files import saved
from melancia.settings import PROJECT_DIR
from tests.standins.ollama import OllamaStandin

NOTEBOOK = PROJECT_DIR / "notebooks" / "experimentacao_llms.ipynb"
MODEL = "llama3.2:3b"
SAID = "Corte os termos que gastam sem vender <script>alert(1)</script> [1]."


@dataclass(frozen=True)
class Ran:
    """The notebook with its outputs, and the folder of the benchmarks."""

    cells: dict[str, Any]
    experiments: Path

    def text(self, cell: str) -> str:
        """What a cell printed and showed, as plain text."""
        outputs = self.cells[cell].outputs
        return "".join(output.get("text") or output.data.get("text/plain", "") for output in outputs)

    def shown(self, cell: str, kind: str) -> list[str]:
        """Its displays of a MIME type."""
        displays = (output.get("data", {}) for output in self.cells[cell].outputs)
        return [display[kind] for display in displays if kind in display]


def stored() -> Any:
    """The notebook as it is in the repository."""
    return nbformat.read(NOTEBOOK, as_version=4)  # type: ignore[no-untyped-call]


def run(experiments: Path) -> Ran:
    """Run every cell, from the notebook's own folder, where Jupyter starts it."""
    notebook = stored()
    client = NotebookClient(
        notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(NOTEBOOK.parent)}}
    )
    client.execute()
    return Ran({cell.id: cell for cell in notebook.cells}, experiments)


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A data folder without benchmarks, a small base, a model that answers: all by variables."""
    data = tmp_path_factory.mktemp("dados")
    docs = data / "docs"
    docs.mkdir()
    (docs / "acos.md").write_text(
        "# Como funciona o ACOS\n\nO ACOS é o investimento em anúncios dividido pela receita. Para reduzir o "
        "ACOS sem perder vendas, corte os termos que gastam sem vender.\n",
        "utf-8",
    )
    with OllamaStandin(models=[MODEL]) as server, pytest.MonkeyPatch.context() as patch:
        server.set_script(SAID)
        for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "HUGGINGFACE_API_TOKEN", "HF_TOKEN"):
            patch.setenv(name, "")  # an empty one is none, whatever a .env says
        for name in ("PYTHONPATH", "MPLBACKEND"):
            patch.delenv(name, raising=False)
        patch.setenv("MELANCIA_DATA_DIR", str(data))
        patch.setenv("MELANCIA_KNOWLEDGE_DIR", str(docs))
        patch.setenv("OLLAMA_BASE_URL", server.url)
        yield data


@pytest.fixture(scope="module")
def first(environment: Path) -> Ran:
    """The first run, which measures since nothing is saved."""
    return run(environment / "experiments")


def test_it_is_stored_without_outputs() -> None:
    notebook = stored()
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.outputs for cell in code] == [[]] * len(code)
    assert {cell.execution_count for cell in code} == {None}
    assert all(cell.metadata == {} for cell in notebook.cells)


def test_it_measures_where_nothing_is_saved(first: Ran) -> None:
    assert len(saved(first.experiments)) == 1
    said = first.text("escolher")
    assert "📊 RELATÓRIO DE BENCHMARK" in said
    assert "extractive: O que é Retail Media? (1 de 6)" in said
    assert f"🤖 OLLAMA - {MODEL}" in said
    table = first.text("tabela")
    for title in ("Qualidade", "Latência média", "Custo total", f"ollama - {MODEL}"):
        assert title in table


def test_it_warns_of_nothing(first: Ran) -> None:
    outputs = [output for cell in first.cells.values() for output in cell.get("outputs", ())]
    assert [output.text for output in outputs if output.get("name") == "stderr"] == []


def test_it_shows_charts_with_words_for_who_does_not_see_them(first: Ran) -> None:
    pictures = first.shown("graficos", "image/png")
    assert len(pictures) == 3  # no categories, no heat map
    assert len(first.shown("eixo", "image/png")) == 1
    assert all(len(picture) > 10_000 for picture in pictures)


def test_it_says_what_the_data_cannot_tell(first: Ran) -> None:
    assert "perguntas de menos" in first.text("pares")
    assert "Fronteira de custo" in first.text("trocas")


def test_a_question_is_answered_side_by_side_and_not_kept(first: Ran) -> None:
    (shown,) = first.shown("teste", "text/html")
    assert f"ollama - {MODEL}" in shown
    assert "extractive" in shown
    assert "Corte os termos que gastam sem vender" in shown
    assert "<script>alert" not in shown
    assert len(saved(first.experiments)) == 1


def test_its_export_is_there(first: Ran) -> None:
    (name,) = saved(first.experiments)
    folder = first.experiments / name / "notebook"
    assert {file.name for file in folder.iterdir()} == {
        "modelos.csv",
        "comparacoes.csv",
        "qualidade_custo.png",
        "qualidade_latencia.png",
        "qualidade_latency_p95.png",
        "latencias.png",
    }
    models = pd.read_csv(folder / "modelos.csv").set_index("model_name")
    assert set(models.index) == {"extractive", MODEL}
    assert (models["answers"] == 3).all()
    assert models["quality_avg"].between(0, 1).all()
    for file in re.findall(r"^/.*\.(?:csv|png)$", first.text("exportar"), re.MULTILINE):
        assert Path(file).is_file()


def test_it_reads_what_is_saved_and_measures_nothing_again(first: Ran) -> None:
    (name,) = saved(first.experiments)
    again = run(first.experiments)
    assert saved(again.experiments) == [name]
    assert "(1 de 6)" not in again.text("escolher")
    assert again.text("tabela") == first.text("tabela")
    assert name in again.text("outros")
    assert "Nenhum benchmark foi registrado" in again.text("mlflow")
