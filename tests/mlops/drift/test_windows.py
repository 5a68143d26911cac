"""A window of the store, and of files, as the tests of drift see it."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from melancia.errors import InputError, JobError
from melancia.index.catalog import Catalog, Chunk, Document
from melancia.mlops.drift.frame import COLUMNS, Window
from melancia.mlops.drift.references import read_benchmark, read_file
from melancia.mlops.drift.windows import parse_span, read_window
from melancia.records import (
    Answer,
    Assignment,
    Feedback,
    FinishReason,
    Interaction,
    Origin,
    OriginKind,
    Usage,
)
from melancia.settings import Settings, load_settings
from melancia.store import Store
from melancia.store.export import write
from tests.mlops.drift.windows import NOON, ByWords
from tests.store.samples import EXTRACTIVE, LOCAL, answered, question

DAY = timedelta(days=1)
WHOLE = Answer(
    "O ACOS é o gasto em anúncios dividido pela receita que trouxeram [1].",
    (1,),
    0,
    False,
    Usage(10, 5),
    0.2,
    0.9,
    0.001,
    FinishReason.STOP,
)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A data folder of its own."""
    return load_settings(data_dir=tmp_path)


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    """An open store on SQLite."""
    made = Store.open(settings.store_url)
    yield made
    made.close()


def asked(store: Store, text: str = "O que é ACOS?", **changes: Any) -> Interaction:
    """A question that was answered by the variant that was meant, stored."""
    whole = replace(answered(question(text=text)), exposure=LOCAL, answer=WHOLE, attempts=())
    made = replace(whole, created_at=NOON, **changes)
    store.finish(made)
    return made


def refused(store: Store, text: str, passages: Any = None) -> Interaction:
    """A question that was refused before any model was asked, stored."""
    answer = Answer("Não encontrei isso na base.", refused=True, finish_reason=FinishReason.STOP)
    found = answered(question()).passages if passages is None else passages
    return asked(store, text, exposure=None, answer=answer, passages=found)


def read(store: Store, settings: Settings, **options: Any) -> Window:
    """The day's window."""
    return read_window(store, settings, NOON, NOON + DAY, **{"embeddings": ByWords(), "scored": 0, **options})


def row(window: Window, interaction: Interaction) -> dict[str, Any]:
    """The row of an interaction."""
    found = window.frame[window.frame["id"] == interaction.id].to_dict("records")
    assert len(found) == 1
    return {str(name): value for name, value in found[0].items()}


@pytest.mark.parametrize(
    ("text", "hours"), [("7d", 168), ("12h", 12), ("28d", 672), (" 1 D ", 24), ("168h", 168)]
)
def test_a_span_is_days_or_hours(text: str, hours: int) -> None:
    assert parse_span(text) == timedelta(hours=hours)


@given(st.integers(1, 3660), st.sampled_from("dDhH"))
def test_every_span_that_is_written_is_read(number: int, unit: str) -> None:
    assert parse_span(f"{number}{unit}") == timedelta(**{{"d": "days", "h": "hours"}[unit.lower()]: number})


@pytest.mark.parametrize("text", ["", "7", "d", "0d", "-1d", "7 dias", "1w", "9999d", "1.5d", "7d 12h", "٧d"])
def test_what_is_no_span_is_refused_in_portuguese(text: str) -> None:
    with pytest.raises(InputError, match="não é um período") as caught:
        parse_span(text)
    assert "7d" in caught.value.remedy


def test_an_answer_becomes_a_row(store: Store, settings: Settings) -> None:
    made = asked(store, assignment=Assignment(LOCAL, "e", "A"))
    store.rate(Feedback(made.id, "ana", 1))
    window = read(store, settings)
    assert {name: str(kind) for name, kind in window.frame.dtypes.items()} == dict(COLUMNS)
    assert row(window, made) | {"user": "", "created_at": ""} == {
        "id": made.id,
        "created_at": "",
        "user": "",
        "arm": "A",
        "model": "ollama:llama3.1:8b",
        "question": "O que é ACOS?",
        "question_length": 13,
        "question_language": "",
        "topic": -1,
        "top_score": 0.9,
        "unanswered": False,
        "out_of_scope": pytest.approx(float("nan"), nan_ok=True),
        "answer_length": len(WHOLE.text),
        "answer_language": "pt",
        "groundedness": pytest.approx(float("nan"), nan_ok=True),
        "citation_valid": 1.0,
        "refused": False,
        "latency": 0.9,
        "time_to_first_token": 0.2,
        "tokens": 15,
        "cost": 0.001,
        "failed": False,
        "fell_back": False,
        "cached": False,
        "rated": True,
        "thumb": 1,
    }
    assert dict(window.retrieved) == {"acos": 1}
    assert (window.total, window.kind, window.notes) == (1, "store", ())


