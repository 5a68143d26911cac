"""Runs a benchmark: own models one after the other, each cloud provider beside them.

Two models of one machine would slow each other down, so those that run on machines of one's own form one
lane, one question at a time, and Ollama's are unloaded after their turn. A cloud provider is a lane of its
own, with as many questions at once as the options say. Each model is warmed up first, which is not counted.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from melancia.addresses import is_own
from melancia.errors import MelanciaError
from melancia.experiments.asking import Asked, Asker, failed
from melancia.experiments.batching import BatchAsker
from melancia.experiments.groups import first
from melancia.experiments.host import Host, Placement
from melancia.experiments.plan import Options, Step, Watch
from melancia.experiments.questions import Question
from melancia.experiments.results import Measured
from melancia.experiments.spending import BudgetReachedError
from melancia.llms import capabilities
from melancia.llms.openai_batch import BatchStatus
from melancia.llms.select import EXTRACTIVE
from melancia.records import Variant
from melancia.settings import Settings

STOPPED, BUDGET, WAITING = "interrompido", "orçamento esgotado", "lote em espera na OpenAI"
_HOPELESS = 3  # failures from a model's first question on, after which the rest is not asked

logger = logging.getLogger(__name__)


class Score(Protocol):
    """Scores an answer."""

    def __call__(self, asked: Asked, question: Question) -> Coroutine[Any, Any, Measured]:
        """The same answer with its scores."""


@dataclass(frozen=True, slots=True)
class Round:
    """A question in one of its repeats, from 1."""

    question: Question
    repeat: int


class _StopError(Exception):
    """Whoever watches wants it to end."""


class Runner:
    """One run. Every answer is given to ``keep`` as soon as it is scored."""

    def __init__(
        self,
        *,
        settings: Settings,
        asker: Asker,
        batches: BatchAsker | None,
        score: Score,
        options: Options,
        keep: Callable[[Measured], None],
    ) -> None:
        self._settings = settings
        self._asker = asker
        self._batches = batches
        self._score = score
        self._options = options
        self._keep = keep
        self._host = Host(settings)
        self._done = self._total = 0
        self._watch: Watch = lambda _step: True

    async def run(
        self,
        variants: Sequence[Variant],
        questions: Sequence[Question],
        done: Collection[tuple[str, str, int]],
        watch: Watch,
    ) -> str:
        """Ask every variant every question that is not ``done`` (variant hash, question id, repeat).

        Why it ended before the last answer, in Portuguese; "" when it did not. Raises what ``keep`` raises.
        """
        rounds = [
            Round(question, repeat)
            for repeat in range(1, self._options.repeats + 1)
            for question in questions
        ]
        missing = {
            variant: [one for one in rounds if (variant.hash, one.question.id, one.repeat) not in done]
            for variant in variants
        }
        self._total = len(rounds) * len(missing)
        self._done = self._total - sum(len(left) for left in missing.values())
        self._watch = watch
        wanted = [variant for variant in missing if missing[variant]]
        batched = [variant for variant in wanted if self._batches and variant.provider == "openai"]
        lanes = self._lanes(variant for variant in wanted if variant not in batched)
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._lane(lane, missing, at_once)) for at_once, lane in lanes]
                tasks += [group.create_task(self._batch(one, missing[one])) for one in batched]
        except BaseExceptionGroup as failures:
            return _stopped(failures)
        return next((task.result() for task in tasks if task.result()), "")

    def _lanes(self, variants: Iterable[Variant]) -> list[tuple[int, list[Variant]]]:
        """(questions at once, variants), the own machine's first."""
        lanes: dict[str, list[Variant]] = {"": []}
        for variant in variants:
            lanes.setdefault(self._service(variant), []).append(variant)
        return [
            (self._options.concurrency if service else 1, lane) for service, lane in lanes.items() if lane
        ]

    def _service(self, variant: Variant) -> str:
        """The cloud service that answers for ``variant``; "" for a machine of one's own."""
        known = capabilities(variant.provider, variant.model)
        address = {
            "openai": self._settings.openai_base_url,
            "huggingface": self._settings.huggingface_base_url,
        }.get(variant.provider)
        return "" if known.local or is_own(address or "") else variant.provider

    async def _lane(
        self, variants: Sequence[Variant], missing: Mapping[Variant, Sequence[Round]], at_once: int
    ) -> str:
        """Its models in turn; why it ended before the last question, "" when it did not."""
        for variant in variants:
            self._tell(variant, "")
            try:
                await self._asker.warm_up(variant)
                placement = await self._host.placement(variant)
                await self._model(variant, missing[variant], placement, at_once)
            except BudgetReachedError:
                return BUDGET
            finally:
                await asyncio.shield(self._host.unload(variant))
        return ""

    async def _model(
        self, variant: Variant, rounds: Sequence[Round], placement: Placement, at_once: int
    ) -> None:
        """Raises BudgetReachedError once what was asked has been answered."""
        hope = _Hope()
        slots = asyncio.Semaphore(at_once)
        waiting = iter(rounds)
        spent = False

        async def worker() -> None:
            nonlocal spent
            for one in waiting:
                if spent:
                    return
                try:
                    await self._one(variant, one, placement, slots, hope)
                except BudgetReachedError:
                    # No smaller question instead: those that are asked must not depend on their size.
                    spent = True

        # Twice as many workers as slots: while one's answer is scored, another asks. The control runs in this
        # very process, where scoring would hold it up.
        workers = 1 if variant.provider == EXTRACTIVE else 2 * at_once
        async with asyncio.TaskGroup() as group:
            for _ in range(min(workers, len(rounds))):
                group.create_task(worker())
        if spent:
            raise BudgetReachedError

    async def _one(
        self, variant: Variant, one: Round, placement: Placement, slots: asyncio.Semaphore, hope: "_Hope"
    ) -> None:
        async with slots:
            self._tell(variant, one.question.text)
            if hope.lost:
                asked = Asked(failed(variant, one.question, one.repeat, f"Não perguntada: {hope.reason}"))
            else:
                asked = await self._asker.ask(variant, one.question, one.repeat, placement)
                hope.hear(asked.measured)
        scoring = asyncio.ensure_future(self._score(asked, one.question))
        try:
            measured = await asyncio.shield(scoring)
        except asyncio.CancelledError:
            # It was answered: what is left takes a moment, and is not thrown away.
            self._keep(await scoring)
            raise
        self._ended(variant, measured)

    async def _batch(self, variant: Variant, rounds: Sequence[Round]) -> str:
        """All its questions in one batch a repeat; why it ended before the last one, "" when it did not."""
        if self._batches is None:
            raise RuntimeError("no batches are wanted")
        for repeat in sorted({one.repeat for one in rounds}):
            questions = [one.question for one in rounds if one.repeat == repeat]
            try:
                answers = await self._batches.ask(variant, questions, repeat, self._waits(variant))
            except BudgetReachedError:
                return BUDGET
            if answers is None:
                return WAITING
            for question, asked in zip(questions, answers, strict=True):
                self._ended(variant, await self._score(asked, question))
        return ""

    def _waits(self, variant: Variant) -> Callable[[BatchStatus], bool]:
        def told(status: BatchStatus) -> bool:
            so_far = f": {status.completed} de {status.total}" if status.total else ""
            return self._watch(Step(variant, f"lote na OpenAI{so_far}", self._done, self._total))

        return told

    def _ended(self, variant: Variant, measured: Measured) -> None:
        self._keep(measured)
        self._done += 1
        self._tell(variant, measured.question, measured)

    def _tell(self, variant: Variant, question: str, answer: Measured | None = None) -> None:
        if not self._watch(Step(variant, question, self._done, self._total, answer)):
            raise _StopError


def _stopped(failures: BaseExceptionGroup[BaseException]) -> str:
    """That it was stopped, when that is all that happened; else what happened is raised, ours first."""
    _, others = failures.split(_StopError)
    if others is None:
        return STOPPED
    ours, _ = others.split(MelanciaError)
    raise first(ours or others)


class _Hope:
    """Whether a model is still worth a question: one that has failed from the start on is not."""

    def __init__(self) -> None:
        self._failures = 0
        self._answered = False
        self.reason = ""

    @property
    def lost(self) -> bool:
        """Whether to give up."""
        return not self._answered and self._failures >= _HOPELESS

    def hear(self, answer: Measured) -> None:
        """How a question went."""
        self._answered |= answer.success
        self._failures += not answer.success
        if not answer.success:
            self.reason = f"as {_HOPELESS} primeiras falharam ({answer.error.rstrip('.')})."
