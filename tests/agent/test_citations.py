"""Only citations of passages that were really given survive."""

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from melancia.agent.citations import CheckedText, check_citations

GAP = st.sampled_from([", ", ",", "; ", " e ", ", e ", " ; "])
NAME = st.sampled_from(["", "Fonte ", "fontes ", "FONTE  "])
DASH = st.sampled_from(["-", "–", " - "])


@st.composite
def citations(draw: st.DrawFn) -> tuple[str, list[int]]:
    """A citation as models write it, and the ranks that it names."""
    written, ranks = "", list[int]()
    for place in range(draw(st.integers(1, 4))):
        first, width = draw(st.integers(0, 40)), draw(st.integers(0, 19))
        written += (draw(GAP) if place else "") + draw(NAME) + str(first)
        ranks.append(first)
        if width:
            written += draw(DASH) + str(first + width)
            ranks.extend(range(first + 1, first + width + 1))
    return f"[{written}]", ranks


def test_invented_citations_are_removed_and_counted() -> None:
    checked = check_citations("ACOS é custo sobre receita [2]. Vale 10 % [9]. Veja [1, 7].", passages=3)
    assert checked.text == "ACOS é custo sobre receita [2]. Vale 10 %. Veja [1]."
    assert checked.citations == (2, 1)
    assert checked.invented == 2


def test_links_are_not_citations() -> None:
    assert check_citations("[1](https://exemplo.com)", passages=0).text == "[1](https://exemplo.com)"


@given(st.lists(st.integers(0, 40), max_size=12), st.integers(0, 8))
def test_what_remains_is_always_valid(numbers: list[int], passages: int) -> None:
    text = " ".join(f"frase [{number}]" for number in numbers)
    checked = check_citations(text, passages)
    left = [int(number) for number in re.findall(r"\[(\d+)\]", checked.text)]
    assert left == [number for number in numbers if 1 <= number <= passages]
    assert checked.invented == len(numbers) - len(left)
    assert checked.citations == tuple(dict.fromkeys(left))


@given(citations(), st.integers(0, 40))
def test_however_it_is_written_a_citation_names_its_ranks(
    citation: tuple[str, list[int]], passages: int
) -> None:
    written, ranks = citation
    valid = [rank for rank in ranks if 1 <= rank <= passages]
    checked = check_citations(f"frase {written}.", passages)
    left = "".join(f"[{rank}]" for rank in valid)
    assert checked.text == (f"frase {left}." if valid else "frase.")
    assert checked.citations == tuple(dict.fromkeys(valid))
    assert checked.invented == len(ranks) - len(valid)
    assert check_citations(checked.text, passages) == replace(checked, invented=0)


@pytest.mark.parametrize(
    ("written", "left", "invented"),
    [
        ("Veja [1 e 3].", "Veja [1][3].", 0),
        ("Veja [1, 2 e 9].", "Veja [1][2].", 1),
        ("Veja [1-3].", "Veja [1][2][3].", 0),
        ("Veja [1–9].", "Veja [1][2][3][4][5].", 4),
        ("Veja [Fonte 2].", "Veja [2].", 0),
        ("Veja [fontes 1 e 7].", "Veja [1].", 1),
        ("Veja [Fonte 7].", "Veja.", 1),
        ("Veja [ 1 ].", "Veja [1].", 0),
        ("Veja [1-999].", "Veja [1].", 1),
        ("Veja [3-1].", "Veja [3][1].", 0),
    ],
)
def test_the_ways_of_models_are_known(written: str, left: str, invented: int) -> None:
    checked = check_citations(written, passages=5)
    assert (checked.text, checked.invented) == (left, invented)


@pytest.mark.parametrize("text", ["[1e3]", "[fonte]", "[^1]", "[1,2,]", "[2026]", "[-5]", "[1 e 2](a.md)"])
def test_other_brackets_stay(text: str) -> None:
    assert check_citations(text, passages=5) == CheckedText(text, (), 0)


@given(st.text(st.sampled_from("[]()0123456789,;-– efontFONTES\n."), max_size=60), st.integers(0, 9))
def test_any_text_is_clean_after_one_check(text: str, passages: int) -> None:
    checked = check_citations(text, passages)
    again = check_citations(checked.text, passages)
    assert set(again.citations) <= set(range(1, passages + 1))
    assert set(checked.citations) <= set(range(1, passages + 1))
