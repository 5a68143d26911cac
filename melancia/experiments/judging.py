"""The optional judge: tried on answers that are known to be right or wrong, then asked about a benchmark's.

It comes last, when no model is measured any more. What it says stands beside the metrics, never in them.
"""

import asyncio
import json
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from langchain_core.messages import BaseMessage

from melancia.errors import InputError, MelanciaError
from melancia.evals.agreement import Agreement, described, thumbs_agreement
from melancia.evals.case import Case
from melancia.evals.judge import Judge, Judgement
from melancia.evals.judge_calibration import calibrate
from melancia.evals.judge_prompt import PromptTooLongError, choice_messages, judgement_messages
from melancia.evals.labelled_answers import LabelledAnswer
from melancia.experiments.asking import MakeModel
from melancia.experiments.groups import first
from melancia.experiments.pair_judging import Pair, compared, totals
from melancia.experiments.plan import Step, Watch
from melancia.experiments.results import JudgeReport, Measured
from melancia.experiments.spending import Purse
from melancia.llms import cost, parse_label
from melancia.llms.select import EXTRACTIVE
from melancia.records import Usage, Variant, content_hash
from melancia.settings import Settings
from melancia.store import Store

LABELLED = 200
"""Labelled answers that a judge is tried on, half of them right."""
RATED = 50
"""Answers with a thumb that it is tried on, at most."""
_MAX_TOKENS = 600
T = TypeVar("T")

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Rated:
    """An answer of a user's, and the user's thumb, +1 or −1."""

    case: Case
    thumb: int


def judge_variant(label: str, settings: Settings) -> Variant:
    """The variant that judges: no chance in its words, room for a reason. Raises InputError,
    UnknownProviderError.
    """
    provider, model = parse_label(label)
    if provider == EXTRACTIVE:
        raise InputError("O extrativo não julga respostas.", "Use --judge com um modelo de linguagem.")
    window = settings.context_window if provider == "ollama" else None
    return Variant(provider, model, "judge", 0.0, _MAX_TOKENS, window)


def rated_cases(store: Store) -> list[Rated]:
    """The newest ``RATED`` answers that people rated, as a judge sees them: without a reference.

    Raises StoreError.
    """
    newest = deque(
        ((row["interaction_id"], row["thumb"]) for row in store.export_feedback() if row["thumb"]), RATED
    )
    return [Rated(Case.of(store.get(name)), thumb) for name, thumb in newest]


