"""``ModelBenchmark``: the guide's names, with chat models of one's own."""

import asyncio
from pathlib import Path

import pytest

from melancia.agent.memory import ConversationMemory, get_memory
from melancia.errors import InputError, UnknownProviderError
from melancia.experiments.benchmark import ModelBenchmark
from melancia.experiments.files import saved
from melancia.llms import create_chat_model
from melancia.records import Turn
from tests.experiments.conftest import OTHER, Make
from tests.standins.ollama import OllamaStandin
from tests.standins.scripted import Crowd, Scripted

ASKED = ["O que é ACOS?", "O frete grátis aumenta a conversão?"]


@pytest.fixture
def memory(tmp_path: Path) -> ConversationMemory:
    """A memory that holds a turn, which nobody shall see."""
    kept = get_memory(tmp_path / "history.jsonl")
    kept.append(Turn("Qual é o segredo?", "Abacate."))
    return kept


@pytest.fixture
def benchmark(make: Make, memory: ConversationMemory, tmp_path: Path) -> ModelBenchmark:
    """One over the small folder, which writes into the test's own."""
    runtime = make()
    settings = runtime.settings.model_copy(update={"data_dir": tmp_path})
    return ModelBenchmark(runtime.index.retriever, memory, settings=settings)


def test_the_guides_calls(
    benchmark: ModelBenchmark, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    heard: list[str] = []

    def say(question: str) -> str:
        heard.append(question)
        return "O ACOS é o gasto dividido pela receita [1]."

    benchmark.add_model("openai", "gpt-4o-mini", Scripted(say=say))
    benchmark.add_model("ollama", "llama3.1:8b", Scripted(seconds=0.05))
    results = benchmark.run(ASKED)
    assert [(one.provider, one.question) for one in results if one.provider == "ollama"] == [
        ("ollama", text) for text in ASKED
    ]
    assert set(ASKED) <= set(heard)
    assert not any("segredo" in text for text in heard)
    benchmark.print_report()
    printed = capsys.readouterr().out
    for said in ("📊 RELATÓRIO", "🤖 OPENAI - gpt-4o-mini", "🤖 OLLAMA - llama3.1:8b", "🏆 RANKING"):
        assert said in printed
    frame = benchmark.generate_report()
    frame.to_csv(tmp_path / "meu_benchmark.csv")
    assert frame.groupby("model_name")["quality_score"].mean().between(0, 1).all()
    assert frame.groupby("model_name")["latency_seconds"].mean()["llama3.1:8b"] >= 0.05
    assert saved(tmp_path / "experiments") == [benchmark.report.id]


@pytest.mark.parametrize("provider", ["openai", "ollama", "huggingface"])
def test_the_limit_of_each_model_is_the_one_that_it_was_made_with(
    make: Make, memory: ConversationMemory, tmp_path: Path, provider: str
) -> None:
    runtime = make(
        openai_api_key="sk-teste",
        huggingface_api_token="hf_" + "a" * 34,
        first_token_timeout=0.3,
        total_timeout=0.5,
    )
    settings = runtime.settings.model_copy(update={"data_dir": tmp_path})
    benchmark = ModelBenchmark(runtime.index.retriever, memory, settings=settings, control=False)
    for limit in (50, 3000):
        llm = create_chat_model(provider, "modelo", settings, max_tokens=limit)
        benchmark.add_model(provider, "modelo", llm)
    with pytest.raises(InputError, match="já participa"):
        benchmark.add_model(
            provider, "modelo", create_chat_model(provider, "modelo", settings, max_tokens=50)
        )


def test_an_own_server_has_its_limit_recorded_too(
    make: Make, memory: ConversationMemory, calm: OllamaStandin, tmp_path: Path
) -> None:
    runtime = make(openai_base_url=f"{calm.url}/v1")
    settings = runtime.settings.model_copy(update={"data_dir": tmp_path})
    benchmark = ModelBenchmark(runtime.index.retriever, memory, settings=settings, control=False)
    benchmark.add_model("ollama", OTHER, create_chat_model("ollama", OTHER, settings, max_tokens=50))
    benchmark.add_model("openai", OTHER, create_chat_model("openai", OTHER, settings, max_tokens=3000))
    benchmark.run(ASKED[:1])
    summaries = benchmark.report.summaries
    assert [summary.variant.max_tokens for summary in summaries] == [50, 3000]
    assert [answer.variant_hash for answer in benchmark.report.answers] == [
        summary.variant.hash for summary in summaries
    ]


def test_an_empty_index_is_asked_nothing(make: Make, memory: ConversationMemory, tmp_path: Path) -> None:
    (tmp_path / "nada").mkdir()
    runtime = make(data_dir=tmp_path, knowledge_dir=tmp_path / "nada")
    benchmark = ModelBenchmark(runtime.index.retriever, memory, settings=runtime.settings)
    crowd = Crowd()
    benchmark.add_model("openai", "gpt-4o-mini", Scripted(crowd=crowd))
    with pytest.raises(InputError, match=r"A base está vazia.*melancia ingest"):
        benchmark.run(ASKED)
    assert crowd.order == []
    assert saved(tmp_path / "experiments") == []


def test_it_runs_where_a_loop_runs_already(benchmark: ModelBenchmark) -> None:
    async def notebook() -> int:
        return len(benchmark.run(ASKED))

    assert asyncio.run(notebook()) == 2


def test_what_cannot_be_is_refused(benchmark: ModelBenchmark) -> None:
    with pytest.raises(InputError, match="já participa"):
        benchmark.add_model("extractive", "extractive", Scripted())
    with pytest.raises(UnknownProviderError):
        benchmark.add_model("opena", "x", Scripted())
    for questions in ([], ["  "]):
        with pytest.raises(InputError, match="perguntas"):
            benchmark.run(questions)
    with pytest.raises(InputError, match="Nada foi medido"):
        benchmark.print_report()
