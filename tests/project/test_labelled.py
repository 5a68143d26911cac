"""The labelled answers: complete, in known kinds, and the files apart."""

import json
import re
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
SPLITS = {"design": "dev", "tuning": "test", "tuning-2": "test", "heldout": "dev"}
"""Files whose questions are those of a question set; ``fresh`` has its own."""
FILES = (*SPLITS, "fresh")


def rows(name: str) -> list[dict[str, Any]]:
    """The questions of a file, with their answers."""
    return [json.loads(line) for line in (FOLDER / f"{name}.jsonl").read_text("utf-8").splitlines()]


def asked(split: str) -> dict[str, dict[str, Any]]:
    """The questions of a question set, by id."""
    text = (PROJECT_DIR / "data" / "questions" / f"{split}.jsonl").read_text("utf-8")
    return {item["id"]: item for item in map(json.loads, text.splitlines())}


@pytest.mark.parametrize(("name", "split"), SPLITS.items())
def test_each_file_keeps_to_its_split(name: str, split: str) -> None:
    known = asked(split)
    for row in rows(name):
        source = known[row["id"]]
        assert (row["question"], row["gold"]) == (source["question"], source["gold"])


@pytest.mark.parametrize("name", FILES)
def test_each_file_has_known_kinds(name: str) -> None:
    for row in rows(name):
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


@pytest.mark.parametrize("name", ["heldout", "fresh"])
def test_there_are_enough_of_each_kind_to_measure_with(name: str) -> None:
    kinds = Counter(answer["kind"] for row in rows(name) for answer in row["answers"])
    assert kinds["right"] >= 80
    assert all(kinds[kind] >= 25 for kind in ANSWERED - {"right"})


def test_no_question_is_in_two_files() -> None:
    texts = [(row["question"], json.dumps(row["history"])) for name in FILES for row in rows(name)]
    assert len(texts) == len(set(texts))
    ids = [row["id"] for name in FILES for row in rows(name)]
    assert len(ids) == len(set(ids))


def test_fresh_questions_are_in_no_question_set() -> None:
    known = {item["question"] for split in ("dev", "test") for item in asked(split).values()}
    assert not known & {row["question"] for row in rows("fresh")}


def test_pairs_of_entailment_are_whole_and_their_premises_stand_in_the_base() -> None:
    pairs = rows("entailment")
    assert len({(pair["document"], pair["premise"]) for pair in pairs}) == len(pairs)
    texts: dict[str, str] = {}
    for pair in pairs:
        name = pair["document"]
        if name not in texts:
            texts[name] = _plain((PROJECT_DIR / "data" / "knowledge" / f"{name}.md").read_text("utf-8"))
        assert _plain(pair["premise"]) in texts[name], pair["premise"]
        sentences = [*pair["says"], *pair["contradicts"], *pair["neither"]]
        assert [len(pair[kind]) for kind in ("says", "contradicts", "neither")] == [2, 3, 1]
        assert all(sentence.strip() for sentence in sentences)
        assert len(set(sentences)) == len(sentences)


def _plain(text: str) -> str:
    """Without links, marks, quotation marks (a sentence is cut at them) and line breaks."""
    return " ".join(re.sub(r"[*`>“”\"]", "", re.sub(r"\[([^\]]+)\]\([^)]+\)", r"\1", text)).split())
