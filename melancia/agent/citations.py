"""Citations ``[n]`` in an answer, checked against the passages that were really given."""

import re
from dataclasses import dataclass

from melancia.text import CITATION, cited

_CITATION = re.compile(rf"[ \t]*{CITATION.pattern}")


@dataclass(frozen=True, slots=True)
class CheckedText:
    """The text without invented citations, the ranks cited by first appearance, how many were removed."""

    text: str
    citations: tuple[int, ...]
    invented: int


def check_citations(text: str, passages: int) -> CheckedText:
    """Keep ``[n]`` for 1 ≤ n ≤ ``passages``; remove and count the others.

    All become the same: of three passages, ``[1, 7]`` leaves ``[1]``, and ``[Fontes 1-2]`` is ``[1][2]``.
    """
    kept: list[int] = []
    invented = 0

    def keep(match: re.Match[str]) -> str:
        nonlocal invented
        numbers = cited(match[0])
        valid = [number for number in numbers if 1 <= number <= passages]
        invented += len(numbers) - len(valid)
        kept.extend(number for number in valid if number not in kept)
        lead = match[0][: len(match[0]) - len(match[0].lstrip())]
        return lead + "".join(f"[{number}]" for number in valid) if valid else ""

    return CheckedText(_CITATION.sub(keep, text), tuple(kept), invented)
