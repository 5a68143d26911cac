"""Interactions and ratings → MLflow traces and human assessments, from stored rows, with their real times.

At least once and idempotent: that a trace is about to be asked for is remembered first, so after a crash it
is looked for (by the tag ``melancia.interaction_id``) before another is made; a rating updates the assessment
that the trace already has. A server that is away costs nothing but time: what waits stays in the store.
Personal data is masked on the way; what is erased from the store on the way is taken back.
"""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from melancia.errors import InteractionNotFoundError
from melancia.masking import mask
from melancia.mlops.client import Connection, connect
from melancia.records import Feedback, FinishReason, Interaction
from melancia.settings import Settings
from melancia.store import Store
from melancia.store.exports import Pending
from melancia.telemetry.secrets import without_login

INTERACTION_TAG = "melancia.interaction_id"
THUMBS, COMMENT = "thumbs", "comment"
_GONE = "RESOURCE_DOES_NOT_EXIST"
_FAILED = (FinishReason.ERROR, FinishReason.TIMEOUT)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ExportReport:
    """Traces and ratings that MLflow has got, things that failed, and what still waits."""

    traced: int
    rated: int
    failed: int
    backlog: int


@dataclass(frozen=True, slots=True)
class Assessed:
    """One assessment as MLflow shall have it: a thumb (bool) or a comment (str), why, and whose."""

    name: str
    value: bool | str
    rationale: str | None
    user: str


class Exporter:
    """Tells MLflow what the store holds. One at a time: two would make two traces of one interaction."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self._settings = settings
        self._exports = store.exports

    def run(self, limit: int = 200) -> ExportReport:
        """Tell at most ``limit`` things. Raises TrackingError, with nothing changed, when nobody listens."""
        connection = connect(self._settings)
        traced = rated = failed = 0
        for pending in self._exports.pending(limit):
            try:
                trace_id = pending.trace_id
                if trace_id is None:
                    trace_id = self._trace(connection, pending)
                    traced += 1
                if pending.rating is not None:
                    self._rate(connection, trace_id, pending, pending.rating)
                    rated += 1
            except InteractionNotFoundError:
                self._take_back(connection, pending.interaction.id)
            except Exception as error:
                # One bad row must not hold up the others; it says why, and is tried again later.
                logger.warning("interaction %s not exported", pending.interaction.id, exc_info=True)
                said = without_login(f"{type(error).__name__}: {error}")
                self._exports.failed(pending.interaction.id, said, pending.attempts + 1)
                failed += 1
        return ExportReport(traced, rated, failed, self._exports.backlog())

    def _trace(self, connection: Connection, pending: Pending) -> str:
        interaction = pending.interaction
        found = _find(connection, interaction.id) if pending.attempts else None
        if found is None:
            self._exports.begun(interaction.id)
            found = _send(connection, interaction)
            connection.client.get_trace(found)  # the client only warns when it could not send
        self._exports.traced(interaction.id, found)
        return found

    def _take_back(self, connection: Connection, interaction_id: str) -> None:
        """Its user had it erased while it was on its way."""
        trace_id = _find(connection, interaction_id)
        if trace_id is not None:
            connection.client.delete_traces(connection.experiment_id, trace_ids=[trace_id])

    def _rate(self, connection: Connection, trace_id: str, pending: Pending, rating: Feedback) -> None:
        user, comment = mask(rating.user_id), mask(rating.comment) if rating.comment is not None else None
        present = _assessments(connection, trace_id, user)
        kept: dict[str, str] = {}
        wanted: tuple[tuple[str, Any, str | None], ...] = (
            (THUMBS, rating.thumb == 1 if rating.thumb else None, comment),
            (COMMENT, comment, None),
        )
        for name, value, rationale in wanted:
            known = present.get(name)
            if value is None:
                if known is not None:
                    _withdraw(trace_id, known)
            else:
                fresh = Assessed(name, value, rationale, user)
                kept[name] = _assess(trace_id, known, fresh)
        self._exports.rated(pending.interaction.id, rating.created_at, kept)


def masked(interaction: Interaction) -> Interaction:
    """``interaction`` without personal data, in the user's name and in uploaded documents, too."""
    return replace(
        interaction,
        user_id=mask(interaction.user_id),
        question=mask(interaction.question),
        standalone=mask(interaction.standalone),
        passages=tuple(replace(passage, text=mask(passage.text)) for passage in interaction.passages),
        answer=replace(interaction.answer, text=mask(interaction.answer.text)),
    )


def _find(connection: Connection, interaction_id: str) -> str | None:
    found = connection.client.search_traces(
        [connection.experiment_id],
        filter_string=f"tags.`{INTERACTION_TAG}` = '{interaction_id}'",
        max_results=1,
        include_spans=False,
    )
    return str(found[0].info.trace_id) if found else None


