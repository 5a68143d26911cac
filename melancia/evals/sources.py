"""What an answer may draw on, cut into sentences and stems once for every metric. Pure.

Stems that are digits are left to the number check: here they would count as words that are missing.
"""

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from melancia.evals.case import Case
from melancia.evals.numbers import Number, numbers
from melancia.text import CITATION, cited, sentences, stems

Idf = Callable[[str], float]
_AFTER_STOP = re.compile(rf"([.!?…])((?:\s*{CITATION.pattern})+)")
_MARKUP = re.compile(r"[*`]+|^\s*(?:[-•|]|\d{1,2}[.)])\s+")
_RULE = re.compile(r"^(?:[\s|:\-–—]*|\d{1,2}[.)])$")
_MIN_STEMS = 2


@dataclass(frozen=True, slots=True)
class Sentence:
    """``text`` without citations; ``citations``: ranks. ``source``: rank of the source it is from, 0: of
    none."""

    text: str
    stems: tuple[str, ...]
    numbers: tuple[Number, ...]
    citations: tuple[int, ...] = ()
    source: int = 0

    @property
    def telling(self) -> bool:
        """Whether it says enough to be checked."""
        return len(set(self.stems)) >= _MIN_STEMS or bool(self.numbers)


@dataclass(frozen=True, slots=True)
class Evidence:
    """The sentences of the sources, and the stems and numbers of the question and its history."""

    sentences: tuple[Sentence, ...]
    windows: tuple[frozenset[str], ...]
    asked: frozenset[str]
    asked_numbers: tuple[Number, ...]
    idf: Idf


def split(text: str, source: int = 0) -> tuple[Sentence, ...]:
    """The sentences of ``text``; ``[n]`` after a full stop belongs to the sentence before it."""
    joined = _AFTER_STOP.sub(r"\2\1", text)
    return tuple(_sentence(piece, source) for piece in sentences(joined) if not _RULE.match(piece))


def without_citations(text: str) -> str:
    """``text`` without its ``[n]``."""
    return CITATION.sub("", text)


def evidence(case: Case, idf: Idf | None = None) -> Evidence:
    """What the answer of ``case`` may draw on. Without ``idf``, that of the case's own sentences."""
    found = tuple(
        sentence for rank, source in enumerate(case.sources, 1) for sentence in split(source.text, rank)
    )
    told = " ".join([*(f"{turn.question} {turn.answer}" for turn in case.history), case.question])
    told = CITATION.sub(" ", told)
    own = idf or _own_idf(found)
    return Evidence(found, _windows(found, case), frozenset(_words(told)), tuple(numbers(told)), own)


def _windows(found: Sequence[Sentence], case: Case) -> tuple[frozenset[str], ...]:
    headings = [frozenset(_words(f"{source.title} {source.section}")) for source in case.sources]
    windows = []
    for place, sentence in enumerate(found):
        near = [s.stems for s in found[max(0, place - 1) : place + 2] if s.source == sentence.source]
        windows.append(headings[sentence.source - 1].union(*near))
    return tuple(windows)


def _sentence(piece: str, source: int) -> Sentence:
    text = " ".join(_MARKUP.sub("", CITATION.sub("", piece)).split())
    return Sentence(
        text, tuple(_words(text)), tuple(numbers(text)), tuple(dict.fromkeys(cited(piece))), source
    )


def _words(text: str) -> list[str]:
    return [stem for stem in stems(text) if not stem[0].isdigit()]


def _own_idf(found: tuple[Sentence, ...]) -> Idf:
    counts = Counter(stem for sentence in found for stem in set(sentence.stems))
    size = len(found)
    return lambda stem: math.log(1 + (size - counts[stem] + 0.5) / (counts[stem] + 0.5))
