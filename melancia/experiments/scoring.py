"""Scores an answer with the metrics of ``evals``; one at a time, so that scoring slows no model down."""

import asyncio
import logging
from dataclasses import replace

from melancia.evals.case import Case, Source
from melancia.evals.evaluate import Evaluator
from melancia.experiments.asking import Asked
from melancia.experiments.questions import Question
from melancia.experiments.results import Measured

_UNSCORED = "A métrica falhou; veja os registros."

logger = logging.getLogger(__name__)


class Scorer:
    """Scores answers in a thread. For tasks of one event loop."""

    def __init__(self, evaluator: Evaluator) -> None:
        self._evaluator = evaluator
        self._turn = asyncio.Lock()

    async def __call__(self, asked: Asked, question: Question) -> Measured:
        """The same answer with its scores; a failure has none, and a metric that fails says why."""
        measured = asked.measured
        if not measured.success:
            return measured
        case = case_of(asked, question)
        async with self._turn:
            try:
                scores = await asyncio.to_thread(self._evaluator.evaluate, case)
            except Exception:
                logger.exception("the answer of %s to %s has no scores", measured.model_name, question.id)
                return replace(measured, unscored={"quality": _UNSCORED})
        return replace(measured, scores=scores.values, unscored=scores.failures)


def case_of(asked: Asked, question: Question) -> Case:
    """The answer as the metrics see it."""
    return Case(
        question=question.text,
        answer=asked.measured.answer,
        sources=tuple(Source.of(passage) for passage in asked.passages),
        history=question.history,
        invented_citations=asked.measured.invented_citations,
        reference=question.reference,
        key_facts=question.key_facts,
        gold=question.gold,
        answerable=question.answerable,
    )
