"""Does another number stand in a text where the answer has this one? Pure.

Range [0, 1], 1: no. For each number of the answer that the question does not have, the numbers of the same
unit in the text are compared by how well what is around them agrees: stems, the less the farther, and the
other numbers of the sentence (the same example has the same figures). Where the best place holds a number
that the answer does not have, by a margin over the best place of the answer's number, that margin counts; the
score is 1 minus the largest. That a number stands somewhere in the sources does not support it in another
role.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from melancia.evals.numbers import Number, compatible, same
from melancia.evals.sources import Idf, Sentence
from melancia.text import stems

_NEAR = 8
_FAR = 14
_MAX_IDF = 2.0
_NUMBER = 3.0  # weight of a number that both have
_FADING = 0.15
_STRENGTH = 3.0  # what hardly has anything around it contradicts little
_MOST = 100  # a model that runs away counts for minutes
_WINDOW = 400  # characters that are enough for _FAR stems


@dataclass(frozen=True, slots=True)
class Slot:
    """A number of a text with what is around it."""

    number: Number
    around: frozenset[str]
    others: tuple[Number, ...]


def slots(texts: Sequence[Sentence]) -> tuple[Slot, ...]:
    """The numbers of ``texts``, ready to be compared with."""
    return tuple(
        Slot(number, frozenset(_around(sentence, number, _FAR)), _others(sentence, number))
        for sentence in texts
        for number in sentence.numbers
    )


def in_place(answer: Sequence[Sentence], known: Sequence[Slot], asked: Sequence[Number], idf: Idf) -> float:
    """How little the numbers of ``answer`` are contradicted by those of ``known``."""
    said = [(sentence, number) for sentence in answer for number in sentence.numbers][:_MOST]
    told = [number for _, number in said]
    margins = [
        _margin(sentence, number, known, told, idf)
        for sentence, number in said
        if not any(same(number, other) for other in asked)
    ]
    return 1 - max(margins, default=0.0)


def _margin(
    sentence: Sentence, number: Number, known: Sequence[Slot], told: Sequence[Number], idf: Idf
) -> float:
    around = {
        stem: min(_MAX_IDF, idf(stem)) / (1 + _FADING * steps)
        for stem, steps in _around(sentence, number, _NEAR).items()
    }
    others = _others(sentence, number)
    total = sum(around.values()) + _NUMBER * len(others) + _STRENGTH
    agree, contradict = 0.0, 0.0
    for slot in known:
        if not compatible(number.unit, slot.number.unit):
            continue
        found = sum(weight for stem, weight in around.items() if stem in slot.around)
        found += _NUMBER * sum(any(same(one, other) for other in slot.others) for one in others)
        if same(number, slot.number):
            agree = max(agree, found / total)
        elif number.unit == slot.number.unit and not any(same(slot.number, other) for other in told):
            contradict = max(contradict, found / total)
    return max(0.0, contradict - agree)


def _around(sentence: Sentence, number: Number, reach: int) -> Mapping[str, int]:
    """Stems around ``number`` → how many stand between."""
    left, right = sentence.text[: number.start][-_WINDOW:], sentence.text[number.end :][:_WINDOW]
    before = [stem for stem in stems(left) if not stem[0].isdigit()]
    after = [stem for stem in stems(right) if not stem[0].isdigit()]
    found: dict[str, int] = {}
    for side in (before[::-1][:reach], after[:reach]):
        for steps, stem in enumerate(side):
            found[stem] = min(steps, found.get(stem, steps))
    return found


def _others(sentence: Sentence, number: Number) -> tuple[Number, ...]:
    return tuple(other for other in sentence.numbers if other is not number and not same(other, number))
