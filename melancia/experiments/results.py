"""What a benchmark found: a record an answer, a summary a model. Seconds, tokens, US$; None is unknown.

A failure has a reason and no latency: it lowers the success rate and nothing else.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from melancia.records import FinishReason, Interaction, Variant

_NOT_ASKED = "A busca não achou evidência na base e o modelo não foi consultado."
_BROKEN = "O modelo falhou no meio da resposta."
_STALLED = "A resposta passou do tempo total e foi interrompida."


@dataclass(frozen=True, slots=True)
class Measured:
    """One answer of one model. ``mode`` is that of the search, ``documents`` those of the passages, by rank.

    Latency and time to first token count from the question, search included, as whoever asks waits; both are
    None for a failure, whose wait is ``failed_after_seconds``.
    """

    provider: str
    model_name: str
    variant_hash: str
    question_id: str
    question: str
    success: bool
    error: str
    latency_seconds: float | None
    time_to_first_token_seconds: float | None
    retrieval_seconds: float | None
    failed_after_seconds: float | None
    prompt_tokens: int | None
    completion_tokens: int | None
    tokens: int | None
    cost: float | None
    finish_reason: str
    refused: bool
    mode: str
    documents: tuple[str, ...]
    answer: str

    def as_dict(self) -> dict[str, Any]:
        """The fields as plain JSON values."""
        return {**asdict(self), "documents": list(self.documents)}


@dataclass(frozen=True, slots=True)
class Summary:
    """What is known of one model over the questions that it was asked.

    Latencies are of the answers that succeeded; ``latency_std`` is the sample's standard deviation.
    """

    variant: Variant
    questions: int
    successes: int
    success_rate: float | None
    latency_avg: float | None
    latency_std: float | None
    latency_p50: float | None
    latency_p95: float | None
    ttft_avg: float | None
    tokens_avg: float | None
    cost_total: float | None
    failures: Mapping[str, int]

    def metrics(self) -> dict[str, float]:
        """What can be charted, by name; what is not known is left out."""
        values = asdict(self)
        for name in ("variant", "failures"):
            del values[name]
        return {name: float(value) for name, value in values.items() if value is not None}

    def as_dict(self) -> dict[str, Any]:
        """The fields as plain JSON values."""
        own = {"provider": self.variant.provider, "model_name": self.variant.model}
        return {**own, "variant_hash": self.variant.hash, **asdict(self), "failures": dict(self.failures)}


def measured(
    variant: Variant, question_id: str, interaction: Interaction, mode: str, elapsed: float
) -> Measured:
    """The record of an interaction that came to its end after ``elapsed`` seconds."""
    answer = interaction.answer
    error = _error(interaction)
    usage = answer.usage
    counted = (usage.prompt_tokens, usage.completion_tokens)
    return Measured(
        provider=variant.provider,
        model_name=variant.model,
        variant_hash=variant.hash,
        question_id=question_id,
        question=interaction.question,
        success=not error,
        error=error,
        latency_seconds=None if error else answer.total_time,
        time_to_first_token_seconds=None if error else answer.time_to_first_token,
        retrieval_seconds=interaction.retrieval_time,
        failed_after_seconds=elapsed if error else None,
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens,
        tokens=None if None in counted else sum(count or 0 for count in counted),
        cost=answer.cost,
        finish_reason=answer.finish_reason.value,
        refused=answer.refused,
        mode=mode,
        documents=tuple(passage.document_id for passage in interaction.passages),
        answer=answer.text,
    )


def failed(variant: Variant, question_id: str, question: str, error: str, elapsed: float) -> Measured:
    """The record of a question that came to no answer at all."""
    return Measured(
        provider=variant.provider,
        model_name=variant.model,
        variant_hash=variant.hash,
        question_id=question_id,
        question=question,
        success=False,
        error=error,
        latency_seconds=None,
        time_to_first_token_seconds=None,
        retrieval_seconds=None,
        failed_after_seconds=elapsed,
        prompt_tokens=None,
        completion_tokens=None,
        tokens=None,
        cost=None,
        finish_reason=FinishReason.ERROR.value,
        refused=False,
        mode="",
        documents=(),
        answer="",
    )


def summarise(variant: Variant, answers: Iterable[Measured]) -> Summary:
    """One model's summary over its own among ``answers``."""
    own = [answer for answer in answers if answer.variant_hash == variant.hash]
    good = [answer for answer in own if answer.success]
    latencies = _known(answer.latency_seconds for answer in good)
    # An answer that broke off had its tokens too; what they cost, nobody may have said.
    spoken = [answer.cost for answer in own if answer.success or answer.answer]
    return Summary(
        variant=variant,
        questions=len(own),
        successes=len(good),
        success_rate=len(good) / len(own) if own else None,
        latency_avg=_mean(latencies),
        latency_std=float(np.std(latencies, ddof=1)) if len(latencies) > 1 else None,
        latency_p50=float(np.percentile(latencies, 50)) if latencies else None,
        latency_p95=float(np.percentile(latencies, 95)) if latencies else None,
        ttft_avg=_mean(_known(answer.time_to_first_token_seconds for answer in good)),
        tokens_avg=_mean(_known(answer.tokens for answer in good)),
        cost_total=sum(_known(spoken)) if spoken and None not in spoken else None,
        failures=dict(Counter(answer.error for answer in own if not answer.success)),
    )


def _error(interaction: Interaction) -> str:
    """Why it counts as a failure, in Portuguese; "" when it does not."""
    reason = interaction.answer.finish_reason
    if interaction.exposure is None:
        return interaction.attempts[-1].message if interaction.attempts else _NOT_ASKED
    if reason is FinishReason.TIMEOUT:
        return _STALLED
    return "" if reason in (FinishReason.STOP, FinishReason.LENGTH) else _BROKEN


def _known(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None
