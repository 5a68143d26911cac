"""Asks a model of OpenAI all its questions in one batch: half the price, an answer within a day.

The batch lives at the server and its id in the journal, so that an interrupted run goes on waiting for it.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from melancia.agent.citations import check_citations
from melancia.agent.prompt import build_messages
from melancia.agent.refusal import is_refusal
from melancia.errors import MelanciaError
from melancia.experiments.asking import Asked, failed
from melancia.experiments.plan import Options
from melancia.experiments.questions import Question
from melancia.experiments.results import Measured
from melancia.experiments.search import Found, SharedSearch
from melancia.experiments.spending import BudgetReachedError, Purse
from melancia.llms.again import passing
from melancia.llms.batch_prices import batch_cost
from melancia.llms.openai_batch import BatchAnswer, BatchRequest, BatchStatus, OpenAIBatch, openai_messages
from melancia.records import Variant, utc_now
from melancia.settings import Settings

POLL = 15.0  # seconds between two looks at a batch

logger = logging.getLogger(__name__)

Told = Callable[[BatchStatus], bool]
"""Told of a batch's state; says whether to go on waiting."""


@dataclass(frozen=True, slots=True)
class Batches:
    """The batches that a run remembers, by ``<variant hash>:<repeat>``, and where they go."""

    known: Mapping[str, Mapping[str, Any]]
    keep: Callable[[str, Mapping[str, Any]], None]


class BatchAsker:
    """Asks through OpenAI's Batch API. For tasks of one event loop."""

    def __init__(
        self,
        *,
        settings: Settings,
        shared: SharedSearch,
        options: Options,
        purse: Purse,
        batches: Batches,
    ) -> None:
        self._settings = settings
        self._shared = shared
        self._options = options
        self._purse = purse
        self._batches = batches

    async def ask(
        self, variant: Variant, questions: Sequence[Question], repeat: int, told: Told
    ) -> list[Asked] | None:
        """An answer to each of ``questions``; None when ``told`` wants to wait no more: the batch goes on.

        A failure is a record, never an exception. Raises BudgetReachedError before anything is sent.
        """
        name = f"{variant.hash}:{repeat}"
        known = self._batches.known.get(name)
        try:
            found = {question.id: await self._shared.of(question, variant.k) for question in questions}
            door = OpenAIBatch(self._settings, variant)
            if known is None:
                sending = asyncio.ensure_future(self._submit(door, variant, questions, repeat, found))
                try:
                    known = await asyncio.shield(sending)
                except asyncio.CancelledError:
                    await self._remember(name, sending)
                    raise
                self._batches.keep(name, known)
            status = await door.wait(known["id"], POLL, told)
            if not status.ended:
                return None
            answers = await asyncio.to_thread(door.results, known["id"], [one.id for one in questions])
        except MelanciaError as error:
            if known is not None and passing(error):
                logger.warning("batch %s is left at its server: %s", known["id"], error)
                return None
            return [Asked(failed(variant, question, repeat, str(error))) for question in questions]
        waited = (utc_now() - datetime.fromisoformat(known["submitted_at"])).total_seconds()
        costs = [batch_cost(variant, answer.usage, self._settings) for answer in answers]
        if not known.get("paid"):
            # Noted first: after a kill −9 between the two, what was set aside counts as spent, and only once.
            self._batches.keep(name, {**known, "paid": True})
            self._purse.settle(known["reserved"], _paid(answers, costs))
        return [
            _asked(replace(failed(variant, question, repeat, answer.error, waited), cost=cost), answer, given)
            for question, answer, cost, given in zip(questions, answers, costs, found.values(), strict=True)
        ]

    async def _remember(self, name: str, sending: "asyncio.Future[Mapping[str, Any]]") -> None:
        """Keep the id of a batch that was being sent when the run was cancelled: it cannot be called back,
        and whoever resumes shall wait for it, not pay for another.
        """
        try:
            self._batches.keep(name, await sending)
        except (MelanciaError, BudgetReachedError) as error:
            logger.warning("batch %s is not in the journal: %s", name, error)

    async def _submit(
        self,
        door: OpenAIBatch,
        variant: Variant,
        questions: Sequence[Question],
        repeat: int,
        found: Mapping[str, Found],
    ) -> Mapping[str, Any]:
        texts = {
            question.id: build_messages(
                variant.prompt_version,
                question.text,
                found[question.id].retrieval.passages,
                question.history,
                self._settings.prompts_dir,
            )
            for question in questions
        }
        reserved = sum(self._purse.most(variant, messages, batch=True) for messages in texts.values())
        self._purse.reserve(reserved)
        requests = [BatchRequest(name, openai_messages(messages)) for name, messages in texts.items()]
        try:
            batch_id = await asyncio.to_thread(door.submit, requests, self._options.seed + repeat - 1)
        except MelanciaError:
            self._purse.release(reserved)
            raise
        return {"id": batch_id, "submitted_at": utc_now().isoformat(), "reserved": reserved}


def _paid(answers: Sequence[BatchAnswer], costs: Sequence[float | None]) -> float | None:
    """What a batch cost; None when it is not known. A failure that nobody counted cost nothing."""
    if any(cost is None and not answer.error for answer, cost in zip(answers, costs, strict=True)):
        return None
    return sum(cost or 0.0 for cost in costs)


def _asked(nothing: Measured, answer: BatchAnswer, found: Found) -> Asked:
    """``nothing``, the record without an answer, with what came back; its wait becomes the latency."""
    passages = found.retrieval.passages
    checked = check_citations(answer.text, len(passages))
    usage = answer.usage
    measured = replace(
        nothing,
        success=not answer.error,
        latency_seconds=None if answer.error else nothing.failed_after_seconds,
        comparable_latency=False,
        retrieval_seconds=found.seconds,
        failed_after_seconds=nothing.failed_after_seconds if answer.error else None,
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens,
        tokens=usage.total,
        finish_reason=answer.finish_reason.value,
        refused=is_refusal(checked.text),
        mode=found.retrieval.mode,
        documents=tuple(passage.document_id for passage in passages),
        passages=tuple(passage.chunk_id for passage in passages),
        citations=checked.citations,
        invented_citations=checked.invented,
        answer=checked.text.strip(),
    )
    return Asked(measured, passages)
