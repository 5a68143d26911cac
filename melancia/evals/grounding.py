"""Is what an answer says in what it was given? Statements, numbers and polarity together. Pure.

Range [0, 1]: the worst sentence's support (see ``statements``) × the worst number's (see ``figures``) × the
worst sentence's polarity (see ``polarity``): an answer is as grounded as the least grounded thing that it
says, so that an unsupported sentence more never raises it. Minimum over sentences: as SummaC-ZS (Laban et al.
2022, doi:10.1162/tacl_a_00453).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from melancia.evals import figures, statements
from melancia.evals.polarity import Places, polarity
from melancia.evals.slots import Slot, in_place
from melancia.evals.sources import Evidence, Sentence


@dataclass(frozen=True, slots=True)
class Grounding:
    """Each in [0, 1]; ``statements``, ``numbers`` and ``polarity`` are means, ``worst_…`` minima;
    ``in_place``: see ``slots``; ``alike``: see ``statements``.
    """

    statements: float
    worst_statement: float
    numbers: float
    worst_number: float
    polarity: float
    worst_polarity: float
    in_place: float
    alike: float

    @property
    def value(self) -> float:
        """The metric."""
        return self.worst_statement * self.worst_number * self.worst_polarity


def grounding(
    answer: Sequence[Sentence], given: Evidence, known: Places, numbers: Sequence[Slot]
) -> Grounding:
    """How ``answer`` is grounded in ``given``, whose words stand as ``known``, and numbers as ``numbers``.

    Nothing said: all 0.
    """
    if not answer:
        return Grounding(0, 0, 0, 0, 0, 0, 0, 0)
    written = figures.sums(answer)
    found = [value for values in figures.support(answer, given, written) for value in values]
    texts = [sentence.text for sentence in answer]
    return Grounding(
        statements=statements.share(answer, given),
        worst_statement=statements.worst(answer, given),
        numbers=sum(found) / len(found) if found else 1.0,
        worst_number=min(found, default=1.0),
        polarity=polarity(texts, known, given.idf),
        worst_polarity=min(polarity([text], known, given.idf) for text in texts),
        in_place=in_place(answer, numbers, given.asked_numbers, given.idf),
        alike=statements.alike(answer, given),
    )
