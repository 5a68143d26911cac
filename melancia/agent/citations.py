"""Citations ``[n]`` in an answer, checked against the passages that were really given."""

import re
from dataclasses import dataclass

_CITATION = re.compile(r"[ \t]*\[(\d{1,3}(?:\s*[,;]\s*\d{1,3})*)\](?!\()")


@dataclass(frozen=True, slots=True)
class CheckedText:
    """The text without invented citations, the ranks cited by first appearance, how many were removed."""

    text: str
    citations: tuple[int, ...]
    invented: int


def check_citations(text: str, passages: int) -> CheckedText:
    """Keep ``[n]`` for 1 ≤ n ≤ ``passages``; remove and count the others. ``[1, 7]`` becomes ``[1]``."""
    cited: list[int] = []
    invented = 0

    def keep(match: re.Match[str]) -> str:
        nonlocal invented
        numbers = [int(number) for number in re.findall(r"\d+", match[1])]
        valid = [number for number in numbers if 1 <= number <= passages]
        invented += len(numbers) - len(valid)
        cited.extend(number for number in valid if number not in cited)
        lead = match[0][: len(match[0]) - len(match[0].lstrip())]
        return lead + "".join(f"[{number}]" for number in valid) if valid else ""

    return CheckedText(_CITATION.sub(keep, text), tuple(cited), invented)
