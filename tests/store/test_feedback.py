"""Ratings: idempotent, changeable, with history, only on one's own answers; exported whole or not at all."""

import csv
import io
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from melancia.errors import InputError, InteractionNotFoundError, NotOwnerError
from melancia.records import Feedback, Interaction
from melancia.store import Store
from melancia.store.export import COLUMNS, lines, write
from tests.store.samples import answered, question


@pytest.fixture
def done(store: Store) -> Interaction:
    """A recorded answer of Ana."""
    interaction = answered(question())
    store.finish(interaction)
    return interaction


def test_a_rating_is_kept_merged_and_repeats_add_nothing(store: Store, done: Interaction) -> None:
    store.rate(Feedback(done.id, "ana", thumb=-1))
    store.rate(Feedback(done.id, "ana", thumb=-1))
    store.rate(Feedback(done.id, "ana", comment="  faltou a fórmula "))
    now = store.feedback(done.id, "ana")
    assert now is not None
    assert (now.thumb, now.comment) == (-1, "faltou a fórmula")
    store.rate(Feedback(done.id, "ana", thumb=1))
    history = [(item.thumb, item.comment) for item in store.feedback_history(done.id, "ana")]
    assert history == [(-1, None), (None, "faltou a fórmula"), (1, None)]
    assert store.counts() == {"interactions": 1, "feedback": 1, "thumbs_up": 1, "thumbs_down": 0}


def test_a_rating_can_be_taken_back(store: Store, done: Interaction) -> None:
    store.rate(Feedback(done.id, "ana", thumb=1, comment="bom"))
    store.rate(Feedback(done.id, "ana", thumb=0, comment=""))
    assert store.counts()["feedback"] == 0
    assert list(store.export_feedback()) == []
    assert len(store.feedback_history(done.id, "ana")) == 2


def test_only_ones_own_answers_can_be_rated(store: Store, done: Interaction) -> None:
    with pytest.raises(NotOwnerError):
        store.rate(Feedback(done.id, "bia", thumb=1))
    with pytest.raises(InteractionNotFoundError):
        store.rate(Feedback("nada", "ana", thumb=1))
    assert store.counts()["feedback"] == 0


@pytest.mark.parametrize("values", [{}, {"thumb": 2}, {"comment": "x" * 2001}])
def test_a_bad_rating_is_refused(store: Store, done: Interaction, values: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        store.rate(Feedback(done.id, "ana", **values))


def test_ratings_at_once_leave_one_row_and_the_whole_history(store: Store, done: Interaction) -> None:
    ratings = [Feedback(done.id, "ana", comment=f"comentário {number}") for number in range(24)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(store.rate, ratings))
    assert store.counts()["feedback"] == 1
    assert len(store.feedback_history(done.id, "ana")) == 24
    last = store.feedback_history(done.id, "ana")[-1]
    now = store.feedback(done.id, "ana")
    assert now is not None
    assert now.comment == last.comment


def test_the_export_holds_question_answer_variant_and_rating(
    store: Store, done: Interaction, tmp_path: Path
) -> None:
    store.rate(Feedback(done.id, "ana", thumb=-1, comment="=1+1"))
    file = tmp_path / "avaliações.csv"
    assert write(store.export_feedback(), file, "csv") == 1
    (row,) = csv.DictReader(io.StringIO(file.read_text("utf-8-sig")))
    assert row["comment"] == "'=1+1"
    assert (row["question"], row["provider"], row["assigned_model"]) == (
        "O que é ACOS?",
        "extractive",
        "llama3.1:8b",
    )
    assert (row["thumb"], row["fell_back"], row["documents"]) == ("-1", "True", "acos")
    (line,) = lines(store.export_feedback(), "jsonl")
    assert json.loads(line)["comment"] == "=1+1"
    assert set(json.loads(line)) == set(COLUMNS)


def test_a_failed_export_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    file = tmp_path / "f.csv"
    file.write_text("antes")

    def breaking() -> Iterator[dict[str, Any]]:
        yield {"question": "a"}
        raise OSError("disk")

    with pytest.raises(InputError):
        write(breaking(), file, "csv")
    assert file.read_text() == "antes"
    assert list(tmp_path.iterdir()) == [file]
    with pytest.raises(InputError):
        write([], tmp_path / "não existe" / "f.csv", "csv")


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=40), max_size=5))
def test_any_text_survives_the_csv_and_none_runs_as_a_formula(texts: list[str]) -> None:
    written = "".join(lines([{"question": text} for text in texts], "csv"))
    read = [row["question"] for row in csv.DictReader(io.StringIO(written, newline=""))]
    assert [text.removeprefix("'") for text in read] == [text.removeprefix("'") for text in texts]
    assert not any(text.startswith(("=", "+", "-", "@", "\t", "\r")) for text in read)
