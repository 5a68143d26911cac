"""Does an answer speak of what was asked? Pure.

Range [0, 1]: mean of ``words``, the idf-weighted share of the question's stems in the answer, and
``closeness``, the cosine of question and answer rescaled from [``FAR``, ``NEAR``], between which e5's cosines
lie (Wang et al. 2024, arXiv:2402.05672, say why they are so high); without vectors, ``words`` alone. A
question that leans on the conversation is taken with the question before it.
"""

from dataclasses import dataclass

from melancia.evals.case import Case
from melancia.evals.sources import Idf
from melancia.text import stems

FAR, NEAR = 0.75, 0.95


@dataclass(frozen=True, slots=True)
class Relevance:
    """``cosine`` is None without vectors."""

    words: float
    cosine: float | None

    @property
    def closeness(self) -> float:
        """The cosine, rescaled to [0, 1]."""
        return 0.0 if self.cosine is None else min(1.0, max(0.0, (self.cosine - FAR) / (NEAR - FAR)))

    @property
    def value(self) -> float:
        """The metric."""
        return self.words if self.cosine is None else (self.words + self.closeness) / 2


def asked(case: Case) -> str:
    """The question, after the one before it when there is one."""
    return " ".join([*(turn.question for turn in case.history[-1:]), case.question])


def words(question: str, answer: str, idf: Idf) -> float:
    """Idf-weighted share of the stems of ``question`` in ``answer``."""
    wanted = {stem for stem in stems(question) if not stem[0].isdigit()}
    total = sum(idf(stem) for stem in wanted)
    said = set(stems(answer))
    return sum(idf(stem) for stem in wanted & said) / total if total else 1.0
