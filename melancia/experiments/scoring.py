"""Scores answers with the metrics of ``evals``, one at a time and at the lowest priority.

A model that runs on this machine's processor is being measured meanwhile: scoring takes what it leaves.
"""

import asyncio
import logging
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace

from melancia.evals.case import Case, Source
from melancia.evals.evaluate import Evaluator
from melancia.experiments.asking import Asked
from melancia.experiments.questions import Question
from melancia.experiments.results import Measured

_UNSCORED = "A métrica falhou; veja os registros."

logger = logging.getLogger(__name__)


class Scorer:
    """Scores answers in a thread of its own, in the order in which they come."""

    def __init__(self, evaluator: Evaluator) -> None:
        self._evaluator = evaluator
        self._thread = ThreadPoolExecutor(1, "melancia-scores", initializer=_step_back)

    async def __call__(self, asked: Asked, question: Question) -> Measured:
        """The same answer with its scores; a failure has none, and a metric that fails says why."""
        measured = asked.measured
        if not measured.success:
            return measured
        case = case_of(asked, question)
        loop = asyncio.get_running_loop()
        try:
            scores = await loop.run_in_executor(self._thread, self._evaluator.evaluate, case)
        except Exception:
            logger.exception("the answer of %s to %s has no scores", measured.model_name, question.id)
            return replace(measured, unscored={"quality": _UNSCORED})
        return replace(measured, scores=scores.values, unscored=scores.failures)


def _step_back() -> None:
    """Linux gives each thread a priority of its own; elsewhere there is none to give."""
    if sys.platform == "linux":
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)


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
