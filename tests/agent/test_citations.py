"""Only citations of passages that were really given survive."""

import re

from hypothesis import given
from hypothesis import strategies as st

from melancia.agent.citations import check_citations


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
