"""Are the numbers of an answer supported? Each by a source, by the question, or by arithmetic on those. Pure.

Support of one number, in [0, 1]: 1 when the question has it, or a written sum gives it; ``0.5 + 0.5 ×
context`` when a source has it, where context is how well the words around it agree there (idf-weighted
share), compared with the number of the same unit around which they agree best; ``DERIVED`` when it follows by
arithmetic from the question's numbers and those of neighbouring sentences; 0 otherwise, or when the sum
written beside it is wrong. That hallucinated numbers need a check of their own: Zhao et al. 2020
(arXiv:2009.13312).
"""

from collections.abc import Sequence

from melancia.evals.arithmetic import derivable, written_sums, written_values
from melancia.evals.numbers import Number, compatible, rounds_to, same
from melancia.evals.sources import Evidence, Sentence
from melancia.text import stems

DERIVED = 0.8
_NEAR = 6
_FAR = 10
_ENOUGH = 0.6
_MOST = 300  # a model that runs away counts for minutes; no answer has as many, and none is supported


def sums(answer: Sequence[Sentence]) -> list[dict[int, bool]]:
    """Per sentence of ``answer``, the place of each result of a written sum → whether it is right."""
    return [written_sums(sentence.text, sentence.numbers) for sentence in answer]


def support(
    answer: Sequence[Sentence], given: Evidence, written: Sequence[dict[int, bool]]
) -> list[list[float]]:
    """Per sentence of ``answer``, the support of each of its numbers; ``written``: its ``sums``."""
    found = [[0.0] * len(sentence.numbers) for sentence in answer]
    if sum(len(values) for values in found) > _MOST:
        return found
    for place, sentence in enumerate(answer):
        found[place] = [_stated(number, sentence, given) for number in sentence.numbers]
    for place, results in enumerate(written):
        for index, right in results.items():
            found[place][index] = max(found[place][index], 1.0) if right else 0.0
    values = [value for s in answer for value in written_values(s.text, s.numbers)]
    for _ in range(3):  # what is derived may support the next
        if not _derive(answer, given, found, written, values):
            break
    return found


def _stated(number: Number, sentence: Sentence, given: Evidence) -> float:
    if any(same(number, other) for other in given.asked_numbers):
        return 1.0
    wanted = _around(sentence, number, _NEAR)
    here = best = -1.0
    for source in given.sentences:
        for other in source.numbers:
            if not compatible(number.unit, other.unit):
                continue
            context = _share(wanted, _around(source, other, _FAR), given)
            best = max(best, context)
            if same(number, other):
                here = max(here, context if number.unit == other.unit else 0.8 * context)
    if here < 0:
        return 0.0
    return 0.5 + 0.5 * (here / best if best > 0 else 1.0)


def _around(sentence: Sentence, number: Number, reach: int) -> frozenset[str]:
    before = stems(sentence.text[: number.start])[-reach:]
    after = stems(sentence.text[number.end :])[:reach]
    return frozenset(stem for stem in [*before, *after] if not stem[0].isdigit())


def _share(wanted: frozenset[str], there: frozenset[str], given: Evidence) -> float:
    total = sum(given.idf(stem) for stem in wanted)
    return sum(given.idf(stem) for stem in wanted & there) / total if total else 1.0


def _derive(
    answer: Sequence[Sentence],
    given: Evidence,
    found: list[list[float]],
    written: Sequence[dict[int, bool]],
    values: Sequence[float],
) -> bool:
    changed = False
    for place, sentence in enumerate(answer):
        for index, number in enumerate(sentence.numbers):
            if found[place][index] >= _ENOUGH or written[place].get(index) is False:
                continue
            near = _near(answer, found, place, index)
            known = [*(float(other.value) for other in near), *values]
            if any(rounds_to(value, number) for value in known) or derivable(
                number, [*given.asked_numbers, *near], given.asked_numbers
            ):
                found[place][index] = DERIVED
                changed = True
    return changed


def _near(answer: Sequence[Sentence], found: list[list[float]], place: int, index: int) -> list[Number]:
    return [
        number
        for at in range(max(0, place - 2), min(len(answer), place + 3))
        for position, number in enumerate(answer[at].numbers)
        if found[at][position] >= _ENOUGH and (at, position) != (place, index)
    ]
