"""The one path from a question to a recorded answer."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing, nullcontext
from dataclasses import replace
from typing import Protocol

from langchain_core.messages import BaseMessage

from melancia.agent.cache import AnswerCache
from melancia.agent.cache_entry import CacheKey
from melancia.agent.citations import check_citations
from melancia.agent.generator import Generation, MakeModel, generate
from melancia.agent.memory import MAX_TURNS, standalone
from melancia.agent.prompt import build_messages
from melancia.agent.rating import is_drawn
from melancia.agent.refusal import is_refusal, refusal
from melancia.agent.retriever import Retrieval
from melancia.agent.router import Route
from melancia.agent.watching import Asked, Watcher
from melancia.errors import InputError, MelanciaError
from melancia.llms import cost
from melancia.llms.breaker import Breaker
from melancia.records import (
    Answer,
    AskEvent,
    Filters,
    Finished,
    FinishReason,
    Interaction,
    Origin,
    OriginKind,
    Retrieved,
    Token,
    Turn,
    Usage,
    Variant,
)
from melancia.settings import Settings
from melancia.telemetry.logs import log_as

CHECKPOINT_EVERY = 0.5  # seconds: what a kill −9 may cost

logger = logging.getLogger(__name__)


class Recorder(Protocol):
    """What the assistant asks of the store."""

    def start(self, interaction: Interaction) -> None:
        """Record a question that is about to be answered."""

    def checkpoint(self, interaction_id: str, partial_text: str) -> None:
        """Record what has been said so far."""

    def finish(self, interaction: Interaction) -> None:
        """Record the outcome."""

    def turns(self, conversation_id: str, user_id: str, limit: int) -> list[Turn]:
        """The last turns of a user's conversation, oldest first."""


class Searcher(Protocol):
    """What the assistant asks of the index."""

    def search(self, query: str, k: int | None = None, filters: Filters | None = None) -> Retrieval:
        """The ``k`` best passages for ``query``, and whether they are evidence enough."""