class Judging:
    """One judge at work. For tasks of one event loop."""

    def __init__(
        self,
        settings: Settings,
        variant: Variant,
        make_model: MakeModel,
        purse: Purse,
        *,
        concurrency: int,
        folder: Path,
        blind: bool = False,
    ) -> None:
        """``folder`` keeps what was found when the judge was tried, so that it is tried once. ``blind``: it
        is tried without references, as it will judge.
        """
        self._blind = blind
        self._settings = settings
        self._variant = variant
        self._make_model = make_model
        self._purse = purse
        self._concurrency = concurrency
        self._folder = folder
        self._made: Judge | None = None
        self._turn = asyncio.Semaphore(concurrency)

    async def judge(
        self,
        answers: Sequence[tuple[Measured, Case]],
        keep: Callable[[Measured], None],
        watch: Watch,
    ) -> bool:
        """Judge ``answers`` and ``keep`` each; False when ``watch`` said to stop.

        A failure is kept with its reason. Raises BudgetReachedError, and what ``keep`` raises.
        """
        work = [(measured, partial(self._one, measured, case)) for measured, case in answers]
        return await self._each(work, keep, watch, told=True)

    async def compare(self, pairs: Sequence[Pair], keep: Callable[[Measured], None], watch: Watch) -> bool:
        """Compare the answers of ``pairs`` in both orders, as ``judge`` judges them one by one."""
        work = [(measured, partial(self._pair, measured, own, other)) for measured, own, other in pairs]
        return await self._each(work, keep, watch, told=False)

    async def try_out(
        self, labelled: Sequence[LabelledAnswer], rated: Iterable[Rated], seed: int, watch: Watch
    ) -> dict[str, Any] | None:
        """What the judge is worth, as plain JSON values: ``labelled``, ``thumbs``, ``fit``, ``note``.

        None when ``watch`` said to stop. Tried on the same labelled answers as before, it is not asked again.
        Raises BudgetReachedError.
        """
        known = self._known(labelled, seed)
        if known is None:
            try:
                known = await self._calibrated(labelled, seed, watch)
            except _UnwantedError:
                return None
            self._remember(labelled, seed, known)
        thumbs = await self._thumbs(list(rated))
        note = f"Com as respostas rotuladas: {known['note']}"
        if thumbs is not None:
            note += f" Com os polegares das pessoas: {described(thumbs)}"
        return {**known, "thumbs": asdict(thumbs) if thumbs else None, "note": note}

    def report(self, found: dict[str, Any] | None, answers: Sequence[Measured]) -> JudgeReport:
        """What is said of the judge beside the benchmark's ``answers``; ``found`` None: it was not tried."""
        variant, used = self._variant, self._judge.usage
        return JudgeReport(
            label=variant.label,
            fit=found["fit"] if found else None,
            agreement={name: found[name] for name in ("labelled", "thumbs")} if found else {},
            note=found["note"] if found else "O juiz não foi posto à prova: o benchmark parou antes.",
            judged=sum(answer.judge_score is not None for answer in answers),
            failures=sum(bool(answer.judge_failure) for answer in answers),
            cost=cost(variant.provider, variant.model, used, settings=self._settings),
            pairs=totals(answers),
        )

    @property
    def _judge(self) -> Judge:
        """Made in the event loop that it is used in."""
        if self._made is None:
            model = self._make_model(self._variant, None)
            self._made = Judge(model, self._variant.label, context_window=self._variant.context_window)
        return self._made

    async def _each(
        self,
        work: Sequence[tuple[Measured, Callable[[], Awaitable[Measured]]]],
        keep: Callable[[Measured], None],
        watch: Watch,
        *,
        told: bool,
    ) -> bool:
        """Do ``work``, some of it at a time; ``told``: ``watch`` gets what came of each answer."""
        done = 0
        for start in range(0, len(work), self._concurrency):
            part = work[start : start + self._concurrency]
            if not watch(Step(self._variant, part[0][0].question, done, len(work))):
                return False
            for measured in await asyncio.gather(*(do() for _, do in part)):
                keep(measured)
                done += 1
                answer = measured if told else None
                if not watch(Step(self._variant, measured.question, done, len(work), answer)):
                    return False
        return True

    async def _one(self, measured: Measured, case: Case) -> Measured:
        try:
            said = await self._paid(case)
        except MelanciaError as error:
            return replace(measured, judge_failure=str(error))
        return replace(measured, judge_score=said.score, judge_reason=said.reason, judge_failure="")

    async def _pair(self, measured: Measured, own: Case, other: Case) -> Measured:
        try:
            said = await self._within(self._most_of_pair(own, other), lambda: self._judge.compare(own, other))
        except MelanciaError as error:
            return replace(measured, judge_pair="failed", judge_pair_reason=str(error))
        return compared(measured, said)

    async def _paid(self, case: Case) -> Judgement:
        """A judgement within the budget. Raises ProviderError, BudgetReachedError."""
        return await self._within(self._most(case), lambda: self._judge.score(case))

    async def _within(self, reserved: float, ask: Callable[[], Awaitable[T]]) -> T:
        """What was asked for, within the budget. Raises ProviderError, BudgetReachedError."""
        async with self._turn:
            self._purse.reserve(reserved)
            before = self._judge.usage
            try:
                return await ask()
            finally:
                alone = self._concurrency == 1
                self._purse.settle(reserved, self._spent(before, self._judge.usage) if alone else None)

    def _most(self, case: Case) -> float:
        return self._most_for(lambda: [judgement_messages(case, self._variant.context_window)])

    def _most_of_pair(self, own: Case, other: Case) -> float:
        window = self._variant.context_window
        return self._most_for(
            lambda: [choice_messages(own, other, window), choice_messages(other, own, window)]
        )

    def _most_for(self, prompts: Callable[[], Sequence[Sequence[BaseMessage]]]) -> float:
        try:
            asked = prompts()
        except PromptTooLongError:
            return 0.0  # nothing will be sent
        return self._judge.attempts * sum(self._purse.most(self._variant, messages) for messages in asked)

    def _spent(self, before: Usage, after: Usage) -> float | None:
        used = Usage(
            (after.prompt_tokens or 0) - (before.prompt_tokens or 0),
            (after.completion_tokens or 0) - (before.completion_tokens or 0),
        )
        return cost(self._variant.provider, self._variant.model, used, settings=self._settings)

    async def _calibrated(
        self, labelled: Sequence[LabelledAnswer], seed: int, watch: Watch
    ) -> dict[str, Any]:
        total = min(LABELLED, len(labelled))
        # All of it is set aside at once: half a calibration would be none.
        reserved = sum(sorted((self._most(one.case) for one in labelled), reverse=True)[:total])
        self._purse.reserve(reserved)
        before = self._judge.usage
        try:
            found = await calibrate(
                self._judge,
                labelled,
                limit=LABELLED,
                seed=seed,
                concurrency=self._concurrency,
                blind=self._blind,
                on_progress=lambda done, of: _told(watch, Step(self._variant, "calibração", done, of)),
            )
        except BaseExceptionGroup as failures:
            raise first(failures) from failures
        finally:
            self._purse.settle(reserved, self._spent(before, self._judge.usage))
        return {"labelled": found.as_dict(), "fit": found.fit, "note": found.note}

    async def _thumbs(self, rated: Sequence[Rated]) -> Agreement | None:
        pairs = []
        for one in rated[:RATED]:
            try:
                pairs.append(((await self._paid(one.case)).score, one.thumb))
            except MelanciaError as error:
                logger.warning("a rated answer was not judged: %s", error)
        return thumbs_agreement(pairs) if pairs else None

    def _known(self, labelled: Sequence[LabelledAnswer], seed: int) -> dict[str, Any] | None:
        try:
            known: dict[str, Any] = json.loads(self._path(labelled, seed).read_text("utf-8"))
        except (OSError, ValueError):
            return None
        return known

    def _remember(self, labelled: Sequence[LabelledAnswer], seed: int, found: dict[str, Any]) -> None:
        if found["labelled"]["failures"]:
            return  # another day it may be able to judge them all
        self._folder.mkdir(parents=True, exist_ok=True)
        self._path(labelled, seed).write_text(json.dumps(found, ensure_ascii=False), "utf-8")

    def _path(self, labelled: Sequence[LabelledAnswer], seed: int) -> Path:
        texts = [[one.kind, one.case.question, one.case.answer] for one in labelled]
        rules = judgement_messages(Case("", ""), None)[0].text
        tried = [self._variant.as_dict(), rules, seed, self._blind, texts]
        return self._folder / f"{content_hash(tried)}.json"


class _UnwantedError(Exception):
    """Whoever watches wants it to end."""


def _told(watch: Watch, step: Step) -> None:
    if not watch(step):
        raise _UnwantedError
