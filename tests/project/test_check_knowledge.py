"""The corpus checker finds what it is for, and lets right text pass."""

import datetime
from typing import Any

import pytest

from scripts.check_knowledge import (
    Article,
    front_matter,
    links,
    repetitions,
    sections,
    spelling,
    worked_numbers,
)

FRONT: dict[str, Any] = {
    "id": "a",
    "title": "A",
    "topic": "t",
    "marketplace": ["geral"],
    "reviewed": datetime.date(2026, 11, 24),
    "sources": [{"title": "x", "url": "https://x"}, {"title": "y", "url": "https://y"}],
    "questions": ["?"] * 6,
}


def article(body: str = "", name: str = "a", **front: Any) -> Article:
    """An article that is right but for what is given."""
    return Article(name, {**FRONT, "id": name, **front}, f"# A\n\n{body}")


@pytest.mark.parametrize(
    "text",
    [
        "ACOS: 450 ÷ 3.000 = 15%.",
        "CPM = 1.728 ÷ 240.000 × 1.000 = 7,20",
        "lance de 0,0429 × 120 × 0,20 ≈ R$ 1,03",
        "(3 + 5) ÷ (40 + 100) = 5,71%",
        "R$ 50 − R$ 20 = R$ 30 por dia",
        "1 ÷ 0,28 = 3,57",
        "20 − 50 = −30",
    ],
)
def test_right_sums_pass(text: str) -> None:
    assert list(worked_numbers(article(text))) == []


@pytest.mark.parametrize(
    "text",
    ["450 ÷ 3.000 = 16%", "1.728 ÷ 240.000 × 1.000 = 7,50", "(3 + 5) ÷ (40 + 100) = 5,1%", "1 ÷ 0,28 = 3,75"],
)
def test_wrong_sums_are_found(text: str) -> None:
    assert len(list(worked_numbers(article(text)))) == 1


@pytest.mark.parametrize(
    "front",
    [
        {"id": "b"},
        {"reviewed": "ontem"},
        {"reviewed": datetime.date(2999, 1, 1)},
        {"sources": []},
        {"questions": []},
        {"extra": 1},
    ],
)
def test_bad_front_matter_is_found(front: dict[str, Any]) -> None:
    assert list(front_matter(article())) == []
    assert list(front_matter(Article("a", {**FRONT, **front}, "# A\n")))


def test_broken_links_and_long_sections_are_found() -> None:
    assert list(links(article("[x](b.md) [y](https://z)"), {"a", "b"})) == []
    assert len(list(links(article("[x](c.md) [z](a.md)"), {"a", "b"}))) == 2
    assert list(sections(article("## S\n" + "palavra " * 400)))


def test_repetition_and_spelling_are_found() -> None:
    text = "Uma frase comprida o bastante para ter mais de doze palavras seguidas em dois textos."
    assert len(list(repetitions([article(text), article(f"Outro. {text}", name="b")]))) == 1
    wrong = [word for _, word in spelling([article("A conversao do anúncio subiu no marketplace.")])]
    assert len(wrong) == 1
    assert "conversao" in wrong[0]
