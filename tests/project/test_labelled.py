"""The labelled answers: complete, in known kinds, and the two files apart."""

import json
from collections import Counter
from typing import Any

import pytest

from melancia.settings import PROJECT_DIR
from melancia.text import fold

FOLDER = PROJECT_DIR / "data" / "labelled"
ANSWERED = {"right", "wrong-number", "unsupported", "negated", "english"} | {
    "other-answer",
    "empty",
    "undue-refusal",
}
REFUSED = {"refusal", "answered", "empty"}
FILES = {"design": "dev", "tuning": "test", "tuning-2": "test", "heldout": "dev"}


def rows(name: str) -> list[dict[str, Any]]:
    """The questions of a file, with their answers."""
    return [json.loads(line) for line in (FOLDER / f"{name}.jsonl").read_text("utf-8").splitlines()]


@pytest.mark.parametrize(("name", "split"), FILES.items())
def test_each_file_keeps_to_its_split_and_to_known_kinds(name: str, split: str) -> None:
    text = (PROJECT_DIR / "data" / "questions" / f"{split}.jsonl").read_text("utf-8")
    known = {item["id"]: item for item in map(json.loads, text.splitlines())}
    for row in rows(name):
        source = known[row["id"]]
        assert (row["question"], row["gold"]) == (source["question"], source["gold"])
        kinds = Counter(answer["kind"] for answer in row["answers"])
        assert set(kinds) <= (ANSWERED if row["gold"] else REFUSED), row["id"]
        assert kinds["right" if row["gold"] else "refusal"] == 2, row["id"]
        assert [passage["rank"] for passage in row["passages"]] == list(range(1, len(row["passages"]) + 1))


@pytest.mark.parametrize("name", FILES)
def test_what_is_wrong_differs_from_what_is_right(name: str) -> None:
    for row in rows(name):
        right = {answer["text"] for answer in row["answers"] if answer["kind"] in ("right", "refusal")}
        wrong = {answer["text"] for answer in row["answers"] if answer["kind"] not in ("right", "refusal")}
        assert not right & wrong, row["id"]
        assert all(text.strip() for text in right)


@pytest.mark.parametrize("name", FILES)
def test_the_first_right_answer_holds_every_key_fact(name: str) -> None:
    lacking = [
        (row["id"], fact)
        for row in rows(name)
        if row["gold"]
        for fact in row["key_facts"]
        if fold(fact) not in fold(row["answers"][0]["text"])
    ]
    assert not lacking


def test_there_are_enough_of_each_kind_to_measure_with() -> None:
    kinds = Counter(answer["kind"] for row in rows("heldout") for answer in row["answers"])
    assert kinds["right"] >= 80
    assert all(kinds[kind] >= 25 for kind in ANSWERED - {"right"})


def test_no_question_is_in_two_files() -> None:
    ids = [row["id"] for name in FILES for row in rows(name)]
    assert len(ids) == len(set(ids))
