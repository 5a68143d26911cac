"""Asks one model one question, the way users ask, and measures.

The question goes through the assistant itself: prompt, generation, citations. No fallback speaks for a model,
nothing is recorded among the interactions of users, and no question remembers another.
"""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage
from tenacity import AsyncRetrying, RetryCallState, retry_if_result, stop_after_attempt

from melancia.agent.assistant import Assistant, Searcher
from melancia.agent.generator import Generation, generate
from melancia.agent.prompt import build_messages
from melancia.agent.router import Route
from melancia.errors import MelanciaError
from melancia.experiments.host import Placement, quarantine
from melancia.experiments.plan import Options
from melancia.experiments.questions import WARM_UP, Question
from melancia.experiments.results import Measured
from melancia.experiments.search import Found, Given, SharedSearch
from melancia.experiments.spending import Purse
from melancia.llms.again import backoff
from melancia.records import (
    AskEvent,
    Assignment,
    Finished,
    FinishReason,
    Interaction,
    Passage,
    Retrieved,
    Turn,
    Variant,
    new_id,
)
from melancia.settings import Settings

MakeModel = Callable[[Variant, int | None], BaseChatModel]
"""The chat model of a variant; with a seed, where the provider takes one."""

_NOBODY = "benchmark"
_TRIES = 4
_FIRST_WAIT, _LONGEST_WAIT = 1.0, 120.0  # seconds; a server that asks for longer is not waited for
_BROKEN = "O modelo falhou no meio da resposta."
_STALLED = "A resposta passou do tempo total e foi interrompida."
_SILENT = "O modelo não respondeu."

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Asked:
    """An answer as it was measured, with what its model read."""

    measured: Measured
    passages: tuple[Passage, ...] = ()


@dataclass(frozen=True, slots=True)
class _Try:
    """One try: an interaction that came to its end, or why there is none. ``elapsed`` in seconds."""

    elapsed: float
    interaction: Interaction | None = None
    mode: str = ""
    error: str = ""

    @property
    def wait(self) -> float | None:
        """Seconds after which another try may help, 0 where nobody said; None when it is not worth it."""
        if self.interaction is None or not self.interaction.attempts:
            return None
        last = self.interaction.attempts[-1]
        if not last.passing or (last.retry_after or 0.0) > _LONGEST_WAIT:
            return None
        return last.retry_after or 0.0


class Asker:
    """Asks any variant any question. For tasks of one event loop."""

    def __init__(
        self,
        *,
        settings: Settings,
        searcher: Callable[[], Searcher],
        index_version: Callable[[], str],
        make_model: MakeModel,
        options: Options,
        purse: Purse,
    ) -> None:
        self._settings = settings
        self._searcher = searcher
        self._index_version = index_version
        self._make_model = make_model
        self._options = options
        self._purse = purse
        self.shared = SharedSearch(searcher)

    async def warm_up(self, variant: Variant) -> None:
        """Load what a first question loads, up to the first token. A failure will show in the questions.

        Raises BudgetReachedError.
        """
        # Loading a large model may take longer than any first token should.
        patient = self._settings.model_copy(update={"first_token_timeout": self._settings.total_timeout})
        try:
            found = await asyncio.to_thread(self._searcher().search, WARM_UP, variant.k)
            messages = build_messages(
                variant.prompt_version, WARM_UP, found.passages, [], self._settings.prompts_dir
            )
            reserved = self._purse.most(variant, messages)
            self._purse.reserve(reserved)
            try:
                stream = generate(Generation(), messages, [variant], self._maker(None), patient)
                async with aclosing(stream) as events:
                    async for _ in events:
                        break
            finally:
                self._purse.settle(reserved, None)
        except MelanciaError as error:
            logger.warning("warm-up of %s failed: %s", variant.label, error)

    async def ask(self, variant: Variant, question: Question, repeat: int, placement: Placement) -> Asked:
        """Ask, again when the failure is one that passes. A failure is a record, never an exception.

        Raises BudgetReachedError before anything is sent.
        """
        found = None
        try:
            if not self._options.pipeline:
                found = await self.shared.of(question, variant.k)
        except MelanciaError as error:
            return Asked(failed(variant, question, repeat, str(error)))
        passages = found.retrieval.passages if found else ()
        reserved = self._purse.most(variant, self._messages(variant, question, passages))
        tries = 0

        async def once() -> _Try:
            nonlocal tries
            tries += 1
            self._purse.reserve(reserved)
            return await self._once(variant, question, repeat, found, reserved)

        last: _Try = await AsyncRetrying(
            retry=retry_if_result(lambda one: one.wait is not None),
            stop=stop_after_attempt(_TRIES),
            wait=_pause,
            retry_error_callback=lambda state: state.outcome.result() if state.outcome else None,
        )(once)
        if last.interaction is None:
            measured = failed(variant, question, repeat, last.error, last.elapsed)
            return Asked(replace(measured, tries=tries), passages)
        searched = found.seconds if found else 0.0
        measured = self._measured(variant, question, repeat, last, searched)
        reason = quarantine(
            variant,
            placement,
            self._messages(variant, question, last.interaction.passages),
            last.interaction.answer.usage,
            self._settings,
        )
        measured = replace(
            measured,
            tries=tries,
            gpu_share=placement.gpu_share,
            context_window=placement.context_window,
            quarantine=reason,
        )
        return Asked(measured, last.interaction.passages)

    def _messages(
        self, variant: Variant, question: Question, passages: Sequence[Passage]
    ) -> list[BaseMessage]:
        return build_messages(
            variant.prompt_version, question.text, passages, question.history, self._settings.prompts_dir
        )

    def _maker(self, seed: int | None) -> Callable[[Variant], BaseChatModel]:
        return lambda variant: self._make_model(variant, seed)

    async def _once(
        self, variant: Variant, question: Question, repeat: int, found: Found | None, reserved: float
    ) -> _Try:
        begun = time.monotonic()
        searcher = self._searcher if found is None else lambda: Given(found.retrieval)
        assistant = Assistant(
            settings=self._settings,
            recorder=Unrecorded(question.history),
            retriever=searcher,
            index_version=self._index_version,
            route=lambda _wanted, _user: Route(Assignment(variant), (variant,)),
            make_model=self._maker(self._options.seed + repeat - 1),
        )
        asking = assistant.ask(question.text, user=_NOBODY, conversation=new_id())
        interaction = None
        try:
            interaction, mode = await _end_of(asking)
            return _Try(time.monotonic() - begun, interaction, mode)
        except MelanciaError as error:
            return _Try(time.monotonic() - begun, error=str(error))
        except Exception as error:
            logger.exception("%s failed on %s", variant.label, question.id)
            reason = f"Falha inesperada ({type(error).__name__}); veja os registros."
            return _Try(time.monotonic() - begun, error=reason)
        finally:
            self._pay(reserved, interaction)

    def _pay(self, reserved: float, interaction: Interaction | None) -> None:
        """An answer costs what it costs; a refused request nothing; of one cut short nobody knows."""
        if interaction is None:
            self._purse.settle(reserved, None)
        elif interaction.exposure is None:
            self._purse.release(reserved)
        else:
            self._purse.settle(reserved, interaction.answer.cost)

    def _measured(
        self, variant: Variant, question: Question, repeat: int, last: _Try, searched: float
    ) -> Measured:
        interaction = last.interaction
        if interaction is None:
            raise RuntimeError("nothing was measured")
        answer = interaction.answer
        error = _error(interaction, pipeline=self._options.pipeline)
        usage = answer.usage
        first, whole = answer.time_to_first_token, answer.total_time
        retrieval = interaction.retrieval_time if self._options.pipeline else searched
        return Measured(
            provider=variant.provider,
            model_name=variant.model,
            variant_hash=variant.hash,
            question_id=question.id,
            question=question.text,
            category=question.category,
            repeat=repeat,
            success=not error,
            error=error,
            latency_seconds=None if error or whole is None else whole + searched,
            time_to_first_token_seconds=None if error or first is None else first + searched,
            tokens_per_second=None if error else _speed(usage.completion_tokens, first, whole),
            retrieval_seconds=retrieval,
            failed_after_seconds=last.elapsed if error else None,
            prompt_tokens=usage.prompt_tokens,
            completion_tokens=usage.completion_tokens,
            tokens=usage.total,
            cost=answer.cost,
            finish_reason=answer.finish_reason.value,
            refused=answer.refused,
            mode=last.mode,
            documents=tuple(passage.document_id for passage in interaction.passages),
            passages=tuple(passage.chunk_id for passage in interaction.passages),
            citations=answer.citations,
            invented_citations=answer.invented_citations,
            answer=answer.text,
        )


