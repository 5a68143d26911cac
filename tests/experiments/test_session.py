"""A benchmark as a whole: its files, what an interruption leaves, and how it goes on."""

import csv
import dataclasses
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pandas as pd
import pytest
from langchain_core.language_models import BaseChatModel

from melancia.agent.retriever import Retrieval
from melancia.errors import InputError, KnowledgeError
from melancia.evals.evaluate import Evaluator
from melancia.experiments import files, journal
from melancia.experiments.plan import Options, Step
from melancia.experiments.questions import Question
from melancia.experiments.session import Session
from melancia.llms import cost
from melancia.mlops import privacy
from melancia.records import Filters, Usage, Variant
from melancia.settings import PROJECT_DIR
from tests.experiments.conftest import ASKED, Begin, Make, parts_of, run, variants
from tests.standins.ollama import OllamaStandin
from tests.standins.scripted import Crowd, Scripted
from tests.store.samples import answered, question

CLOUD = Variant("openai", "gpt-4o-mini", context_window=None)


def written(session: Session, folder: Path) -> dict[str, Any]:
    """The document of a session, read back."""
    report = session.report()
    files.write(report, "impresso", folder)
    return dict(files.read(folder, report.id))


def test_the_files_are_whole_and_read_as_the_guide_reads_them(
    make: Make, begin: Begin, calm: OllamaStandin, tmp_path: Path
) -> None:
    calm.set_script("=1+1 [1]")
    runtime = make()
    session = begin(runtime, variants(runtime.settings)[:2])
    run(session)
    report = session.report()
    made = files.write(report, "o que foi impresso", tmp_path)
    assert made.data.name == f"{report.id}.json"
    assert report.id == f"benchmark_{report.started_at.astimezone():%Y%m%d_%H%M%S}"
    assert made.text.read_text("utf-8") == "o que foi impresso\n"
    document = json.loads(made.data.read_text("utf-8"))
    assert document["complete"]
    assert [answer["answer"] for answer in document["answers"][3:]] == ["=1+1 [1]"] * 3
    assert [passage["rank"] for passage in document["questions"][0]["passages"]] == [1, 2]
    assert document["answers"][0]["passages"] == [
        passage["chunk_id"] for passage in document["questions"][0]["passages"]
    ]
    assert [price["date"] for price in document["prices"]] == [f"{report.ended_at:%Y-%m-%d}"] * 2
    assert document["models"][1]["variant"]["max_tokens"] == runtime.settings.max_tokens
    assert {one["against"] for one in document["comparisons"]} == {"control", "next"}
    configuration = json.loads(made.configuration.read_text("utf-8"))
    assert [variant["provider"] for variant in configuration["variants"]] == ["extractive", "ollama"]
    windows = {answer["provider"]: answer["context_window"] for answer in document["answers"]}
    assert windows == {"extractive": None, "ollama": runtime.settings.context_window}
    frame = pd.read_csv(made.table)
    assert set(frame["context_window"].dropna()) == {runtime.settings.context_window}
    wanted = "provider model_name question latency_seconds quality_score relevance_score tokens cost"
    assert set(wanted.split()) <= set(frame.columns)
    means = frame.groupby("model_name")["latency_seconds"].mean()
    assert means["extractive"] == pytest.approx(report.summaries[0].figures["latency_avg"])
    with made.table.open(encoding="utf-8-sig", newline="") as file:
        assert {row["answer"] for row in csv.DictReader(file)} >= {"'=1+1 [1]"}
    assert not list(tmp_path.glob(".*"))
    assert files.saved(tmp_path) == [report.id]


