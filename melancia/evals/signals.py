"""What quality is made of: every number that the metrics read off an answer, by name, once.

Signals of a question without reference, or of an evaluator without vectors, are not in the mapping.
"""

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, replace
from threading import Lock

from melancia.evals.case import Case
from melancia.evals.correctness import Agreement, agreement
from melancia.evals.grounding import Grounding, grounding
from melancia.evals.language import language
from melancia.evals.numbers import numbers
from melancia.evals.polarity import Places, places
from melancia.evals.quality import Signals
from melancia.evals.relevance import Relevance, asked, words
from melancia.evals.slots import Slot, slots
from melancia.evals.sources import Evidence, Idf, Sentence, evidence, split, without_citations
from melancia.evals.vectors import Vectors
from melancia.text import stems

_KEPT = 64
_NEARLY = 10.0
_MAX_IDF = 2.0


@dataclass(frozen=True, slots=True)
class Given:
    """What does not depend on the answer."""

    evidence: Evidence
    places: Places
    slots: tuple[Slot, ...]


class Prepared:
    """The last ``_KEPT`` questions with their sources, ready to be compared with. Thread-safe."""

    def __init__(self, idf: Idf | None) -> None:
        self._idf = idf
        self._known: OrderedDict[Hashable, Given] = OrderedDict()
        self._lock = Lock()

    def of(self, case: Case) -> Given:
        """What ``case`` was given."""
        key = case.question, case.history, case.sources
        with self._lock:
            if key in self._known:
                self._known.move_to_end(key)
                return self._known[key]
        found = evidence(case, self._idf)
        given = Given(found, places(sentence.text for sentence in found.sentences), slots(found.sentences))
        with self._lock:
            self._known[key] = given
            while len(self._known) > _KEPT:
                self._known.popitem(last=False)
        return given


@dataclass(frozen=True, slots=True)
class Reading:
    """An answer with all that was read off it without vectors.

    ``informed``: its grounding when what is known of a right answer counts as told, too.
    """

    case: Case
    given: Given
    sentences: tuple[Sentence, ...]
    grounding: Grounding
    informed: Grounding
    agreement: Agreement | None
    words: float
    language: float


def read(case: Case, given: Given) -> Reading:
    """Read an answer that says something and is no refusal."""
    sentences = split(case.answer)
    known = case.answerable is not False and bool(case.reference.strip() or case.key_facts)
    idf = given.evidence.idf
    grounded = grounding(sentences, given.evidence, given.places, given.slots)
    return Reading(
        case=case,
        given=given,
        sentences=sentences,
        grounding=grounded,
        informed=grounding(
            sentences,
            _informed(case, given.evidence),
            given.places,
            (*given.slots, *slots(split(case.reference))),
        )
        if known
        else grounded,
        agreement=agreement(case.answer, case.reference, case.key_facts, idf, asked(case)) if known else None,
        words=words(asked(case), case.answer, idf),
        language=language(case.answer),
    )


def _informed(case: Case, given: Evidence) -> Evidence:
    told = " ".join([case.reference, *case.key_facts])
    return replace(
        given,
        asked=given.asked.union(stem for stem in stems(told) if not stem[0].isdigit()),
        asked_numbers=(*given.asked_numbers, *numbers(told)),
    )


def relevance(reading: Reading, vectors: Vectors | None) -> Relevance:
    """How an answer bears on its question. Raises EmbeddingError."""
    cosine = None
    if vectors is not None:
        cosine = vectors.cosine(asked(reading.case), without_citations(reading.case.answer))
    return Relevance(reading.words, cosine)


def answer_signals(reading: Reading, vectors: Vectors | None) -> Signals:
    """Signals of an answer. Raises EmbeddingError."""
    grounded, agreed = reading.informed, reading.agreement
    found = {
        "numbers": grounded.numbers,
        "worst_number": grounded.worst_number,
        "in_place": grounded.in_place,
        "statements": grounded.statements,
        "worst_statement": grounded.worst_statement,
        "alike": grounded.alike,
        "polarity": grounded.polarity,
        "words": reading.words,
        "language": reading.language,
        "covered": _covered(reading.given.evidence),
    }
    if agreed is not None:
        # A part that the reference has nothing for is not against the answer.
        found["facts"] = 1.0 if agreed.facts is None else agreed.facts
        found["recall"] = 1.0 if agreed.recall is None else agreed.recall
        found["reference_polarity"] = agreed.polarity
        found["roles"] = agreed.roles
        found["verdict"] = agreed.verdict
    if vectors is not None:
        bearing = relevance(reading, vectors)
        found["closeness"] = bearing.closeness
        found["evidence"] = _evidence(reading.case, vectors)
        reference = reading.case.reference.strip() or " ".join(reading.case.key_facts)
        if agreed is not None and reference:
            pair = vectors.passages([reference, without_citations(reading.case.answer)])
            found["reference_closeness"] = float(pair[0] @ pair[1])
    return found


def refusal_signals(case: Case, given: Given, vectors: Vectors | None) -> Signals:
    """Signals of a refusal: how far the sources are from the question. Raises EmbeddingError."""
    found = {"uncovered": 1 - _covered(given.evidence)}
    if vectors is not None:
        found["absence"] = 1 - _evidence(case, vectors)
    return found


def _evidence(case: Case, vectors: Vectors) -> float:
    """Mean cosine of the question and the sources' headings; 0 without sources."""
    headings = [
        heading for source in case.sources if (heading := f"{source.title}. {source.section}".strip(" ."))
    ]
    if not headings:
        return 0.0
    return float((vectors.passages(headings) @ vectors.question(asked(case))).mean())


def _covered(given: Evidence) -> float:
    """How much of the question's weight the best place has, saturating at 1."""
    best = max(
        (sum(min(_MAX_IDF, given.idf(stem)) for stem in given.asked & window) for window in given.windows),
        default=0.0,
    )
    return best / (best + _NEARLY)
