"""A whole benchmark, from the questions to its report: what the command and the guide's class run."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from melancia.agent.assistant import Searcher
from melancia.errors import InputError, MelanciaError
from melancia.evals.case import Case
from melancia.evals.evaluate import Evaluator
from melancia.evals.labelled_answers import LabelledAnswer
from melancia.experiments import journal as journals
from melancia.experiments import ranking
from melancia.experiments.asking import Asked, Asker, MakeModel
from melancia.experiments.batching import BatchAsker, Batches
from melancia.experiments.environment import environment, prices
from melancia.experiments.files import new_id
from melancia.experiments.journal import Header, Journal
from melancia.experiments.judging import Judging, Rated, judge_variant
from melancia.experiments.pair_judging import against_control
from melancia.experiments.plan import Options, Watch
from melancia.experiments.questions import Mode, Question
from melancia.experiments.results import JudgeReport, Measured, Report
from melancia.experiments.runner import BUDGET, STOPPED, Runner
from melancia.experiments.scoring import Scorer, case_of
from melancia.experiments.spending import BudgetReachedError, Purse
from melancia.experiments.summaries import compare, pairwise, summarise
from melancia.records import Variant, utc_now
from melancia.settings import Settings

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Parts:
    """What a benchmark works with: the index, the models, the metrics."""

    settings: Settings
    searcher: Callable[[], Searcher]
    index_version: Callable[[], str]
    make_model: MakeModel
    evaluator: Evaluator


class Session:
    """One benchmark. Its answers are in its journal as they come, so that an interruption keeps them."""

    def __init__(self, parts: Parts, journal: Journal) -> None:
        self._parts = parts
        self._journal = journal
        header = journal.header
        self._purse = Purse(
            parts.settings, header.options.budget, journal.spent, journal.reserved, journal.keep_spent
        )
        self._asker = Asker(
            settings=parts.settings,
            searcher=parts.searcher,
            index_version=parts.index_version,
            make_model=parts.make_model,
            options=header.options,
            purse=self._purse,
        )
        self._stopped = STOPPED

    @classmethod
    def begin(
        cls,
        parts: Parts,
        folder: Path,
        *,
        mode: Mode,
        variants: Sequence[Variant],
        questions: Sequence[Question],
        options: Options,
    ) -> Self:
        """A new benchmark, kept in ``folder``. Raises InputError when it cannot be written or paid."""
        asked = list(variants)
        if options.judge and options.budget is not None:
            asked.append(judge_variant(options.judge, parts.settings))
        Purse(parts.settings, options.budget).check(asked)
        started = utc_now()
        header = Header(
            id=new_id(folder, started),
            mode=mode,
            started_at=started,
            options=options,
            variants=variants,
            questions=questions,
            index=parts.index_version(),
            settings=parts.settings.hash,
        )
        return cls(parts, Journal.begin(folder, header))

    @classmethod
    def resume(cls, parts: Parts, folder: Path, name: str, budget: float | None = None) -> Self:
        """The interrupted benchmark ``name`` ("": the newest) of ``folder``; ``budget`` replaces its own.

        Raises InputError when there is none, when it was measured on another index, or cannot be paid.
        """
        journal = Journal.resume(journals.find(folder, name))
        try:
            header = journal.header
            if header.index != parts.index_version():
                raise InputError(
                    f"A base mudou desde {header.id}: as respostas não seriam comparáveis.",
                    "Comece outro benchmark, sem --resume.",
                )
            allowed = header.options.budget if budget is None else budget
            Purse(parts.settings, allowed).check(header.variants)
            if budget is not None:
                journal.keep_budget(budget)
        except MelanciaError:
            journal.close(done=False)
            raise
        return cls(parts, journal)

    @property
    def header(self) -> Header:
        """What it is made of."""
        return self._journal.header

    @property
    def answers(self) -> list[Measured]:
        """What was measured so far."""
        return self._journal.answers

    @property
    def stopped(self) -> str:
        """Why it ended, or would end now, before its end, in Portuguese; "" once it is complete."""
        return self._stopped

    async def measure(self, watch: Watch) -> str:
        """Ask what has not been asked. Why it ended early, in Portuguese; "" when it did not.

        Raises InputError on a full disk. Cancelled, it keeps what was measured.
        """
        header, options = self.header, self.header.options
        batches = BatchAsker(
            settings=self._parts.settings,
            shared=self._asker.shared,
            options=options,
            purse=self._purse,
            batches=Batches(self._journal.batches, self._journal.keep_batch),
        )
        runner = Runner(
            settings=self._parts.settings,
            asker=self._asker,
            batches=batches if options.batch else None,
            score=Scorer(self._parts.evaluator),
            options=options,
            keep=self._journal.keep,
        )
        done = {journals.key(answer) for answer in self.answers}
        self._stopped = await runner.run(header.variants, header.questions, done, watch)
        # What an earlier run asked was searched by that run: the same index gives the same passages again.
        searches = (self._asker.shared.of(one, self._k) for one in self._searched())
        for problem in await asyncio.gather(*searches, return_exceptions=True):
            if isinstance(problem, MelanciaError):  # its question has no passages, and the others theirs
                logger.warning("a search failed: %s", problem)
            elif isinstance(problem, BaseException):
                raise problem
        return self._stopped

    async def judge(
        self, labelled: Sequence[LabelledAnswer], rated: Sequence[Rated], watch: Watch
    ) -> JudgeReport:
        """Let the judge of the options judge what has no judgement yet, after trying it on ``labelled``
        answers and on those that people ``rated``; then compare each model's answers with the control's.

        Raises InputError for a label that cannot judge, or on a full disk; ProviderError.
        """
        options, settings = self.header.options, self._parts.settings
        variant = judge_variant(options.judge, settings)
        self._purse.check([variant])
        # What one call cost is known only when it is alone, and a budget wants to know.
        alone = variant.provider == "ollama" or options.budget is not None
        judging = Judging(
            settings,
            variant,
            self._parts.make_model,
            self._purse,
            concurrency=1 if alone else options.concurrency,
            folder=self._journal.path.parent / "juizes",
            blind=not any(question.reference for question in self.header.questions),
        )
        before, self._stopped = self._stopped, STOPPED
        found: dict[str, Any] | None = None
        try:
            found = await judging.try_out(labelled, rated, options.seed, watch)
            done = found is not None and await judging.judge(self._unjudged(), self._journal.keep, watch)
            done = done and await judging.compare(against_control(self._cases()), self._journal.keep, watch)
            self._stopped = before if done else STOPPED
        except BudgetReachedError:
            self._stopped = before or BUDGET
        return judging.report(found, self.answers)

    def report(self, judge: JudgeReport | None = None) -> Report:
        """What was measured so far, and what may be concluded from it.

        Raises InputError when one of its questions was erased meanwhile.
        """
        self._journal.check()
        header, answers = self.header, self.answers
        summaries = [summarise(variant, answers, seed=header.options.seed) for variant in header.variants]
        summaries = [summary for summary in summaries if summary.asked]
        pairs = pairwise(summaries, answers, seed=header.options.seed)
        return Report(
            id=header.id,
            mode=header.mode,
            started_at=header.started_at,
            ended_at=utc_now(),
            complete=not self._stopped,
            stopped=self._stopped,
            options=header.options,
            index_version=header.index,
            environment=environment(self._parts.settings, header.variants),
            prices=prices(header.variants, self._parts.settings, batch=header.options.batch),
            questions=header.questions,
            passages=self._asker.shared.passages(),
            summaries=summaries,
            comparisons=compare(summaries, answers, seed=header.options.seed, pairs=pairs),
            ranking=ranking.rank(summaries, pairs),
            judge=judge,
            answers=answers,
        )

    def close(self) -> None:
        """Close the journal; it is gone once the benchmark is complete and written."""
        self._journal.close(done=not self._stopped)

    def _unjudged(self) -> list[tuple[Measured, Case]]:
        return [
            (answer, case)
            for answer, case in self._cases()
            if answer.judge_score is None and not answer.judge_failure
        ]

    def _cases(self) -> list[tuple[Measured, Case]]:
        """The answers that there are, as a judge sees them."""
        questions = {question.id: question for question in self.header.questions}
        passages = self._asker.shared.passages()

        def case(answer: Measured) -> Case:
            given = passages.get(answer.question_id, ())
            return case_of(Asked(answer, tuple(given)), questions[answer.question_id])

        # Without the passages that it was given, an answer cannot be judged.
        return [
            (answer, case(answer))
            for answer in self.answers
            if answer.success and answer.question_id in passages
        ]

    @property
    def _k(self) -> int:
        return max(variant.k for variant in self.header.variants)

    def _searched(self) -> list[Question]:
        options = self.header.options
        if options.pipeline and not options.judge:
            return []
        asked = {answer.question_id for answer in self.answers}
        return [question for question in self.header.questions if question.id in asked]