def test_the_document_is_what_its_published_schema_says(make: Make, begin: Begin, tmp_path: Path) -> None:
    schema = json.loads((PROJECT_DIR / "docs" / "benchmark.schema.json").read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    check = jsonschema.Draft202012Validator(schema)
    runtime = make()
    session = begin(runtime, variants(runtime.settings))
    run(session, lambda step: step.done < 7)
    document = written(session, tmp_path)
    assert [error.message for error in check.iter_errors(document)] == []
    # Every field is described, and none that is not there.
    changes: tuple[tuple[str, Callable[[dict[str, Any]], Any]], ...] = (
        ("answers", lambda item: item.pop("latency_seconds")),
        ("answers", lambda item: item.update(inventado=1)),
        ("models", lambda item: item.update(asked="sete")),
        ("questions", lambda item: item.pop("passages")),
    )
    for name, change in changes:
        broken = json.loads(json.dumps(document))
        change(broken[name][0])
        assert list(check.iter_errors(broken)), name


def test_a_file_that_cannot_be_written_leaves_nothing_half(
    make: Make, begin: Begin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = make()
    session = begin(runtime, variants(runtime.settings)[:1])
    run(session)
    report = session.report()

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match="espaço em disco"):
        files.write(report, "", tmp_path / "cheio")
    assert list((tmp_path / "cheio").iterdir()) == []


def test_an_interrupted_benchmark_goes_on_and_asks_only_what_is_missing(
    make: Make, begin: Begin, evaluator: Evaluator, tmp_path: Path
) -> None:
    runtime, crowd = make(), Crowd()

    def model(variant: Variant, _seed: int | None) -> BaseChatModel:
        return Scripted(crowd=crowd, name=variant.model)

    taking = [*variants(runtime.settings)[:1], CLOUD]
    session = begin(runtime, taking, ASKED, Options(repeats=2, concurrency=1), make_model=model)

    def watch(step: Step) -> bool:
        return not (step.variant == CLOUD and step.done >= 8)

    assert run(session, watch) == "interrompido"
    before = session.answers
    first = written(session, tmp_path / "experiments")
    session.close()
    (path,) = journal.resumable(tmp_path / "experiments")
    assert path.name.startswith(session.header.id)
    crowd.order.clear()
    again = Session.resume(
        parts_of(runtime, evaluator, make_model=model), tmp_path / "experiments", session.header.id
    )
    assert again.header == dataclasses.replace(session.header)
    assert again.answers == before
    assert run(again) == ""
    missing = again.answers[len(before) :]
    warmed = {answer.model_name for answer in missing}
    assert len(crowd.order) == len(missing) + len(warmed) == 12 - len(before) + len(warmed)
    second = written(again, tmp_path / "experiments")
    again.close()
    assert (first["complete"], second["complete"]) == (False, True)
    assert second["id"] == first["id"]
    assert second["answers"][: len(before)] == first["answers"]
    assert len(second["answers"]) == 12
    assert all(question["passages"] for question in second["questions"])
    assert journal.resumable(tmp_path / "experiments") == []


@pytest.mark.parametrize("after", [2, 3])
def test_a_benchmark_whose_question_is_erased_while_it_runs_writes_nothing(
    make: Make, begin: Begin, tmp_path: Path, after: int
) -> None:
    runtime = make(data_dir=tmp_path)
    asked = answered(question("zuleica", "c", "Quanto a padaria da Zuleica paga de ACOS?"))
    runtime.store.finish(asked)
    mine = Question(asked.id, asked.question)
    session = begin(runtime, variants(runtime.settings)[:1], [*ASKED[:2], mine])

    def erased_meanwhile(step: Step) -> bool:
        if step.done == after and runtime.store.privacy.counts("zuleica"):
            privacy.erase(runtime.settings, runtime.store, "zuleica", "admin")
        return True

    with pytest.raises(InputError, match="uma pergunta dele foi apagada"):
        run(session, erased_meanwhile)
        session.report()
    session.close()
    assert list((tmp_path / "experiments").iterdir()) == []


def test_a_search_that_fails_costs_its_question_and_not_the_report(
    make: Make, begin: Begin, evaluator: Evaluator, tmp_path: Path
) -> None:
    runtime = make()

    class Broken:
        """Cannot search for one of the questions."""

        def search(self, query: str, k: int | None = None, filters: Filters | None = None) -> Retrieval:
            if "frete" in query:
                raise KnowledgeError("O índice não pôde ser lido.")
            return runtime.index.retriever.search(query, k, filters)

    session = begin(runtime, variants(runtime.settings)[:1], searcher=Broken)
    assert run(session) == ""
    assert [answer.success for answer in session.answers] == [True, False, True]
    assert "O índice não pôde ser lido." in session.answers[1].error
    document = written(session, tmp_path)
    assert document["complete"]
    assert [bool(one["passages"]) for one in document["questions"]] == [True, False, True]


def test_a_line_cut_by_a_kill_is_asked_again(
    make: Make, begin: Begin, evaluator: Evaluator, tmp_path: Path
) -> None:
    runtime = make()
    session = begin(runtime, variants(runtime.settings)[:1])
    run(session, lambda step: step.done < 2)
    session.close()
    path = tmp_path / "experiments" / f"{session.header.id}{journal.SUFFIX}"
    whole = path.read_bytes()
    path.write_bytes(whole[:-40])
    again = Session.resume(parts_of(runtime, evaluator), tmp_path / "experiments", "")
    assert len(again.answers) == 1
    run(again)
    again.close()
    assert len(again.answers) == 3


def test_all_parts_of_a_run_stay_within_one_budget(
    make: Make, begin: Begin, evaluator: Evaluator, tmp_path: Path
) -> None:
    runtime, crowd, budget = make(), Crowd(), 0.005
    folder = tmp_path / "experiments"
    asked = [Question(f"q{number}", f"O que é ACOS, parte {number}?") for number in range(12)]
    usage = Usage(100, CLOUD.max_tokens)

    def model(_variant: Variant, _seed: int | None) -> BaseChatModel:
        return Scripted(crowd=crowd, tokens=(100, CLOUD.max_tokens))

    session = begin(runtime, [CLOUD], asked, Options(concurrency=1, budget=budget), make_model=model)
    parts = parts_of(runtime, evaluator, make_model=model)
    # One answer a part, after its warm-up.
    while (stopped := run(session, lambda step: step.answer is None)) == "interrompido":
        session.close()
        session = Session.resume(parts, folder, session.header.id)
    session.close()
    assert stopped == "orçamento esgotado"
    assert 2 <= len(session.answers) < 12
    each = cost(CLOUD.provider, CLOUD.model, usage, settings=runtime.settings)
    assert each is not None
    assert len(crowd.order) * each <= budget


def test_a_call_that_a_kill_cut_short_counts_as_spent(make: Make, begin: Begin, tmp_path: Path) -> None:
    runtime, folder = make(), tmp_path / "experiments"
    kept: list[bytes] = []

    def say(_question: str) -> str:
        kept.append(journal.find(folder, "").read_bytes())
        return "Uma resposta [1]."

    session = begin(runtime, [CLOUD], ASKED[:1], make_model=lambda _variant, _seed: Scripted(say=say))
    run(session)
    path = journal.find(folder, "")
    session.close()
    path.write_bytes(kept[0])  # as it was while the model spoke
    left = journal.Journal.resume(path)
    left.close(done=False)
    usage = Usage(100, CLOUD.max_tokens)
    assert left.spent >= (cost(CLOUD.provider, CLOUD.model, usage, settings=runtime.settings) or 9)


def test_a_new_budget_holds_until_another_is_given(
    make: Make, begin: Begin, evaluator: Evaluator, tmp_path: Path
) -> None:
    runtime, folder = make(), tmp_path / "experiments"
    session = begin(runtime, [CLOUD], ASKED, make_model=lambda _variant, _seed: Scripted())
    run(session, lambda step: step.done < 1)
    session.close()
    parts = parts_of(runtime, evaluator)
    Session.resume(parts, folder, "", 0.25).close()
    again = Session.resume(parts, folder, "")
    again.close()
    assert again.header.options.budget == 0.25


def test_another_index_is_not_mixed_with_the_first(
    make: Make, begin: Begin, evaluator: Evaluator, tmp_path: Path
) -> None:
    runtime = make()
    session = begin(runtime, variants(runtime.settings)[:1])
    run(session, lambda step: step.done < 1)
    session.close()
    changed = parts_of(runtime, evaluator, index_version=lambda: "outra")
    with pytest.raises(InputError, match="base mudou"):
        Session.resume(changed, tmp_path / "experiments", "")
    assert len(journal.resumable(tmp_path / "experiments")) == 1


def test_one_that_runs_is_not_resumed_beside_itself(
    make: Make, begin: Begin, evaluator: Evaluator, tmp_path: Path
) -> None:
    runtime = make()
    session = begin(runtime, variants(runtime.settings)[:1])
    run(session, lambda step: step.done < 1)
    kept = (tmp_path / "experiments" / f"{session.header.id}{journal.SUFFIX}").read_bytes()
    with pytest.raises(InputError, match="em andamento em outro processo"):
        Session.resume(parts_of(runtime, evaluator), tmp_path / "experiments", "")
    assert (tmp_path / "experiments" / f"{session.header.id}{journal.SUFFIX}").read_bytes() == kept
    session.close()
    again = Session.resume(parts_of(runtime, evaluator), tmp_path / "experiments", "")
    again.close()


def test_what_is_not_there_cannot_be_resumed(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Não há benchmark"):
        journal.find(tmp_path, "")
    (tmp_path / f"benchmark_20260101_000000{journal.SUFFIX}").write_text("{]\n")
    with pytest.raises(InputError, match="benchmark_20260101_000000"):
        journal.find(tmp_path, "benchmark_20250101_000000")
    with pytest.raises(InputError, match="corrompido"):
        journal.Journal.resume(journal.find(tmp_path, ""))


@pytest.mark.parametrize("name", ["../segredo", "benchmark_20260101_000000", "benchmark_1", ""])
def test_what_is_no_benchmark_is_not_read(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError):
        files.read(tmp_path, name)


def test_two_of_one_second_have_two_names(make: Make, begin: Begin) -> None:
    runtime = make()
    names = {begin(runtime, variants(runtime.settings)[:1]).header.id for _ in range(3)}
    assert len(names) == 3
