"""Experiments in a store, with answers, thumbs, scores and verdicts, as users and the worker leave them."""

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from melancia.mlops import policies
from melancia.mlops.decide.verdict import decide
from melancia.records import (
    Answer,
    Arm,
    Assignment,
    Feedback,
    FinishReason,
    Interaction,
    Origin,
    OriginKind,
    Policy,
    Variant,
    utc_now,
)
from melancia.store import Store

NAME = "modelos"
A, B = Variant("ollama", "llama3.2:3b"), Variant("openai", "gpt-4o-mini", temperature=0.2)
OTHER = Variant("extractive", "extractive")
GUARDRAILS = {"p95_latency": 20.0, "error_rate": 0.2, "daily_spend": 1.0}


def begun(store: Store, name: str = NAME, **changes: Any) -> Policy:
    """An experiment between A and B that runs."""
    whole = Policy(
        name,
        (Arm("A", A, 50.0), Arm("B", B, 50.0)),
        "",
        guardrails=GUARDRAILS,
        author="equipe:ana",
        reason="O modelo pago é melhor?",
    )
    return policies.create(store, replace(whole, **changes))


def answered(
    store: Store, policy: Policy, arm: str, number: int, thumb: int | None = None, *, failed: bool = False
) -> None:
    """A user of ``arm`` asks, is answered (by another model if it ``failed``), and may rate."""
    variant = next(one.variant for one in policy.arms if one.name == arm)
    dice = random.Random(f"{arm}{number}")
    interaction = Interaction(
        user_id=f"pessoa-{number}",
        conversation_id=f"c{number}",
        question="O que é ACOS?",
        assignment=Assignment(variant, policy.experiment, arm, policy.hash, 0.5),
        exposure=OTHER if failed else variant,
        answer=Answer(
            text="O ACOS é a razão entre investimento e receita.",
            finish_reason=FinishReason.STOP,
            total_time=dice.uniform(2, 6) if arm == "A" else dice.uniform(1, 3),
            cost=None if arm == "A" and failed else 0.0 if arm == "A" else dice.uniform(0.0002, 0.0004),
        ),
    )
    store.start(interaction)
    store.finish(interaction)
    if thumb is not None:
        store.rate(Feedback(interaction.id, interaction.user_id, thumb=thumb))
    quality = min(1.0, max(0.0, dice.gauss(0.6 if arm == "A" else 0.75, 0.1)))
    store.outcomes.score(interaction.id, {"quality": quality, "groundedness": min(1.0, quality + 0.1)}, {})


def lived(
    store: Store,
    policy: Policy,
    *,
    users: int = 320,
    likes: tuple[float, float] = (0.55, 0.85),
    steps: int = 8,
    arms: Sequence[str] = ("A", "B"),
) -> None:
    """``users`` ask, half of them of each arm, and all rate; a verdict after each step, an hour apart.

    ``likes``: the share of thumbs up of A and B. ``arms``: who gets them, in turn.
    """
    dice = random.Random(7)
    begin = utc_now() - timedelta(hours=steps + 1)
    each = max(1, users // steps)
    for number in range(users):
        arm = arms[number % len(arms)]
        thumb = 1 if dice.random() < likes["AB".index(arm)] else -1
        answered(store, policy, arm, number, thumb, failed=dice.random() < (0.06 if arm == "A" else 0.02))
        if number % each == each - 1:
            judged(store, policy, begin + timedelta(hours=1 + number // each))


def shadowed(
    store: Store, policy: Policy, *, count: int = 80, kind: OriginKind = OriginKind.SHADOW, gain: float = 0.15
) -> None:
    """``count`` questions of as many users that A answers and then B, whose scores are ``gain`` higher; and a
    verdict.
    """
    dice = random.Random(11)
    first, second = policy.arms
    for number in range(count):
        shown = _answer(policy, first, number, f"c{number}", None)
        hidden = kind is OriginKind.SHADOW
        talk = f"shadow:{shown.id}:B" if hidden else shown.conversation_id
        beside = _answer(policy, second, number, talk, Origin(kind, shown.id))
        quality = dice.uniform(0.3, 0.6)
        for made, extra in ((shown, 0.0), (beside, gain)):
            store.finish(made)
            store.outcomes.score(made.id, {"quality": quality + extra + dice.uniform(-0.05, 0.05)}, {})
    judged(store, policy, utc_now())


def _answer(policy: Policy, arm: Arm, number: int, talk: str, origin: Origin | None) -> Interaction:
    return Interaction(
        user_id=f"pessoa-{number}",
        conversation_id=talk,
        question="O que é ACOS?",
        assignment=Assignment(arm.variant, policy.experiment, arm.name, policy.hash, 1.0),
        exposure=arm.variant,
        answer=Answer(
            text="É a razão [1].",
            citations=(1,),
            finish_reason=FinishReason.STOP,
            total_time=3.0 if origin is None else 2.0,
            cost=0.0 if origin is None else 0.001,
        ),
        origin=origin,
    )


def judged(store: Store, policy: Policy, until: datetime) -> None:
    """A verdict in the ledger as if it had been made at ``until``."""
    verdict = decide(policy, store.outcomes.of(policy.experiment))
    store.outcomes.keep_verdict(policy.experiment, policy.version, until, verdict.hash, verdict.as_dict())
