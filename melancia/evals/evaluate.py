"""Every metric of one answer: what has a meaning for its case, measured or failed with its reason."""

from collections.abc import Callable

from langchain_core.embeddings import Embeddings

from melancia.errors import MelanciaError
from melancia.evals import citations
from melancia.evals.case import Case, Scores
from melancia.evals.language import language
from melancia.evals.quality import ADMITTED, Signals, quality, refusal_quality, variant
from melancia.evals.refusals import admits, refusal_score, refuses
from melancia.evals.signals import Prepared, answer_signals, read, refusal_signals, relevance
from melancia.evals.vectors import Vectors

Measures = dict[str, Callable[[], float | None]]


class Evaluator:
    """Measures answers. Thread-safe as far as ``embeddings`` is.

    Without ``embeddings``, relevance goes by words alone and quality has weights of its own for that.
    ``idf``: stem → weight in the knowledge base; without it, that of the sources at hand.
    """

    def __init__(self, embeddings: Embeddings | None, idf: Callable[[str], float] | None = None) -> None:
        self._vectors = None if embeddings is None else Vectors(embeddings)
        self._prepared = Prepared(idf)

    def evaluate(self, case: Case) -> Scores:
        """The scores of ``case``. A metric without meaning for it is left out.

        An empty answer is a wrong one: 0 throughout. A refusal states nothing, so it has neither groundedness
        nor citations; of a question that has an answer, it is neither correct nor relevant.
        """
        scores = Scores()
        for name, measure in self._measures(case).items():
            try:
                value = measure()
            except MelanciaError as error:
                scores.failures[name] = str(error)
                continue
            if value is not None:
                scores.values[name] = min(1.0, max(0.0, value))
        return scores

    def variant(self, case: Case) -> str:
        """Which weights of quality apply to ``case``."""
        return variant(known=_known(case), vectors=self._vectors is not None)

    def signals(self, case: Case) -> Signals:
        """What quality is computed from; nothing for an empty answer. Raises EmbeddingError."""
        if not case.answer.strip():
            return {}
        given = self._prepared.of(case)
        if refuses(case.answer):
            return refusal_signals(case, given, self._vectors)
        return answer_signals(read(case, given), self._vectors)

    def _measures(self, case: Case) -> Measures:
        found: Measures = {"language": lambda: language(case.answer)}
        answerable = True if case.answerable is None and _known(case) else case.answerable
        if case.answerable is not None:
            found["refusal"] = lambda: refusal_score(case.answer, answerable=bool(case.answerable))
        if not case.answer.strip():
            zeros = ["quality", "relevance", "groundedness", "citation_recall"]
            return found | _zeros(zeros, case, answerable)
        if not refuses(case.answer):
            return found | self._of_answer(case, answerable)
        if answerable:
            return found | _zeros(["quality", "relevance"], case, answerable)
        if answerable is False:
            return found | {"quality": lambda: 1.0}
        return found | {"quality": lambda: refusal_quality(self.signals(case), self.variant(case))}

    def _of_answer(self, case: Case, answerable: bool | None) -> Measures:
        reading = read(case, self._prepared.of(case))
        name = self.variant(case)
        agreed = reading.agreement

        def whole() -> float:
            return quality(answer_signals(reading, self._vectors), name)

        found: Measures = {
            "quality": (lambda: ADMITTED * admits(case.answer)) if answerable is False else whole,
            "relevance": lambda: relevance(reading, self._vectors).value,
            "groundedness": lambda: reading.grounding.value,
            "citation_precision": lambda: citations.precision(
                reading.sentences, reading.given.evidence, case
            ),
            "citation_recall": lambda: citations.recall(reading.sentences, case),
        }
        if agreed is not None and answerable:
            found["correctness"] = lambda: agreed.value
        return found


def _known(case: Case) -> bool:
    """Whether something of a right answer is known."""
    return case.answerable is not False and bool(case.reference.strip() or case.key_facts)


def _zeros(names: list[str], case: Case, answerable: bool | None) -> Measures:
    if answerable and _known(case):
        names = [*names, "correctness"]
    return {name: lambda: 0.0 for name in names}