def test_personal_data_never_enters_a_frame(store: Store, settings: Settings) -> None:
    asked(store, "Meu e-mail é ana@loja.com.br, respondam lá", user_id="ana@loja.com.br")
    embeddings = ByWords()
    window = read(store, settings, embeddings=embeddings)
    assert window.frame["question"].tolist() == ["Meu e-mail é [e-mail], respondam lá"]
    assert embeddings.asked == window.frame["question"].tolist()
    assert "ana@" not in window.frame.to_csv()


def test_rows_of_one_user_are_told_from_anothers(store: Store, settings: Settings) -> None:
    for user in ("ana", "ana", "bia"):
        asked(store, user_id=user)
    assert sorted(read(store, settings).frame["user"].value_counts()) == [1, 2]


def test_languages_are_told_and_short_texts_are_not(store: Store, settings: Settings) -> None:
    for text in (
        "Como faço para baixar o custo por clique da campanha?",
        "How can I lower the cost per click of my campaign?",
        "¿Cómo puedo bajar el costo por clic de mi campaña?",
        "ACOS?",
    ):
        asked(store, text)
    assert sorted(read(store, settings).frame["question_language"]) == ["", "en", "es", "pt"]


@pytest.mark.parametrize("reason", [FinishReason.CANCELLED, FinishReason.RUNNING])
def test_a_question_that_was_not_waited_for_is_no_failure(
    store: Store, settings: Settings, reason: FinishReason
) -> None:
    made = asked(store, answer=replace(WHOLE, text="É gas", finish_reason=reason))
    found = row(read(store, settings), made)
    assert (found["failed"], found["answer_language"]) == (False, "")
    assert np.isnan([found["answer_length"], found["latency"], found["citation_valid"]]).all()


@pytest.mark.parametrize(
    ("text", "reason"),
    [("", FinishReason.ERROR), ("É gas", FinishReason.TIMEOUT), ("", FinishReason.STOP)],
)
def test_a_failure_is_no_latency(store: Store, settings: Settings, text: str, reason: FinishReason) -> None:
    made = asked(store, answer=replace(WHOLE, text=text, finish_reason=reason))
    found = row(read(store, settings), made)
    assert found["failed"] is True
    assert np.isnan([found["answer_length"], found["latency"]]).all()


def test_another_model_answered(store: Store, settings: Settings) -> None:
    made = asked(store, exposure=EXTRACTIVE)
    found = row(read(store, settings), made)
    assert (found["fell_back"], found["failed"], found["model"]) == (True, False, "extractive:extractive")


def test_a_cached_answer_measures_neither_model_nor_search(store: Store, settings: Settings) -> None:
    made = asked(store, origin=Origin(OriginKind.SEMANTIC, "antes"))
    window = read(store, settings)
    found = row(window, made)
    assert (found["cached"], found["failed"]) == (True, False)
    assert found["answer_length"] == len(WHOLE.text)
    unknown = ("latency", "time_to_first_token", "tokens", "cost", "top_score", "citation_valid")
    assert np.isnan([found[name] for name in unknown]).all()
    assert not window.retrieved


@pytest.mark.parametrize(
    ("citations", "invented", "valid"), [((1,), 0, 1.0), ((), 0, 0.0), ((1,), 1, 0.0), ((), 2, 0.0)]
)
def test_citations_are_valid_when_all_are_of_what_was_given(
    store: Store, settings: Settings, citations: tuple[int, ...], invented: int, valid: float
) -> None:
    made = asked(store, answer=replace(WHOLE, citations=citations, invented_citations=invented))
    assert row(read(store, settings), made)["citation_valid"] == valid


def test_unanswered_by_the_search_is_not_refused_by_a_model(store: Store, settings: Settings) -> None:
    by_search = refused(store, "trecho texto ACOS de parcelamento")
    by_model = asked(store, answer=replace(WHOLE, text="Não encontrei.", refused=True, citations=()))
    window = read(store, settings)
    first, second = row(window, by_search), row(window, by_model)
    assert (first["refused"], first["unanswered"], first["model"]) == (True, True, "")
    assert (second["refused"], second["unanswered"]) == (True, False)
    assert np.isnan([first["answer_length"], first["citation_valid"], second["citation_valid"]]).all()


