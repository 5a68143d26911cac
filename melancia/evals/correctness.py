"""Does an answer say what is known to be right? Against reference and key facts. Pure; order plays no part.

``Agreement``, each part in [0, 1]: ``facts``: share of the key facts that the answer holds (a fact with
numbers needs each of them exactly, in any way of writing; one without, its words' stems); ``numbers``: share
of the reference's numbers in the answer; ``recall``: idf-weighted share of the reference's stems in the
answer (token recall as in SQuAD, Rajpurkar et al. 2016, doi:10.18653/v1/D16-1264, on stems with weights);
``polarity``, ``roles``, ``verdict``: see the modules ``polarity``, ``roles`` and ``verdicts``. Parts that the
case has nothing for are None. Correctness is the mean of the first three times polarity.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from melancia.evals.numbers import numbers, same
from melancia.evals.polarity import Idf, places, polarity
from melancia.evals.roles import roles
from melancia.evals.sources import split
from melancia.evals.verdicts import verdicts_agree
from melancia.text import stems

_PREFIX = 5


@dataclass(frozen=True, slots=True)
class Agreement:
    """An answer beside what is known of a right one."""

    facts: float | None
    numbers: float | None
    recall: float | None
    polarity: float
    roles: float
    verdict: float

    @property
    def value(self) -> float:
        """The metric."""
        parts = [part for part in (self.facts, self.numbers, self.recall) if part is not None]
        return self.polarity * sum(parts) / len(parts) if parts else 0.0


def agreement(
    answer: str, reference: str, key_facts: Sequence[str], idf: Idf, question: str = ""
) -> Agreement:
    """How ``answer`` agrees with ``reference`` and ``key_facts``; one of them may be missing."""
    texts = [sentence.text for sentence in split(answer)]
    said = frozenset(stems(answer))
    facts = [_fact(fact, answer, said) for fact in key_facts]
    return Agreement(
        facts=sum(facts) / len(facts) if facts else None,
        numbers=_numbers(answer, reference),
        recall=_recall(said, reference, idf),
        polarity=polarity(
            texts,
            places(sentence.text for sentence in split(reference)),
            idf,
        ),
        roles=roles(texts, reference, question, idf),
        verdict=verdicts_agree(answer, reference),
    )


def _fact(fact: str, answer: str, said: frozenset[str]) -> float:
    exact = _numbers(answer, fact)
    if exact is not None:
        return float(exact == 1.0)
    wanted = set(stems(fact))
    near = {stem[:_PREFIX] for stem in said if len(stem) >= _PREFIX}
    found = [stem in said or (len(stem) >= _PREFIX and stem[:_PREFIX] in near) for stem in wanted]
    return sum(found) / len(found) if found else 1.0


def _numbers(answer: str, wanted: str) -> float | None:
    present = numbers(answer)
    found = [any(same(number, other) for other in present) for number in numbers(wanted)]
    return sum(found) / len(found) if found else None


def _recall(said: frozenset[str], reference: str, idf: Idf) -> float | None:
    wanted = {stem for stem in stems(reference) if not stem[0].isdigit()}
    total = sum(idf(stem) for stem in wanted)
    return sum(idf(stem) for stem in wanted & said) / total if total else None
