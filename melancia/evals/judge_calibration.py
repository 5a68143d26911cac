"""A judge tried on labelled answers: its agreement with what is known of them, and which errors it sees."""

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

from melancia.errors import (
    AuthenticationError,
    InputError,
    MelanciaError,
    ModelNotFoundError,
    ProviderUnavailableError,
)
from melancia.evals.agreement import Agreement, described, fit, kappa
from melancia.evals.case import Case
from melancia.evals.judge import Judge, Judgement
from melancia.evals.labelled_answers import LabelledAnswer

# Of these the next answer would fail in the same way.
_FOR_GOOD = (AuthenticationError, ModelNotFoundError, ProviderUnavailableError)
_TRIES = 4  # of a request whose failure passes by itself (429, 503…)


@dataclass(frozen=True, slots=True)
class Share:
    """Of ``judged`` answers of a kind, ``seen`` were taken for what they are."""

    seen: int
    judged: int


@dataclass(frozen=True, slots=True)
class Unjudged:
    """A labelled answer of which there is no judgement, and why, in Portuguese."""

    question_id: str
    kind: str
    reason: str


@dataclass(frozen=True, slots=True)
class Calibration:
    """``asked`` answers, as many right as wrong; κ is of those judged, ``failures`` are the others."""

    agreement: Agreement
    kinds: Mapping[str, Share]
    failures: tuple[Unjudged, ...]
    asked: int

    @property
    def fit(self) -> bool | None:
        """See ``agreement.fit``."""
        return fit(self.agreement)

    @property
    def note(self) -> str:
        """What was found, in one or two Portuguese sentences."""
        failed = len(self.failures)
        lacking = f" Sem julgamento: {failed} de {self.asked}." if failed else ""
        return f"{described(self.agreement)}{lacking}"

    def as_dict(self) -> dict[str, Any]:
        """The fields as plain JSON values."""
        return {**asdict(self), "failures": [asdict(one) for one in self.failures]}


async def calibrate(
    judge: Judge,
    labelled: Sequence[LabelledAnswer],
    *,
    limit: int,
    seed: int,
    concurrency: int,
    on_progress: Callable[[int, int], None] | None = None,
    blind: bool = False,
    first_pause: float = 2.0,
) -> Calibration:
    """Let ``judge`` judge at most ``limit`` of ``labelled``; it agrees when it says "right" of the right.

    ``blind``: without reference, key facts and whether the base has the answer, as questions of users are
    judged; the κ of one way of asking says nothing of the other. ``on_progress`` is told how many of how many
    are done. A failure is listed and never counts as disagreement; one that passes by itself is tried again
    after ``first_pause`` seconds, then twice as long; after one for good nothing more is asked. Raises
    InputError for bad arguments.
    """
    if concurrency < 1:
        raise InputError("A calibração precisa de ao menos um pedido por vez.", "Informe 1 ou mais.")
    chosen = sample(labelled, limit, seed)
    results: dict[int, Judgement | str] = {}
    turn = asyncio.Semaphore(concurrency)
    over = ""

    async def one(place: int, answer: LabelledAnswer) -> None:
        nonlocal over
        async with turn:
            if over:
                results[place] = over
            else:
                try:
                    case = _blind(answer.case) if blind else answer.case
                    results[place] = await _judged(judge, case, first_pause)
                except MelanciaError as error:
                    results[place] = str(error)
                    over = over or (str(error) if isinstance(error, _FOR_GOOD) else "")
        if on_progress is not None:
            on_progress(len(results), len(chosen))

    async with asyncio.TaskGroup() as group:
        for place, answer in enumerate(chosen):
            group.create_task(one(place, answer))
    return _calibration(chosen, [results[place] for place in range(len(chosen))])


def sample(labelled: Sequence[LabelledAnswer], limit: int, seed: int) -> list[LabelledAnswer]:
    """At most ``limit`` answers by ``seed``, as many right as wrong, the wrong ones of all kinds alike.

    Spread over as many questions as can be, since answers to one question are judged alike. Raises InputError
    when there would be none.
    """
    rng = random.Random(seed)  # noqa: S311 (no secret)
    right = [answer for answer in labelled if answer.right]
    wrong = [answer for answer in labelled if not answer.right]
    half = min(limit // 2, len(right), len(wrong))
    if half < 1:
        raise InputError(
            "Calibrar o juiz pede ao menos uma resposta certa e uma errada.",
            "Informe um limite de 2 ou mais.",
        )
    used: Counter[str] = Counter()
    kinds: defaultdict[str, list[LabelledAnswer]] = defaultdict(list)
    for answer in wrong:
        kinds[answer.kind].append(answer)
    chosen = _spread(list(kinds.values()), half, used, rng) + _spread([right], half, used, rng)
    rng.shuffle(chosen)
    return chosen


def _spread(
    pools: Sequence[list[LabelledAnswer]], count: int, used: Counter[str], rng: random.Random
) -> list[LabelledAnswer]:
    """``count`` answers, the pools in turn, each time of a question that was used least so far."""
    waiting = [rng.sample(pool, len(pool)) for pool in pools]
    rng.shuffle(waiting)
    chosen: list[LabelledAnswer] = []
    while len(chosen) < count:
        for pool in waiting:
            if pool and len(chosen) < count:
                answer = min(pool, key=lambda one: used[one.question_id])
                pool.remove(answer)
                used[answer.question_id] += 1
                chosen.append(answer)
    return chosen


def _blind(case: Case) -> Case:
    return replace(case, reference="", key_facts=(), gold=(), answerable=None)


async def _judged(judge: Judge, case: Case, first_pause: float) -> Judgement:
    from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt

    from melancia.llms.again import passing, pause

    retrying = AsyncRetrying(
        retry=retry_if_exception(passing),
        wait=partial(pause, first=first_pause),
        stop=stop_after_attempt(_TRIES),
        reraise=True,
    )
    return await retrying(judge.score, case)


def _calibration(chosen: Sequence[LabelledAnswer], results: Sequence[Judgement | str]) -> Calibration:
    pairs: list[tuple[bool, bool]] = []
    kinds: defaultdict[str, list[bool]] = defaultdict(list)
    failures: list[Unjudged] = []
    for answer, result in zip(chosen, results, strict=True):
        if isinstance(result, str):
            failures.append(Unjudged(answer.question_id, answer.kind, result))
            continue
        says_right = result.verdict == "right"
        pairs.append((says_right, answer.right))
        kinds[answer.kind].append(says_right == answer.right)
    shares = {kind: Share(sum(seen), len(seen)) for kind, seen in sorted(kinds.items())}
    return Calibration(kappa(pairs), shares, tuple(failures), len(chosen))
