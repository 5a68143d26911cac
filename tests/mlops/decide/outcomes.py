"""Outcomes of made-up experiments."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from melancia.records import Arm, Outcome, Policy, PolicyMode, Variant

START = datetime(2026, 3, 2, 12, tzinfo=UTC)


def policy(
    *names: str,
    guardrails: Mapping[str, float] | None = None,
    weights: Sequence[float] = (),
    mode: PolicyMode = PolicyMode.STICKY,
    floor: float = 0.1,
) -> Policy:
    """An experiment with the arms ``names`` (A and B), the first one being the base."""
    arms = tuple(
        Arm(name, Variant("ollama", f"modelo-{name}"), weights[place] if weights else 1.0)
        for place, name in enumerate(names or ("A", "B"))
    )
    return Policy("exp", arms, "sal", mode=mode, guardrails=guardrails or {}, floor=floor, created_at=START)


def outcome(number: int, arm: str, user: str, **changes: Any) -> Outcome:
    """An answered question, a minute after the one before; ``changes`` by field."""
    values: dict[str, Any] = {
        "interaction_id": f"i{number:06d}",
        "user_id": user,
        "arm": arm,
        "created_at": START + timedelta(minutes=number),
        "failed": False,
        "fell_back": False,
        "refused": False,
        "propensity": 0.5,
    }
    return Outcome(**{**values, **changes})


def experiment(
    count: int,
    *,
    approval: Mapping[str, float],
    seed: int = 0,
    users: int = 200,
    rated: float = 0.5,
    scores: bool = False,
    score_name: str = "quality",
) -> list[Outcome]:
    """``count`` questions of users drawn evenly among the arms of ``approval`` (chance of a thumb up)."""
    rng = np.random.default_rng(seed)
    names = list(approval)
    arm_of = rng.integers(0, len(names), users)
    found = []
    for number in range(count):
        user = int(rng.integers(users))
        arm = names[arm_of[user]]
        good = bool(rng.random() < approval[arm])
        score = float(np.clip(0.5 + 0.5 * (good - 0.5) + rng.normal(0, 0.1), 0, 1))
        found.append(
            outcome(
                number,
                arm,
                f"u{user}",
                thumb=(1 if good else -1) if rng.random() < rated else None,
                latency=float(rng.gamma(3, 1)),
                cost=0.001,
                scores={score_name: score} if scores else {},
                propensity=1 / len(names),
            )
        )
    return found