def test_out_of_scope_is_what_nothing_in_the_base_is_near(store: Store, settings: Settings) -> None:
    near = refused(store, "lance da campanha")
    far = refused(store, "receita de bolo")
    broken = refused(store, "lance da campanha", passages=())
    other = asked(store, "receita de bolo")
    cached = asked(store, "receita de bolo", origin=Origin(OriginKind.EXACT, other.id))
    made = (near, far, broken, other, cached)
    before = read(store, settings)
    assert np.isnan([row(before, one)["out_of_scope"] for one in made]).all()  # there is no index yet
    index(settings, "lance da campanha")
    window = read(store, settings)
    assert [row(window, one)["out_of_scope"] for one in made[:4]] == [0.0, 1.0, 0.0, 0.0]
    assert np.isnan([row(window, cached)["out_of_scope"], row(window, broken)["top_score"]]).all()
    assert np.isnan(row(read(store, settings, sample=0), far)["out_of_scope"])


def index(settings: Settings, text: str) -> None:
    """An index of one passage, calibrated."""
    catalog = Catalog(settings.index_dir / "catalog.db")
    chunk = Chunk("c1", "acos", 1, "passage", "s", text, text, text, "h1")
    catalog.replace(Document("acos", "r", "acos", "h", "ACOS", "t", ("geral",)), [chunk])
    vector = np.array(ByWords().embed_query(text))
    catalog.save_vectors(settings.embedding_model, {"h1": (vector / np.linalg.norm(vector)).tolist()})
    catalog.set_fact("calibration", json.dumps({"mean": 0.3, "deviation": 0.1}))
    catalog.close()


def test_above_the_limit_it_is_a_sample_and_says_so(store: Store, settings: Settings) -> None:
    for number in range(20):
        asked(store, f"pergunta número {number}")
    window = read(store, settings, limit=8, sample=5)
    again = read(store, settings, limit=8, sample=5)
    assert (len(window), window.total, len(window.sampled)) == (8, 20, 5)
    pd.testing.assert_frame_equal(window.frame, again.frame)
    assert window.sampled.tolist() == again.sampled.tolist()
    assert any("20" in note and "8" in note and "sorteio" in note for note in window.notes)
    assert any("5 de 8" in note for note in window.notes)


def test_vectors_are_those_of_the_sampled_questions(store: Store, settings: Settings) -> None:
    for text in ("como baixar o lance", "como baixar o lance", "quanto custa o frete"):
        asked(store, text)
    embeddings = ByWords()
    window = read(store, settings, embeddings=embeddings)
    assert len(embeddings.asked) == 2  # what two ask is embedded once
    for place, vector in zip(window.sampled, window.vectors, strict=True):
        expected = np.array(ByWords().embed_query(str(window.frame["question"][place])))
        assert vector == pytest.approx(expected / np.linalg.norm(expected), abs=1e-6)


def test_stored_groundedness_is_read_and_some_of_the_rest_is_measured(
    store: Store, settings: Settings
) -> None:
    text = "O ACOS é o gasto em anúncios dividido pela receita que eles trouxeram [1]."
    passage = replace(answered(question()).passages[0], text=text.removesuffix(" [1]."), chunk=text)
    made = [asked(store, answer=replace(WHOLE, text=text), passages=(passage,)) for _ in range(12)]
    store.outcomes.score(made[0].id, {"groundedness": 0.125}, {})
    window = read(store, settings, scored=100)
    assert row(window, made[0])["groundedness"] == 0.125
    assert window.frame["groundedness"].notna().all()
    assert (window.frame["groundedness"][window.frame["id"] != made[0].id] > 0.5).all()
    few = read(store, settings, scored=3)
    measured = few.frame["groundedness"].notna() & (few.frame["id"] != made[0].id)
    assert measured.sum() == 3
    pd.testing.assert_frame_equal(few.frame, read(store, settings, scored=3).frame)
    assert any("Apoio nas fontes" in note for note in few.notes)


def test_scored_answers_do_not_outweigh_the_others(store: Store, settings: Settings) -> None:
    """Half of the answers are of an experiment, all scored: they are half of what is counted, too."""
    made = [asked(store) for _ in range(400)]
    for one in made[::2]:
        store.outcomes.score(one.id, {"groundedness": 0.0}, {})
    window = read(store, settings, scored=40)
    stored = int((window.frame["groundedness"] == 0.0).sum())
    assert 15 <= stored <= 80


def test_the_documents_are_those_of_the_index(store: Store, settings: Settings) -> None:
    asked(store)
    assert read(store, settings).documents == ()
    catalog = Catalog(settings.index_dir / "catalog.db")
    for name in ("frete", "acos"):
        catalog.replace(Document(name, "r", name, "h", name, "t", ("geral",)), [])
    catalog.close()
    assert read(store, settings).documents == ("acos", "frete")
    assert read(store, settings, documents=["outro"]).documents == ("outro",)


