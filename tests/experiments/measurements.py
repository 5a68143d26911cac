"""Answers and reports made for tests of what is said of them: no model is asked."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from melancia.experiments.plan import Options
from melancia.experiments.questions import Question
from melancia.experiments.ranking import rank
from melancia.experiments.results import JudgeReport, Measured, Report
from melancia.experiments.summaries import compare, pairwise, summarise
from melancia.records import Variant

CONTROL = Variant("extractive", "extractive")
CLOUD = Variant("openai", "gpt-4o-mini")
LOCAL = Variant("ollama", "llama3.1:8b")
STARTED = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)


def answer(
    variant: Variant, question: int | str = 1, *, quality: float | None = None, **more: Any
) -> Measured:
    """A success of one second, or what ``more`` says."""
    scores = {} if quality is None else {"quality": quality}
    given: dict[str, Any] = {
        "category": "",
        "repeat": 1,
        "success": True,
        "error": "",
        "latency_seconds": 1.0,
        "cost": 0.0,
        "scores": scores,
        "answer": "Uma resposta.",
        "finish_reason": "stop",
    }
    return Measured(
        provider=variant.provider,
        model_name=variant.model,
        variant_hash=variant.hash,
        question_id=str(question),
        question=f"Pergunta {question}?",
        **(given | more),
    )


def failure(
    variant: Variant, question: int | str = 1, error: str = "O servidor falhou.", **more: Any
) -> Measured:
    """A failure, which has no latency."""
    empty = {"latency_seconds": None, "cost": None, "answer": "", "failed_after_seconds": 9.0}
    return answer(
        variant, question, **(empty | {"success": False, "error": error, "finish_reason": "error"} | more)
    )


def sampled(
    levels: Mapping[Variant, Mapping[str, float]],
    questions: int,
    *,
    seed: int = 0,
    categories: Sequence[str] = ("",),
) -> list[Measured]:
    """Answers around a model's own ``quality``, ``latency`` and ``cost``; hard questions are hard for all."""
    rng = np.random.default_rng(seed)
    hardness = rng.normal(0, 0.08, questions)
    found = []
    for variant, level in levels.items():
        for place in range(questions):
            quality = float(np.clip(level["quality"] - hardness[place] + rng.normal(0, 0.05), 0, 1))
            latency = float(level["latency"] * rng.lognormal(0, 0.25))
            found.append(
                answer(
                    variant,
                    place,
                    category=categories[place % len(categories)],
                    latency_seconds=latency,
                    time_to_first_token_seconds=latency / 4,
                    tokens_per_second=400 / latency,
                    prompt_tokens=300,
                    completion_tokens=150,
                    tokens=450,
                    cost=level["cost"],
                    scores={"quality": quality, "relevance": float(np.clip(quality + 0.04, 0, 1))},
                )
            )
    return found


def report(
    variants: Sequence[Variant],
    answers: Sequence[Measured],
    *,
    complete: bool = True,
    stopped: str = "",
    judge: JudgeReport | None = None,
) -> Report:
    """The report that a benchmark makes of ``answers``."""
    summaries = [summarise(variant, answers, seed=7) for variant in variants]
    pairs = pairwise(summaries, answers, seed=7)
    asked = {item.question_id: Question(item.question_id, item.question) for item in answers}
    return Report(
        id="0" * 32,
        mode="full",
        started_at=STARTED,
        ended_at=STARTED + timedelta(minutes=5),
        complete=complete,
        stopped=stopped,
        options=Options(seed=7),
        index_version="v1",
        environment={},
        prices=[],
        questions=list(asked.values()),
        passages={},
        summaries=summaries,
        comparisons=compare(summaries, answers, seed=7, pairs=pairs),
        ranking=rank(summaries, pairs),
        judge=judge,
        answers=answers,
    )