class Assistant:
    """Answers questions: history → reuse, or retrieve → generate, → record. For many tasks of one loop."""

    def __init__(
        self,
        *,
        settings: Settings,
        recorder: Recorder,
        retriever: Callable[[], Searcher],
        index_version: Callable[[], str],
        route: Callable[[Variant | None, str], Route],
        make_model: MakeModel,
        breaker: Breaker | None = None,
        cache: AnswerCache | None = None,
        watcher: Watcher | None = None,
    ) -> None:
        """``route`` says who answers a user: the given variant, or who is due, and then the fallbacks.

        Without ``cache`` every answer is a new one. ``watcher`` is told of answers under way and ended.
        """
        self._settings = settings
        self._recorder = recorder
        self._retriever = retriever
        self._index_version = index_version
        self._route = route
        self._make_model = make_model
        self._breaker = breaker
        self._cache = cache
        self._watcher = watcher

    async def ask(
        self,
        question: str,
        *,
        user: str,
        conversation: str,
        filters: Filters | None = None,
        variant: Variant | None = None,
        reuse: bool = True,
        prompted: bool = False,
    ) -> AsyncGenerator[AskEvent, None]:
        """Yield ``Retrieved``, ``FellBack``*, ``Token``*, and ``Finished`` last.

        With ``reuse``, an answer that was given to this question before may be given again (its ``origin``
        says so); never when ``variant`` says who shall answer. ``prompted``: whoever calls this will ask the
        user for a rating where ``asked`` of the interaction says so.

        The text in ``Finished`` is final: invented citations are gone from it. Raises InputError before
        anything is recorded; a failure of retrieval or of the store ends it with a MelanciaError. Closing
        the generator cancels the model's call and keeps the partial answer, marked as cancelled.
        """
        text = self._accept(question)
        wanted = filters or Filters()
        cache = self._cache if reuse and variant is None else None
        asked: Asked | None = None
        try:
            with self._watcher.answering() if self._watcher else nullcontext():
                interaction, variants, turns = await asyncio.to_thread(
                    self._begin, text, user, conversation, variant
                )
                log_as(interaction.id)
                telling = self._tell(interaction, variants, turns, wanted, cache, prompted=prompted)
                async with aclosing(telling):
                    async for event in telling:
                        if isinstance(event, Finished):
                            asked = Asked(event.interaction, tuple(turns), wanted)
                        yield event
        finally:
            log_as("")
            if self._watcher and asked:
                self._watcher.answered(asked)

    async def _tell(
        self,
        interaction: Interaction,
        variants: Sequence[Variant],
        turns: list[Turn],
        wanted: Filters,
        cache: AnswerCache | None,
        *,
        prompted: bool,
    ) -> AsyncGenerator[AskEvent, None]:
        """The answer to a question that was begun."""
        text = interaction.question
        key = CacheKey.of(variants[0], interaction.index_version, wanted, turns)
        generation = Generation()
        mode = "cache"
        try:
            done = await asyncio.to_thread(self._reuse, cache, key, interaction) if cache else None
            if done is None:
                found = await asyncio.to_thread(self._retrieve, interaction.standalone, variants[0].k, wanted)
                mode = found.mode
                interaction = replace(interaction, passages=found.passages, retrieval_time=generation.elapsed)
                yield Retrieved(interaction.id, found.passages, mode)
                if found.supported:
                    messages = build_messages(
                        variants[0].prompt_version,
                        text,
                        found.passages,
                        turns,
                        self._settings.prompts_dir,
                    )
                    speaking = self._speak(interaction.id, generation, messages, variants)
                    async with aclosing(speaking) as events:
                        async for event in events:
                            yield event
                else:
                    generation.text = refusal(found.passages)
                    generation.finish_reason = FinishReason.STOP
                    yield Token(generation.text)
                done = await asyncio.to_thread(
                    self._finish, interaction, generation, refused=not found.supported, prompted=prompted
                )
        except (asyncio.CancelledError, GeneratorExit):
            self._abandon(interaction, generation, FinishReason.CANCELLED)
            raise
        except Exception:
            self._abandon(interaction, generation, FinishReason.ERROR)
            raise
        if mode == "cache":
            yield Retrieved(done.id, done.passages, mode)
            yield Token(done.answer.text)
        elif cache is not None and mode == "hybrid":
            # Not what half an index gave: it would outlive the other half's absence.
            asyncio.get_running_loop().run_in_executor(None, cache.keep, key, done)
        # Outside: whoever closes the generator here has the whole answer, and cancelled nothing.
        yield Finished(done)

    def _accept(self, question: str) -> str:
        # What is no text (half of a character, as a terminal of another encoding sends it) cannot be stored.
        text = question.encode("utf-8", "replace").decode("utf-8").replace("\x00", "").strip()
        if not text:
            raise InputError("A pergunta está vazia.", "Escreva o que deseja saber.")
        limit = self._settings.max_question_chars
        if len(text) > limit:
            raise InputError(
                f"A pergunta tem {len(text)} caracteres; o máximo é {limit}.", "Encurte-a e envie de novo."
            )
        return text

    def _begin(
        self, question: str, user: str, conversation: str, variant: Variant | None
    ) -> tuple[Interaction, Sequence[Variant], list[Turn]]:
        route = self._route(variant, user)
        turns = self._recorder.turns(conversation, user, MAX_TURNS)
        interaction = Interaction(
            user_id=user,
            conversation_id=conversation,
            question=question,
            assignment=route.assignment,
            standalone=standalone(question, turns),
            settings_hash=self._settings.hash,
            index_version=self._index_version(),
        )
        self._recorder.start(interaction)
        return interaction, route.chain, turns

    def _reuse(self, cache: AnswerCache, key: CacheKey, interaction: Interaction) -> Interaction | None:
        """The question with an answer that was given before, recorded; None when there is none.

        No model spoke, so nothing is timed or paid.
        """
        hit = cache.find(key, interaction.question)
        if hit is None:
            return None
        before = hit.interaction
        answer = replace(before.answer, usage=Usage(), time_to_first_token=None, total_time=None, cost=0.0)
        done = replace(
            interaction,
            passages=before.passages,
            exposure=before.exposure,
            answer=answer,
            origin=Origin(OriginKind(hit.kind.value), before.id),
        )
        self._recorder.finish(done)
        return done

    def _retrieve(self, query: str, k: int, filters: Filters) -> Retrieval:
        return self._retriever().search(query, k, filters)

    async def _speak(
        self,
        interaction_id: str,
        generation: Generation,
        messages: Sequence[BaseMessage],
        variants: Sequence[Variant],
    ) -> AsyncGenerator[AskEvent, None]:
        stream = generate(
            generation, messages, variants, self._make_model, self._settings, breaker=self._breaker
        )
        saved: float | None = None
        async with aclosing(stream):
            async for event in stream:
                yield event
                now = time.monotonic()
                if saved is None:
                    saved = now if generation.text else None  # counted from the first words
                elif now - saved >= CHECKPOINT_EVERY:
                    await self._checkpoint(interaction_id, generation.text)
                    saved = now

    async def _checkpoint(self, interaction_id: str, text: str) -> None:
        try:
            await asyncio.to_thread(self._recorder.checkpoint, interaction_id, text)
        except MelanciaError as error:
            # The answer goes on; if the store is really gone, its end will say so.
            logger.warning("checkpoint of %s failed: %s", interaction_id, error)

    def _finish(
        self, interaction: Interaction, generation: Generation, *, refused: bool, prompted: bool
    ) -> Interaction:
        done = self._outcome(interaction, generation, refused=refused)
        asked = prompted and bool(done.answer.text) and is_drawn(done.id, self._settings.rating_prompt)
        done = replace(done, asked=asked)
        self._recorder.finish(done)
        return done

    def _outcome(self, interaction: Interaction, generation: Generation, *, refused: bool) -> Interaction:
        if generation.failure is not None:
            logger.warning("answer %s ended early: %s", interaction.id, generation.failure.message)
        checked = check_citations(generation.text, len(interaction.passages))
        exposure = generation.exposure
        answer = Answer(
            text=checked.text.strip(),
            citations=checked.citations,
            invented_citations=checked.invented,
            refused=refused or is_refusal(checked.text),
            usage=generation.usage,
            time_to_first_token=generation.time_to_first_token,
            total_time=generation.elapsed,
            cost=cost(exposure.provider, exposure.model, generation.usage, settings=self._settings)
            if exposure is not None
            else None,
            finish_reason=generation.finish_reason,
        )
        return replace(interaction, exposure=exposure, attempts=tuple(generation.attempts), answer=answer)

    def _abandon(self, interaction: Interaction, generation: Generation, reason: FinishReason) -> None:
        """Record what there is, at once: the task that we run in is being torn down."""
        generation.finish_reason = reason
        try:
            self._recorder.finish(self._outcome(interaction, generation, refused=False))
        except MelanciaError as error:
            logger.error("the end of %s could not be recorded: %s", interaction.id, error)
