"""Interactions and feedback to rows and back."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from melancia.records import (
    Answer,
    Assignment,
    Attempt,
    Feedback,
    FinishReason,
    Interaction,
    Origin,
    OriginKind,
    Passage,
    Usage,
    Variant,
    utc_now,
)


def interaction_row(interaction: Interaction) -> dict[str, Any]:
    """One value for each column of ``interactions``."""
    answer, assignment, exposure = interaction.answer, interaction.assignment, interaction.exposure
    return {
        "id": interaction.id,
        "user_id": interaction.user_id,
        "conversation_id": interaction.conversation_id,
        "created_at": interaction.created_at,
        "updated_at": utc_now(),
        "question": interaction.question,
        "standalone": interaction.standalone,
        "experiment": assignment.experiment,
        "arm": assignment.arm,
        "assigned_hash": assignment.variant.hash,
        "assigned": assignment.variant.as_dict(),
        "exposed_hash": exposure.hash if exposure else None,
        "exposed": exposure.as_dict() if exposure else None,
        "passages": [passage.as_dict() for passage in interaction.passages],
        "attempts": [asdict(attempt) for attempt in interaction.attempts],
        "text": answer.text,
        "citations": list(answer.citations),
        "invented_citations": answer.invented_citations,
        "refused": answer.refused,
        "prompt_tokens": answer.usage.prompt_tokens,
        "completion_tokens": answer.usage.completion_tokens,
        "time_to_first_token": answer.time_to_first_token,
        "total_time": answer.total_time,
        "cost": answer.cost,
        "finish_reason": answer.finish_reason.value,
        "settings_hash": interaction.settings_hash,
        "index_version": interaction.index_version,
        "retrieval_time": interaction.retrieval_time,
        "policy": assignment.policy,
        "propensity": assignment.propensity,
        "origin_kind": interaction.origin.kind.value if interaction.origin else "",
        "origin_id": interaction.origin.interaction_id if interaction.origin else None,
        "asked": interaction.asked,
    }


def interaction_from(row: Mapping[Any, Any]) -> Interaction:
    """The inverse of ``interaction_row``."""
    return Interaction(
        id=row["id"],
        user_id=row["user_id"],
        conversation_id=row["conversation_id"],
        created_at=row["created_at"],
        question=row["question"],
        standalone=row["standalone"],
        assignment=Assignment(
            Variant.from_dict(row["assigned"]),
            row["experiment"],
            row["arm"],
            row["policy"],
            row["propensity"],
        ),
        exposure=Variant.from_dict(row["exposed"]) if row["exposed"] else None,
        passages=tuple(Passage.from_dict(value) for value in row["passages"]),
        attempts=tuple(
            Attempt(**{**value, "variant": Variant.from_dict(value["variant"])}) for value in row["attempts"]
        ),
        answer=Answer(
            text=row["text"],
            citations=tuple(row["citations"]),
            invented_citations=row["invented_citations"],
            refused=row["refused"],
            usage=Usage(row["prompt_tokens"], row["completion_tokens"]),
            time_to_first_token=row["time_to_first_token"],
            total_time=row["total_time"],
            cost=row["cost"],
            finish_reason=FinishReason(row["finish_reason"]),
        ),
        settings_hash=row["settings_hash"],
        index_version=row["index_version"],
        retrieval_time=row["retrieval_time"],
        origin=Origin(OriginKind(row["origin_kind"]), row["origin_id"]) if row["origin_kind"] else None,
        asked=row["asked"],
    )


def feedback_from(row: Mapping[Any, Any], instant: str = "updated_at") -> Feedback:
    """A feedback from a row of ``feedback`` or (``instant="created_at"``) ``feedback_events``."""
    return Feedback(row["interaction_id"], row["user_id"], row["thumb"], row["comment"], row[instant])


def export_row(
    interaction: Mapping[Any, Any], thumb: int | None, comment: str | None, rated: Any
) -> dict[str, Any]:
    """One line of the feedback export; plain values."""
    exposed, assigned = interaction["exposed"] or {}, interaction["assigned"]
    return {
        "interaction_id": interaction["id"],
        "created_at": interaction["created_at"].isoformat(),
        "rated_at": rated.isoformat(),
        "user_id": interaction["user_id"],
        "conversation_id": interaction["conversation_id"],
        "question": interaction["question"],
        "answer": interaction["text"],
        "thumb": thumb,
        "comment": comment,
        "provider": exposed.get("provider"),
        "model": exposed.get("model"),
        "assigned_provider": assigned["provider"],
        "assigned_model": assigned["model"],
        "prompt_version": (exposed or assigned)["prompt_version"],
        "fell_back": bool(exposed) and interaction["exposed_hash"] != interaction["assigned_hash"],
        "refused": interaction["refused"],
        "finish_reason": interaction["finish_reason"],
        "origin": interaction["origin_kind"],
        "asked": interaction["asked"],
        "documents": list(dict.fromkeys(passage["document_id"] for passage in interaction["passages"])),
        "latency_seconds": interaction["total_time"],
        "time_to_first_token": interaction["time_to_first_token"],
        "prompt_tokens": interaction["prompt_tokens"],
        "completion_tokens": interaction["completion_tokens"],
        "cost": interaction["cost"],
    }
