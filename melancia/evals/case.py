"""What a metric looks at: one answer, what it was given, and what is known of a right one."""

from dataclasses import dataclass, field
from typing import Self

from melancia.records import Interaction, Passage, Turn

SCORES = (
    "quality",
    "relevance",
    "correctness",
    "groundedness",
    "citation_precision",
    "citation_recall",
    "refusal",
    "language",
)
"""Every metric, the combined ``quality`` first; each is in [0, 1], higher is better."""


@dataclass(frozen=True, slots=True)
class Source:
    """A passage as the model read it; its rank is its place, from 1."""

    document_id: str
    title: str
    section: str
    text: str

    @classmethod
    def of(cls, passage: Passage) -> Self:
        """The source that ``passage`` is."""
        return cls(passage.document_id, passage.title, passage.section, passage.text)


@dataclass(frozen=True, slots=True)
class Case:
    """An answer to be measured. ``answer`` keeps its ``[n]``; those invented are gone and counted.

    ``reference``, ``key_facts``, ``gold`` (document ids) and ``answerable`` are what a question set knows of
    a right answer: empty and None for a question of a user, of which nothing is known.
    """

    question: str
    answer: str
    sources: tuple[Source, ...] = ()
    history: tuple[Turn, ...] = ()
    invented_citations: int = 0
    reference: str = ""
    key_facts: tuple[str, ...] = ()
    gold: tuple[str, ...] = ()
    answerable: bool | None = None

    @classmethod
    def of(cls, interaction: Interaction) -> Self:
        """A user's answer: nothing is known of the right one."""
        return cls(
            question=interaction.question,
            answer=interaction.answer.text,
            sources=tuple(Source.of(passage) for passage in interaction.passages),
            invented_citations=interaction.answer.invented_citations,
        )


@dataclass(frozen=True, slots=True)
class Scores:
    """What was measured, by the names of ``SCORES``, and why the others were not, in Portuguese.

    A metric that has no meaning for a case (correctness of a question without reference, say) is in neither.
    """

    values: dict[str, float] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
