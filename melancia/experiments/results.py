"""What a benchmark found: a record an answer, a summary a model, comparisons between them.

Seconds, tokens, US$; None is unknown. A failure has a reason and no latency: it lowers the success rate and
nothing else. A quarantined answer was measured under conditions that are not those asked for (on the CPU
instead of the GPU, with its prompt cut): it has a reason too, and enters no figure but their count.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from typing import Any, Literal

from melancia.evals.case import SCORES
from melancia.experiments.plan import Options
from melancia.experiments.questions import Mode, Question
from melancia.records import Passage, Variant


@dataclass(frozen=True, slots=True)
class Measured:
    """One answer of one model. ``mode`` is that of the search; ``documents`` and ``passages`` (chunk ids) are
    what it found, by rank.

    Latency and time to first token count from the question, search included, as whoever asks waits; both are
    None for a failure, whose wait is ``failed_after_seconds``. Those of a batch do not tell a model's speed
    (``comparable_latency``). ``repeat`` counts from 1. ``gpu_share`` and ``context_window`` (tokens) are what
    Ollama said of the loaded model. ``judge_pair`` is what the judge said of it beside the control's answer,
    in both orders: "inconsistent" where it changed with the order.
    """

    provider: str
    model_name: str
    variant_hash: str
    question_id: str
    question: str
    category: str
    repeat: int
    success: bool
    error: str
    quarantine: str = ""
    latency_seconds: float | None = None
    comparable_latency: bool = True
    time_to_first_token_seconds: float | None = None
    tokens_per_second: float | None = None
    retrieval_seconds: float | None = None
    failed_after_seconds: float | None = None
    tries: int = 1
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    tokens: int | None = None
    cost: float | None = None
    finish_reason: str = "error"
    refused: bool = False
    mode: str = ""
    documents: tuple[str, ...] = ()
    passages: tuple[str, ...] = ()
    citations: tuple[int, ...] = ()
    invented_citations: int = 0
    gpu_share: float | None = None
    context_window: int | None = None
    scores: Mapping[str, float] = field(default_factory=dict)
    unscored: Mapping[str, str] = field(default_factory=dict)
    judge_score: float | None = None
    judge_reason: str = ""
    judge_failure: str = ""
    judge_pair: Literal["", "win", "loss", "tie", "inconsistent", "failed"] = ""
    judge_pair_reason: str = ""
    answer: str = ""

    @property
    def counted(self) -> bool:
        """Whether its figures enter averages."""
        return self.success and not self.quarantine

    def as_dict(self) -> dict[str, Any]:
        """The fields as plain JSON values."""
        values = asdict(self)
        for name in ("documents", "passages", "citations"):
            values[name] = list(values[name])
        return {**values, "scores": dict(self.scores), "unscored": dict(self.unscored)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Measured":
        """The inverse of ``as_dict``. Raises TypeError on a field that is missing or unknown."""
        lists = {name: tuple(values[name]) for name in ("documents", "passages", "citations")}
        return cls(**{**values, **lists})

    def row(self) -> dict[str, Any]:
        """The fields as the columns of a table: a column a score, the answer last."""
        values = self.as_dict()
        scores, text = values.pop("scores"), values.pop("answer")
        values["unscored"] = [f"{name}: {reason}" for name, reason in self.unscored.items()]
        return {**values, **{f"{name}_score": scores.get(name) for name in SCORES}, "answer": text}


COLUMNS = (
    *(field.name for field in fields(Measured) if field.name not in ("scores", "answer")),
    *(f"{name}_score" for name in SCORES),
    "answer",
)
"""The columns of the table, in the order of ``Measured.row``."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A 95 % interval."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Summary:
    """One model over the questions that it was asked.

    ``figures`` are by their names in MLflow (``latency_avg``, ``quality_avg``…; see ``summaries``), without
    those that are not known; ``intervals`` are of some of them. ``categories``: a question category's own
    figures. ``failures`` and ``quarantines``: reason → how many.
    """

    variant: Variant
    asked: int
    successes: int
    counted: int
    figures: Mapping[str, float]
    intervals: Mapping[str, Interval]
    categories: Mapping[str, Mapping[str, float]]
    failures: Mapping[str, int]
    quarantines: Mapping[str, int]

    def metrics(self) -> dict[str, float]:
        """The figures, and the ends of their intervals as ``<name>_low`` and ``<name>_high``."""
        ends = {
            f"{name}_{end}": value
            for name, interval in self.intervals.items()
            for end, value in (("low", interval.low), ("high", interval.high))
        }
        return {**self.figures, **ends}

    def as_dict(self) -> dict[str, Any]:
        """The fields as plain JSON values."""
        own = {"provider": self.variant.provider, "model_name": self.variant.model}
        return {**own, "variant_hash": self.variant.hash, **asdict(self)}


Verdict = Literal["better", "worse", "tie", "unknown"]


@dataclass(frozen=True, slots=True)
class Comparison:
    """``model`` against ``other`` (variant hashes) in one figure, on the questions that both answered.

    ``against``: "control", or "next" for the model that ranks just below it. ``difference`` is model − other,
    averaged over questions; ``adjusted_p`` is corrected for all the comparisons of the report. ``verdict`` is
    from ``model``'s side: "tie" where the data cannot tell, "unknown" where there is too little of them.
    """

    metric: str
    model: str
    other: str
    against: Literal["control", "next"]
    questions: int
    difference: float | None
    interval: Interval | None
    p_value: float | None
    adjusted_p: float | None
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class JudgeReport:
    """Who judged, and how far to believe it. ``agreement``: Cohen's κ with people's thumbs and with the
    labelled answers, as plain JSON values; ``fit`` is None where it cannot be said. ``cost`` in US$, None
    when it is not known; ``judged`` answers of the benchmark, and ``failures`` that got no judgement.
    ``pairs``: variant hash → how its answers did beside the control's (``pair_judging.totals``).
    """

    label: str
    fit: bool | None
    agreement: Mapping[str, Any]
    note: str
    judged: int = 0
    failures: int = 0
    cost: float | None = None
    pairs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Report:
    """A benchmark that ended; ``complete`` unless it was stopped, by ``stopped``, before the last answer.

    ``passages``: question id → what the search gave to every model (empty with the full pipeline).
    """

    id: str
    mode: Mode
    started_at: datetime
    ended_at: datetime
    complete: bool
    stopped: str
    options: Options
    index_version: str
    environment: Mapping[str, Any]
    prices: Sequence[Mapping[str, Any]]
    questions: Sequence[Question]
    passages: Mapping[str, Sequence[Passage]]
    summaries: Sequence[Summary]
    comparisons: Sequence[Comparison]
    ranking: Mapping[str, Sequence[Sequence[str]]]
    judge: JudgeReport | None
    answers: Sequence[Measured]
