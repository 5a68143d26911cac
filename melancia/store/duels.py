"""What a duel of the arena is, and its row to a duel and to a line of the export."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

import sqlalchemy as sa

from melancia.records import Variant

CONVERSATION = "arena:"
"""What the conversations of duels begin with: one an answer, which the chat never takes up."""
Name = Literal["left", "right"]


class DuelState(StrEnum):
    """Where a duel stands. The last two are final."""

    DRAWN = "drawn"
    ANSWERING = "answering"
    ANSWERED = "answered"
    VOTED = "voted"
    VOID = "void"  # a side failed, or somebody left: there is nothing to vote on


class Winner(StrEnum):
    """The votes that there are."""

    LEFT = "left"
    RIGHT = "right"
    TIE = "tie"
    BOTH_BAD = "both_bad"


@dataclass(frozen=True, slots=True)
class Side:
    """One of both answers. ``length`` in characters; it and ``interaction`` (id) are None until answered."""

    variant: Variant
    interaction: str | None = None
    length: int | None = None


@dataclass(frozen=True, slots=True)
class Duel:
    """Two variants before the same question. ``topic``: of the best passage's document; ``experiment``: the
    one whose arms were drawn from, None outside experiments; ``reason``: why it is void.
    """

    id: str
    user_id: str
    question: str
    left: Side
    right: Side
    state: DuelState
    created_at: datetime
    topic: str = ""
    experiment: str | None = None
    reason: str = ""
    winner: Winner | None = None
    voted_at: datetime | None = None

    def conversation(self, side: Name) -> str:
        """The conversation in which that side answers."""
        return f"{CONVERSATION}{self.id}:{side}"


_MEASURED = (
    "text",
    "refused",
    "time_to_first_token",
    "total_time",
    "prompt_tokens",
    "completion_tokens",
    "cost",
)
EXPORTED = (
    "duel_id created_at voted_at user_id question topic experiment winner left_provider left_model left_hash "
    "left_variant left_interaction left_length left_text left_refused left_time_to_first_token "
    "left_total_time left_prompt_tokens left_completion_tokens left_cost right_provider right_model "
    "right_hash right_variant right_interaction right_length right_text right_refused "
    "right_time_to_first_token right_total_time right_prompt_tokens right_completion_tokens right_cost"
).split()
"""The export's columns, in order. Lengths in characters, times in seconds, costs in US$."""


def measured(table: sa.FromClause, side: Name) -> list[sa.Label[Any]]:
    """The columns of ``interactions`` that an export needs of one side."""
    return [table.c[name].label(f"{side}_{name}") for name in _MEASURED]


def export_row(row: Mapping[Any, Any]) -> dict[str, Any]:
    """One line of the export of votes; plain values."""
    values = {
        **row,
        "duel_id": row["id"],
        "created_at": row["created_at"].isoformat(),
        "voted_at": row["voted_at"].isoformat(),
    }
    for side in ("left", "right"):
        variant = row[f"{side}_variant"]
        values |= {f"{side}_provider": variant["provider"], f"{side}_model": variant["model"]}
    return {name: values[name] for name in EXPORTED}


def duel_from(row: Mapping[Any, Any]) -> Duel:
    """A duel from its row."""
    left, right = (
        Side(Variant.from_dict(row[f"{side}_variant"]), row[f"{side}_interaction"], row[f"{side}_length"])
        for side in ("left", "right")
    )
    return Duel(
        id=row["id"],
        user_id=row["user_id"],
        question=row["question"],
        left=left,
        right=right,
        state=DuelState(row["state"]),
        created_at=row["created_at"],
        topic=row["topic"],
        experiment=row["experiment"],
        reason=row["reason"],
        winner=Winner(row["winner"]) if row["winner"] else None,
        voted_at=row["voted_at"],
    )
