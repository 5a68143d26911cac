"""A small knowledge folder, a stand-in Ollama that misbehaves on demand, and benchmarks on them."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import pytest

from melancia.app import Runtime
from melancia.embeddings.local import LocalEmbeddings
from melancia.evals.evaluate import Evaluator
from melancia.experiments.plan import Options, Step
from melancia.experiments.questions import Question
from melancia.experiments.session import Parts, Session
from melancia.experiments.variants import candidates, chosen
from melancia.records import Variant
from melancia.settings import Settings, load_settings
from tests.standins.ollama import OllamaStandin

ASKED = [
    Question(
        "a", "O que é ACOS?", answerable=True, reference="O gasto dividido pela receita.", gold=("acos",)
    ),
    Question("b", "O frete grátis aumenta a conversão?"),
    Question("c", "Como calcular o ACOS do anúncio?"),
]
OTHER = "qwen2.5:1.5b"
Make = Callable[..., Runtime]


class Begin(Protocol):
    """Begins a benchmark; closed when the test ends."""

    def __call__(
        self,
        runtime: Runtime,
        variants: Sequence[Variant],
        questions: Sequence[Question] = ...,
        options: Options = ...,
        **parts: Any,
    ) -> Session:
        """Keywords replace parts."""


@pytest.fixture(scope="module")
def ollama() -> Iterator[OllamaStandin]:
    """A running stand-in with two models."""
    with OllamaStandin(models=["llama3.2:3b", OTHER]) as server:
        yield server


@pytest.fixture
def calm(ollama: OllamaStandin) -> OllamaStandin:
    """The stand-in without faults, with an answer of its own."""
    ollama.reset()
    ollama.set_script("É o gasto dividido pela receita [1].")
    return ollama


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with two documents."""
    data = tmp_path_factory.mktemp("dados")
    docs = data / "docs"
    docs.mkdir()
    (docs / "frete.md").write_text(
        "# Frete\n\nO frete grátis aumenta a conversão do anúncio. O prazo de entrega também pesa.\n", "utf-8"
    )
    (docs / "acos.md").write_text(
        "# ACOS\n\nO ACOS do anúncio é o investimento dividido pela receita. Calcule o ACOS todo dia.\n",
        "utf-8",
    )
    return data


@pytest.fixture
def make(folder: Path, calm: OllamaStandin) -> Iterator[Make]:
    """Opens a runtime over the folder, vectors computed; keywords are settings."""
    opened: list[Runtime] = []

    def build(**overrides: Any) -> Runtime:
        values = {"data_dir": folder, "knowledge_dir": folder / "docs", "ollama_base_url": calm.url}
        runtime = Runtime.open(load_settings(_env_file=None, **(values | overrides)))
        opened.append(runtime)
        runtime.index.compute_vectors()
        return runtime

    yield build
    for runtime in opened:
        runtime.close()


@pytest.fixture(scope="session")
def evaluator(embeddings: LocalEmbeddings) -> Evaluator:
    """The metrics, without an index."""
    return Evaluator(embeddings)


@pytest.fixture
def begin(tmp_path: Path, evaluator: Evaluator) -> Iterator[Begin]:
    """Begins benchmarks in a folder of the test's own."""
    begun: list[Session] = []

    def build(
        runtime: Runtime,
        variants: Sequence[Variant],
        questions: Sequence[Question] = ASKED,
        options: Options | None = None,
        **parts: Any,
    ) -> Session:
        session = Session.begin(
            parts_of(runtime, evaluator, **parts),
            tmp_path / "experiments",
            mode="full",
            variants=variants,
            questions=questions,
            options=options or Options(),
        )
        begun.append(session)
        return session

    yield build
    for session in begun:
        session.close()


def parts_of(runtime: Runtime, evaluator: Evaluator, **replaced: Any) -> Parts:
    """The parts as the command wires them."""
    parts: dict[str, Any] = {
        "settings": runtime.settings,
        "searcher": lambda: runtime.index.retriever,
        "index_version": lambda: runtime.index.version,
        "make_model": runtime.models.make,
        "evaluator": evaluator,
    }
    return Parts(**(parts | replaced))


def variants(settings: Settings, *labels: str) -> list[Variant]:
    """Those that can be used now, or the control and those of ``labels``."""
    return chosen(candidates(settings), labels, settings)


def go_on(_step: Step) -> bool:
    """Never stop."""
    return True


def run(session: Session, watch: Callable[[Step], bool] = go_on) -> str:
    """Measure to the end; why it ended early."""
    return asyncio.run(session.measure(watch))
