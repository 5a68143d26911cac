"""A benchmark over a small knowledge folder, real retrieval, a stand-in Ollama that misbehaves on demand."""

import asyncio
import csv
import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from melancia.app import Runtime
from melancia.errors import InputError
from melancia.experiments.benchmark import Benchmark, Step, candidates, variant_of
from melancia.experiments.files import Report, write
from melancia.experiments.questions import QUICK, WARM_UP, Question, questions
from melancia.experiments.results import Summary, summarise
from melancia.records import Turn, Variant, utc_now
from melancia.settings import Settings, load_settings
from tests.standins.ollama import OllamaStandin

ASKED = [
    Question("a", "O que é ACOS?"),
    Question("b", "O frete grátis aumenta a conversão?"),
    Question("c", "Como calcular o ACOS do anúncio?"),
]
OTHER = "qwen2.5:1.5b"


@pytest.fixture(scope="module")
def ollama() -> Iterator[OllamaStandin]:
    """A running stand-in with two models."""
    with OllamaStandin(models=["llama3.2:3b", OTHER]) as server:
        yield server


@pytest.fixture(autouse=True)
def _calm(ollama: OllamaStandin) -> None:
    ollama.reset()
    ollama.set_script("É o gasto dividido pela receita [1].")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with two documents, indexed, vectors computed."""
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


Make = Callable[..., Runtime]


@pytest.fixture
def make(folder: Path, ollama: OllamaStandin) -> Iterator[Make]:
    """Opens a runtime over the folder; keywords are settings."""
    opened: list[Runtime] = []

    def build(**overrides: Any) -> Runtime:
        values = {"data_dir": folder, "knowledge_dir": folder / "docs", "ollama_base_url": ollama.url}
        runtime = Runtime.open(load_settings(_env_file=None, **(values | overrides)))
        opened.append(runtime)
        runtime.index.compute_vectors()
        return runtime

    yield build
    for runtime in opened:
        runtime.close()


def bench_of(runtime: Runtime) -> Benchmark:
    """The benchmark as the command wires it."""
    return Benchmark(
        settings=runtime.settings,
        retriever=lambda: runtime.index.retriever,
        index_version=lambda: runtime.index.version,
        make_model=runtime.models.make,
    )


def variants(settings: Settings) -> list[Variant]:
    """Those that can be used now."""
    return [variant_of(card, settings) for card in candidates(settings) if card.availability.usable]


def go_on(_step: Step) -> bool:
    """Never stop."""
    return True


def test_every_model_gets_the_same_questions_and_nothing_is_recorded(
    make: Make, ollama: OllamaStandin
) -> None:
    runtime = make()
    bench, steps = bench_of(runtime), list[Step]()
    chosen = variants(runtime.settings)
    assert [variant.label for variant in chosen] == [
        "extractive:extractive",
        "ollama:llama3.2:3b",
        f"ollama:{OTHER}",
    ]

    def watch(step: Step) -> bool:
        steps.append(step)
        return True

    assert asyncio.run(bench.run(chosen, ASKED, watch))
    assert [(a.provider, a.model_name, a.question_id) for a in bench.answers] == [
        (variant.provider, variant.model, question.id) for variant in chosen for question in ASKED
    ]
    assert all(a.success and not a.error and a.mode == "hybrid" for a in bench.answers)
    assert all((a.latency_seconds or 0) >= (a.time_to_first_token_seconds or 9) > 0 for a in bench.answers)
    assert {a.documents[0] for a in bench.answers} == {"acos", "frete"}
    assert runtime.store.counts()["interactions"] == 0
    extractive, model = bench.answers[0], bench.answers[3]
    assert (extractive.tokens, extractive.cost) == (None, 0.0)
    assert model.answer == "É o gasto dividido pela receita [1]."
    assert model.tokens == (model.prompt_tokens or 0) + (model.completion_tokens or 0) > 0
    assert [step.done for step in steps if step.answer] == list(range(1, 10))
    # Each model: a warm-up that is not counted, then the questions, none of which remembers another.
    chats = [record.body for record in ollama.requests if record.path == "/api/chat"]
    sent = [(body["model"], body["messages"][-1]["content"]) for body in chats]
    asked = [WARM_UP, *(question.text for question in ASKED)]
    assert sent == [(model, text) for model in ("llama3.2:3b", OTHER) for text in asked]
    assert all(len(body["messages"]) == 2 for body in chats)


def test_a_question_brings_its_own_history(make: Make, ollama: OllamaStandin) -> None:
    runtime = make()
    bench = bench_of(runtime)
    follow_up = Question("d", "e como calculo isso?", (Turn("O que é ACOS?", "É uma razão [1]."),))
    model = variants(runtime.settings)[1]
    asyncio.run(bench.run([model], [follow_up], go_on))
    roles = [message["role"] for message in ollama.requests[-1].body["messages"]]
    assert roles == ["system", "user", "assistant", "user"]
    assert bench.answers[0].documents[0] == "acos"


def run_one(runtime: Runtime) -> tuple[Benchmark, Summary]:
    """The first Ollama model over all questions."""
    bench, model = bench_of(runtime), variants(runtime.settings)[1]
    asyncio.run(bench.run([model], ASKED, go_on))
    return bench, summarise(model, bench.answers)


def test_a_model_that_fails_has_reasons_and_neither_latency_nor_score(
    make: Make, ollama: OllamaStandin
) -> None:
    ollama.faults.set(times=None, http_500=True)
    bench, summary = run_one(make())
    for answer in bench.answers:
        assert not answer.success
        assert "Ollama" in answer.error
        assert (answer.latency_seconds, answer.cost, answer.tokens, answer.answer) == (None, None, None, "")
        assert answer.failed_after_seconds is not None
    assert summary.metrics() == {"questions": 3.0, "successes": 0.0, "success_rate": 0.0}
    assert sum(summary.failures.values()) == 3


def test_one_failure_lowers_the_success_rate_and_leaves_the_latency_alone(
    make: Make, ollama: OllamaStandin
) -> None:
    ollama.faults.set(times=2, http_500=True)  # the warm-up and the first question
    bench, summary = run_one(make())
    assert [answer.success for answer in bench.answers] == [False, True, True]
    assert summary.success_rate == pytest.approx(2 / 3)
    good = [answer.latency_seconds for answer in bench.answers if answer.latency_seconds is not None]
    assert summary.latency_avg == pytest.approx(sum(good) / 2)
    assert summary.latency_std is not None
    assert summary.cost_total == 0.0


def test_a_model_that_never_speaks_is_cancelled_and_said_so(make: Make, ollama: OllamaStandin) -> None:
    ollama.faults.set(times=None, slow_first_token=60)
    bench, summary = run_one(make(first_token_timeout=0.2, total_timeout=0.4))
    assert all("não começou a responder a tempo" in answer.error for answer in bench.answers)
    assert summary.latency_avg is None
    assert all(0.2 <= (answer.failed_after_seconds or 0) < 3 for answer in bench.answers)
    assert ollama.wait_for(lambda record: record.disconnected)


def test_a_model_that_stalls_keeps_its_words_and_counts_as_failed(make: Make, ollama: OllamaStandin) -> None:
    ollama.faults.set(times=None, stall_after_tokens=3)
    bench, _ = run_one(make(total_timeout=0.5))
    assert {answer.finish_reason for answer in bench.answers} == {"timeout"}
    assert all("tempo total" in answer.error and answer.answer for answer in bench.answers)
    assert {answer.latency_seconds for answer in bench.answers} == {None}


def test_a_slow_model_is_measured_as_slow_and_its_warm_up_is_not(make: Make, ollama: OllamaStandin) -> None:
    ollama.faults.set(times=1, slow_first_token=1.5)  # the warm-up alone
    bench, summary = run_one(make())
    assert (summary.latency_avg or 9) < 1.0
    ollama.faults.set(times=None, slow_first_token=0.3)
    bench, summary = run_one(make())
    assert all((answer.time_to_first_token_seconds or 0) >= 0.3 for answer in bench.answers)
    assert (summary.ttft_avg or 0) >= 0.3
    assert (summary.latency_p95 or 0) >= (summary.latency_p50 or 9) >= 0.3


def test_a_question_without_evidence_is_no_answer_of_the_model(make: Make, ollama: OllamaStandin) -> None:
    runtime = make()
    bench, model = bench_of(runtime), variants(runtime.settings)[1]
    before = len([record for record in ollama.requests if record.path == "/api/chat"])
    asyncio.run(bench.run([model], [Question("x", "Quem ganhou a copa de 1970?")], go_on))
    (answer,) = bench.answers
    assert len([record for record in ollama.requests if record.path == "/api/chat"]) == before + 1
    assert (answer.success, answer.latency_seconds, answer.refused) == (False, None, True)
    assert "não foi consultado" in answer.error


def test_it_stops_when_it_is_told_to(make: Make) -> None:
    runtime = make()
    bench = bench_of(runtime)
    complete = asyncio.run(bench.run(variants(runtime.settings), ASKED, lambda step: step.done < 2))
    assert (complete, len(bench.answers)) == (False, 2)


def test_ctrl_c_in_mid_answer_keeps_what_was_measured(make: Make, ollama: OllamaStandin) -> None:
    runtime = make()
    bench, chosen = bench_of(runtime), variants(runtime.settings)[:2]
    signal.signal(signal.SIGINT, signal.default_int_handler)

    def watch(step: Step) -> bool:
        if step.variant == chosen[1] and step.question == 2 and step.answer is None:
            ollama.faults.set(times=1, stall_after_tokens=2)
            threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
        return True

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(bench.run(chosen, ASKED, watch))
    assert len(bench.answers) == 4
    assert all(answer.success for answer in bench.answers)
    assert ollama.wait_for(lambda record: record.disconnected)


def report_of(bench: Benchmark, chosen: list[Variant]) -> Report:
    """A report that ended now."""
    return Report(
        mode="quick",
        started_at=utc_now(),
        ended_at=utc_now(),
        complete=True,
        index_version="v",
        questions=ASKED,
        summaries=[summarise(variant, bench.answers) for variant in chosen],
        answers=bench.answers,
    )


def test_the_files_are_whole_and_read_as_the_guide_reads_them(make: Make, ollama: OllamaStandin) -> None:
    runtime = make()
    ollama.set_script("=1+1 [1]")
    bench, chosen = bench_of(runtime), variants(runtime.settings)[:2]
    asyncio.run(bench.run(chosen, ASKED, go_on))
    report = report_of(bench, chosen)
    data, table = write(report, runtime.settings)
    assert data.parent == table.parent == runtime.settings.data_dir / "experiments"
    assert data.stem == table.stem == f"benchmark_{report.started_at.astimezone():%Y%m%d_%H%M%S}"
    kept = json.loads(data.read_text("utf-8"))
    assert kept["complete"]
    assert [answer["answer"] for answer in kept["answers"][3:]] == ["=1+1 [1]"] * 3
    assert kept["models"][1]["model_name"] == "llama3.2:3b"
    assert kept["models"][1]["variant"]["max_tokens"] == runtime.settings.max_tokens
    frame = pd.read_csv(table)
    wanted = (
        "provider model_name question latency_seconds time_to_first_token_seconds tokens cost success error"
    ).split()
    assert set(wanted) <= set(frame.columns)
    means = frame.groupby("model_name")["latency_seconds"].mean()
    assert means["extractive"] == pytest.approx(report.summaries[0].latency_avg)
    with table.open(encoding="utf-8-sig", newline="") as file:
        assert {row["answer"] for row in csv.DictReader(file)} >= {"'=1+1 [1]"}
    again, _ = write(report, runtime.settings)
    assert again != data
    assert not list(data.parent.glob(".*"))


def test_a_file_that_cannot_be_written_leaves_nothing_half(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = report_of(bench_of(make()), [])
    settings = load_settings(_env_file=None, data_dir=tmp_path)

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match="espaço em disco"):
        write(report, settings)
    assert list((tmp_path / "experiments").iterdir()) == []


def test_quick_asks_the_guides_questions_and_full_the_answerable_ones(tmp_path: Path) -> None:
    assert [question.text for question in questions("quick")] == list(QUICK)
    assert len(questions("quick", 2)) == 2
    lines = [
        {"id": "1", "question": "P1", "gold": ["a"], "history": [{"question": "Q", "answer": "R"}]},
        {"id": "2", "question": "fora", "gold": [], "history": []},
        {"id": "3", "question": "P3", "gold": ["b"], "history": []},
    ]
    (tmp_path / "test.jsonl").write_text("\n".join(json.dumps(line) for line in lines), "utf-8")
    asked = questions("full", folder=tmp_path)
    assert [question.id for question in asked] == ["1", "3"]
    assert asked[0].history == (Turn("Q", "R"),)
    assert len(questions("full", 1)) == 1  # the project's own set is there


@pytest.mark.parametrize("content", [None, "{", '{"id": "1"}', "[1]"])
def test_a_broken_question_file_is_named(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "test.jsonl").write_text(content)
    with pytest.raises(InputError, match=r"test\.jsonl"):
        questions("full", folder=tmp_path)