def failed(
    variant: Variant, question: Question, repeat: int, error: str, elapsed: float | None = None
) -> Measured:
    """The record of a question that came to no answer at all."""
    return Measured(
        provider=variant.provider,
        model_name=variant.model,
        variant_hash=variant.hash,
        question_id=question.id,
        question=question.text,
        category=question.category,
        repeat=repeat,
        success=False,
        error=error,
        failed_after_seconds=elapsed,
    )


def _pause(state: RetryCallState) -> float:
    """Seconds before the next try: what the server asked for, or twice as long as last time."""
    asked = state.outcome.result().wait if state.outcome else None
    return float(asked) if asked else backoff(state, _FIRST_WAIT, _LONGEST_WAIT)


def _error(interaction: Interaction, *, pipeline: bool) -> str:
    """Why it counts as a failure, in Portuguese; "" when it does not."""
    reason = interaction.answer.finish_reason
    if interaction.exposure is None:
        if interaction.attempts:
            return interaction.attempts[-1].message
        # In the full pipeline, the search's own refusal is what users get for an answer.
        return "" if pipeline and interaction.answer.refused else _SILENT
    if reason is FinishReason.TIMEOUT:
        return _STALLED
    return "" if reason in (FinishReason.STOP, FinishReason.LENGTH) else _BROKEN


def _speed(tokens: int | None, first: float | None, whole: float | None) -> float | None:
    """Tokens a second once it speaks."""
    if not tokens or first is None or whole is None or whole <= first:
        return None
    return tokens / (whole - first)


async def _end_of(asking: AsyncGenerator[AskEvent, None]) -> tuple[Interaction, str]:
    mode = ""
    async with aclosing(asking) as events:
        async for event in events:
            if isinstance(event, Retrieved):
                mode = event.mode
            elif isinstance(event, Finished):
                return event.interaction, mode
    raise RuntimeError("the assistant ended without its last event")


class Unrecorded:
    """A recorder that keeps nothing and remembers only the turns that a question comes with."""

    def __init__(self, history: Sequence[Turn]) -> None:
        self._history = history

    def start(self, interaction: Interaction) -> None:
        """Nothing: users' interactions are not mixed with a benchmark's."""

    def checkpoint(self, interaction_id: str, partial_text: str) -> None:
        """Nothing."""

    def finish(self, interaction: Interaction) -> None:
        """Nothing."""

    def turns(self, conversation_id: str, user_id: str, limit: int) -> list[Turn]:
        """The question's own history."""
        return list(self._history)[-limit:]