def test_an_empty_window_is_a_window(store: Store, settings: Settings) -> None:
    window = read(store, settings)
    assert (len(window), window.total, len(window.sampled), dict(window.retrieved)) == (0, 0, 0, {})
    assert list(window.frame) == list(COLUMNS)


def test_it_stops_when_asked_to(store: Store, settings: Settings) -> None:
    asked(store)
    with pytest.raises(JobError, match="interrompido"):
        read(store, settings, stop=lambda: True)


def test_a_window_must_begin_before_it_ends(store: Store, settings: Settings) -> None:
    with pytest.raises(InputError):
        read_window(store, settings, NOON, NOON, embeddings=ByWords())


def test_the_benchmark_is_questions_only() -> None:
    window = read_benchmark(embeddings=ByWords(), sample=10)
    frame = window.frame
    assert (window.kind, len(window.sampled)) == ("benchmark", 10)
    assert len(frame) == window.total > 100
    assert (frame["question_length"] > 0).all()
    assert frame["question_language"].isin(["", "pt"]).mean() > 0.98
    numbers = [name for name, kind in COLUMNS.items() if kind == "float64" and name != "question_length"]
    assert frame[numbers].isna().all(axis=None)


@pytest.mark.parametrize("fmt", ["csv", "jsonl"])
def test_exported_ratings_come_back(store: Store, settings: Settings, tmp_path: Path, fmt: Any) -> None:
    liked = asked(store, "-10 % de desconto, “vale”?\nE com ana@loja.com?")
    disliked = asked(store, exposure=EXTRACTIVE)
    store.rate(Feedback(liked.id, "ana", 1))
    store.rate(Feedback(disliked.id, "ana", -1, "não"))
    path = tmp_path / f"avaliacoes.{fmt}"
    write(store.export_feedback(), path, fmt)
    window = read_file(path, embeddings=ByWords())
    first, second, stored = row(window, liked), row(window, disliked), read(store, settings)
    assert first["question"] == "-10 % de desconto, “vale”? E com [e-mail]?"
    same = "user model question_length answer_length answer_language latency tokens cost fell_back thumb"
    for interaction, found in ((liked, first), (disliked, second)):
        assert {name: found[name] for name in same.split()} == {
            name: row(stored, interaction)[name] for name in same.split()
        }
    assert (first["rated"], first["failed"], window.kind) == (True, False, "file")


def test_a_saved_benchmark_is_a_reference(tmp_path: Path) -> None:
    answer = {
        "provider": "ollama",
        "model_name": "llama3.1:8b",
        "question_id": "q1",
        "question": "Como baixar o ACOS da campanha?",
        "latency_seconds": 2.5,
        "comparable_latency": True,
        "prompt_tokens": 100,
        "completion_tokens": 20,
        "finish_reason": "stop",
        "refused": False,
        "quarantine": "",
        "scores": {"groundedness": 0.5},
        "answer": "Baixe o lance das palavras que gastam e não vendem.",
    }
    batch = {**answer, "provider": "openai", "model_name": "m", "comparable_latency": False}
    left_out = {**answer, "quarantine": "na CPU"}
    path = tmp_path / "benchmark_20261120_120000.json"
    path.write_text(json.dumps({"schema": 1, "answers": [answer, batch, left_out]}), "utf-8")
    frame = read_file(path, embeddings=ByWords()).frame
    assert frame["model"].tolist() == ["ollama:llama3.1:8b", "openai:m"]
    assert frame["latency"].tolist() == [2.5, pytest.approx(float("nan"), nan_ok=True)]
    assert frame["groundedness"].tolist() == [0.5, 0.5]
    assert frame["tokens"].tolist() == [120, 120]
    assert frame["user"].nunique() == 1  # both answer one question
    assert not frame["rated"].any()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.txt", "O que é ACOS?"),
        ("a.csv", "coluna\n1\n"),
        ("a.csv", "question\n"),
        ("a.json", "{}"),
        ("a.json", '{"answers": 3}'),
        ("a.json", "isto não é JSON"),
        ("a.jsonl", '{"question": ""}'),
        ("a.jsonl", '{"question": "ok?", "latency_seconds": "depressa"}'),
        ("a.jsonl", '{"question": "ok?", "created_at": "ontem"}'),
        ("a.jsonl", "[1]"),
    ],
)
def test_a_file_of_unknown_shape_says_what_is_accepted(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / name
    path.write_text(text, "utf-8")
    with pytest.raises(InputError) as caught:
        read_file(path, embeddings=ByWords())
    assert "feedback export" in caught.value.remedy


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="não pôde ser lido"):
        read_file(tmp_path / "nada.csv", embeddings=ByWords())
