"""The question sets: complete, distinct, and every fact really in the documents that they name."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from melancia.text import stems

DATA = Path(__file__).parents[2] / "data"
CATEGORIES = {
    "definition",
    "calculation",
    "how-to",
    "comparison",
    "diagnosis",
    "multi-document",
    "follow-up",
    "out-of-scope",
    "prompt-injection",
}


def load(split: str) -> list[dict[str, Any]]:
    """The questions of a split."""
    text = (DATA / "questions" / f"{split}.jsonl").read_text("utf-8")
    return [json.loads(line) for line in text.splitlines()]


ALL = load("dev") + load("test")


def body(document: str) -> str:
    """An article without its front matter."""
    return (DATA / "knowledge" / f"{document}.md").read_text("utf-8").split("\n---\n", 1)[1]


def test_every_category_is_in_both_splits_and_nothing_is_doubled() -> None:
    for split in ("dev", "test"):
        assert {item["category"] for item in load(split)} == CATEGORIES
        assert all(item["split"] == split for item in load(split))
    for key in ("id", "question"):
        assert max(Counter(item[key] + str(item["history"]) for item in ALL).values()) == 1


def test_every_document_that_is_named_exists() -> None:
    articles = {path.stem for path in (DATA / "knowledge").glob("*.md")}
    assert {document for item in ALL for document in item["gold"]} <= articles


@pytest.mark.parametrize("item", ALL, ids=lambda item: str(item["id"]))
def test_a_question_is_complete_and_its_facts_are_in_its_documents(item: dict[str, Any]) -> None:
    assert set(item) == {
        "id",
        "question",
        "category",
        "history",
        "reference",
        "gold",
        "key_facts",
        "split",
    }
    assert bool(item["history"]) == (item["category"] == "follow-up")
    assert item["category"] != "multi-document" or len(item["gold"]) >= 2
    assert item["category"] != "out-of-scope" or not item["gold"] + item["key_facts"]
    for fact in item["key_facts"]:
        assert fact.lower() in item["reference"].lower()
        assert any(fact.lower() in body(document).lower() for document in item["gold"])


def test_questions_are_not_copied_from_the_articles() -> None:
    likely = " ".join(path.read_text("utf-8").lower() for path in (DATA / "knowledge").glob("*.md"))
    assert not [item["id"] for item in ALL if item["question"].lower() in likely]


def test_at_most_a_third_share_their_key_nouns_with_the_title() -> None:
    """Shared: two or more content stems of the best article's title are in the question."""
    titles = {
        path.stem: set(stems(yaml.safe_load(path.read_text("utf-8").split("---\n", 2)[1])["title"]))
        for path in (DATA / "knowledge").glob("*.md")
    }
    answerable = [item for item in ALL if item["gold"]]
    shared = [
        item["id"] for item in answerable if len(titles[item["gold"][0]] & set(stems(item["question"]))) >= 2
    ]
    assert len(shared) <= len(answerable) / 3, shared


def test_there_are_enough_of_both_splits() -> None:
    assert len(load("dev")) >= 80
    assert len(load("test")) >= 160