def _send(connection: Connection, interaction: Interaction) -> str:
    from mlflow.entities import SpanType

    interaction = masked(interaction)
    client, answer = connection.client, interaction.answer
    begun = interaction.created_at
    retrieved = begun + timedelta(seconds=interaction.retrieval_time or 0.0)
    ended = max(begun + timedelta(seconds=answer.total_time or 0.0), retrieved)
    answered_by = interaction.exposure or interaction.assignment.variant
    root = client.start_trace(
        "resposta",
        span_type=SpanType.CHAIN,
        inputs={"question": interaction.question, "standalone": interaction.standalone},
        tags=_tags(interaction),
        experiment_id=connection.experiment_id,
        start_time_ns=_ns(begun),
    )
    trace_id = str(root.trace_id)
    search = client.start_span(
        "retrieval",
        trace_id,
        root.span_id,
        span_type=SpanType.RETRIEVER,
        inputs={"query": interaction.standalone or interaction.question},
        attributes={"index_version": interaction.index_version},
        start_time_ns=_ns(begun),
    )
    passages = [
        {
            "page_content": passage.text,
            "id": passage.chunk_id,
            "metadata": {
                "doc_uri": passage.document_id,
                "title": passage.title,
                "section": passage.section,
                "score": passage.score,
                "rank": passage.rank,
            },
        }
        for passage in interaction.passages
    ]
    client.end_span(trace_id, search.span_id, outputs=passages, end_time_ns=_ns(retrieved))
    if interaction.exposure is not None or interaction.attempts:
        speech = client.start_span(
            "generation",
            trace_id,
            root.span_id,
            span_type=SpanType.CHAT_MODEL,
            inputs={"question": interaction.question, "passages": len(passages)},
            attributes=_generation(interaction),
            start_time_ns=_ns(retrieved),
        )
        client.end_span(
            trace_id, speech.span_id, outputs=answer.text, status=_status(interaction), end_time_ns=_ns(ended)
        )
    client.end_trace(
        trace_id,
        outputs={"answer": answer.text, "citations": list(answer.citations), "refused": answer.refused},
        attributes={"model": answered_by.label},
        status=_status(interaction),
        end_time_ns=_ns(ended),
    )
    return trace_id


def _tags(interaction: Interaction) -> dict[str, str]:
    assigned, exposed = interaction.assignment, interaction.exposure
    return {
        INTERACTION_TAG: interaction.id,
        "policy": assigned.experiment or "",
        "arm": assigned.arm or "",
        "variant": assigned.variant.label,
        "variant_hash": assigned.variant.hash,
        "exposed": exposed.label if exposed else "",
        "exposed_hash": exposed.hash if exposed else "",
        "fell_back": str(interaction.fell_back).lower(),
        "refused": str(interaction.answer.refused).lower(),
        "finish_reason": interaction.answer.finish_reason.value,
        "user": interaction.user_id,
        "conversation": interaction.conversation_id,
        "origin": interaction.origin.kind.value if interaction.origin else "",
    }


def _generation(interaction: Interaction) -> dict[str, Any]:
    answer, variant = interaction.answer, interaction.exposure or interaction.assignment.variant
    usage = {
        "input_tokens": answer.usage.prompt_tokens,
        "output_tokens": answer.usage.completion_tokens,
    }
    attributes: dict[str, Any] = {
        "model": variant.model,
        "provider": variant.provider,
        "prompt_version": variant.prompt_version,
        "temperature": variant.temperature,
        "max_tokens": variant.max_tokens,
        "finish_reason": answer.finish_reason.value,
        "attempts": json.dumps(
            [
                {"variant": a.variant.label, "error": a.error, "elapsed": a.elapsed}
                for a in interaction.attempts
            ]
        ),
    }
    if answer.cost is not None:
        attributes["cost_usd"] = answer.cost
    if answer.time_to_first_token is not None:
        attributes["time_to_first_token"] = answer.time_to_first_token
    if None not in usage.values():
        total = sum(count for count in usage.values() if count is not None)
        attributes["mlflow.chat.tokenUsage"] = {**usage, "total_tokens": total}
    return attributes


def _status(interaction: Interaction) -> str:
    return "ERROR" if interaction.answer.finish_reason in _FAILED else "OK"


def _assessments(connection: Connection, trace_id: str, user: str) -> Mapping[str, str]:
    """The user's own assessments that the trace has, by name."""
    trace = connection.client.get_trace(trace_id)
    return {
        item.name: item.assessment_id
        for item in trace.info.assessments
        if item.name in (THUMBS, COMMENT) and item.source.source_id == user
    }


def _assess(trace_id: str, known: str | None, given: Assessed) -> str:
    import mlflow
    from mlflow.entities import AssessmentSource, Feedback
    from mlflow.exceptions import MlflowException

    values: dict[str, Any] = {
        "name": given.name,
        "value": given.value,
        "source": AssessmentSource("HUMAN", given.user),
        "rationale": given.rationale,
    }
    if known is not None:
        try:
            return str(mlflow.update_assessment(trace_id, known, Feedback(**values)).assessment_id)
        except MlflowException as error:
            if error.error_code != _GONE:
                raise
    return str(mlflow.log_feedback(trace_id=trace_id, **values).assessment_id)


def _withdraw(trace_id: str, assessment_id: str) -> None:
    import mlflow
    from mlflow.exceptions import MlflowException

    try:
        mlflow.delete_assessment(trace_id, assessment_id)
    except MlflowException as error:
        if error.error_code != _GONE:
            raise


def _ns(moment: datetime) -> int:
    """Exact: a float of so many seconds is 100 ns off, which may make it the millisecond before."""
    return (moment - _EPOCH) // timedelta(microseconds=1) * 1000
