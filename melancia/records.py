"""The values that the stages exchange. Immutable, free of behaviour beyond identity, free of I/O.

The words are those of the design: a question is *assigned* a variant, another may *really* answer
(the exposure), passages support the answer, feedback is tied to the interaction. Times are seconds,
money is US$, instants are timezone-aware UTC.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from uuid import uuid4


def new_id() -> str:
    """A fresh opaque identifier (32 hexadecimal digits)."""
    return uuid4().hex


def utc_now() -> datetime:
    """The present instant, timezone-aware."""
    return datetime.now(UTC)


def content_hash(value: Any, length: int = 16) -> str:
    """First ``length`` hexadecimal digits of the SHA-256 of ``value`` as canonical JSON."""
    canonical = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:length]


@dataclass(frozen=True, slots=True)
class Variant:
    """Everything that determines an answer. Two variants with equal fields are the same variant."""

    provider: str
    model: str
    prompt_version: str = "v1"
    temperature: float = 0.3
    max_tokens: int = 800
    context_window: int | None = 8192
    k: int = 5

    @property
    def hash(self) -> str:
        """Content hash (16 hexadecimal digits), stable between runs and machines."""
        return content_hash(self.as_dict())

    @property
    def label(self) -> str:
        """``provider:model``, as people write it."""
        return f"{self.provider}:{self.model}"

    def as_dict(self) -> dict[str, Any]:
        """The fields as plain JSON values."""
        # Not ``asdict``, which copies deeply: this is done several times a question.
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Variant":
        """The inverse of ``as_dict``. Raises TypeError on a field that it does not know."""
        return cls(**values)


class PolicyMode(StrEnum):
    """How users come to arms.

    Sticky: by a hash of who they are. Adaptive: the weights follow what was learnt, with a floor an arm.
    Shadow: the first arm answers, the others out of sight. Hybrid: the first arm drafts, the second gives the
    final answer on request. Forced: one arm answers everybody.
    """

    STICKY = "sticky"
    ADAPTIVE = "adaptive"
    SHADOW = "shadow"
    HYBRID = "hybrid"
    FORCED = "forced"


class PolicyState(StrEnum):
    """Whether an experiment takes part in routing. Ended ones stay for the record."""

    RUNNING = "running"
    PAUSED = "paused"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Arm:
    """A variant that takes part, with its share of the users (``weight``, relative). ``paused``: it is given
    to nobody until somebody takes that back.
    """

    name: str
    variant: Variant
    weight: float = 1.0
    paused: bool = False

    def as_dict(self) -> dict[str, Any]:
        """The fields as plain JSON values."""
        return {**asdict(self), "variant": self.variant.as_dict()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Arm":
        """The inverse of ``as_dict``."""
        return cls(**{**values, "variant": Variant.from_dict(values["variant"])})


@dataclass(frozen=True, slots=True)
class Policy:
    """A version of an experiment: all that decides who is given what. Never changed, only followed by one.

    ``floor``: the least share of an arm in adaptive mode, in [0, 1]. ``guardrails``: name → bound.
    ``forced``: the arm of forced mode. ``author`` and ``reason`` say who made this version, and why; neither
    they nor its number and instant are part of its hash.
    """

    experiment: str
    arms: tuple[Arm, ...]
    salt: str
    mode: PolicyMode = PolicyMode.STICKY
    state: PolicyState = PolicyState.RUNNING
    primary_metric: str = "thumbs"
    guardrails: Mapping[str, float] = field(default_factory=dict)
    floor: float = 0.1
    forced: str = ""
    version: int = 1
    author: str = ""
    reason: str = ""
    created_at: datetime = field(default_factory=utc_now)

    @property
    def hash(self) -> str:
        """Content hash (16 hexadecimal digits) of what decides."""
        return content_hash(
            {
                "experiment": self.experiment,
                "arms": [arm.as_dict() for arm in self.arms],
                "salt": self.salt,
                "mode": self.mode.value,
                "state": self.state.value,
                "primary_metric": self.primary_metric,
                "guardrails": dict(self.guardrails),
                "floor": self.floor,
                "forced": self.forced,
            }
        )

    def arm(self, name: str) -> Arm | None:
        """The arm of that name."""
        return next((arm for arm in self.arms if arm.name == name), None)


@dataclass(frozen=True, slots=True)
class Assignment:
    """Which arm of which experiment a user was given. ``experiment`` is None outside experiments.

    ``policy``: hash of the policy that gave it; ``propensity``: the chance with which it gave this arm.
    """

    variant: Variant
    experiment: str | None = None
    arm: str | None = None
    policy: str | None = None
    propensity: float | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one question of an experiment, as the verdict reads it from stored rows.

    ``arm`` is the assigned one, whoever answered in the end. ``failed``: no variant of the arm answered whole
    (error, time-out, a fallback spoke instead, or the user gave up before the first word). ``thumb``: +1, −1,
    or None when nobody rated; ``asked``: the page asked for this rating. ``scores`` by metric. ``origin``:
    the shown answer beside which it was given out of sight, or the draft before it; None for an answer of its
    own. Seconds, US$; None is unknown.
    """

    interaction_id: str
    user_id: str
    arm: str
    created_at: datetime
    failed: bool
    fell_back: bool
    refused: bool
    thumb: int | None = None
    asked: bool = False
    latency: float | None = None
    cost: float | None = None
    scores: Mapping[str, float] = field(default_factory=dict)
    propensity: float | None = None
    origin: "Origin | None" = None


@dataclass(frozen=True, slots=True)
class Filters:
    """Restricts retrieval to documents of a marketplace and/or a topic. None means no restriction."""

    marketplace: str | None = None
    topic: str | None = None


@dataclass(frozen=True, slots=True)
class Passage:
    """A retrieved chunk, expanded to its section, with its source document, score in [0, 1] and rank ≥ 1.

    ``text`` is what the model reads (the section); ``chunk`` the smaller piece that matched.
    """

    rank: int
    score: float
    document_id: str
    chunk_id: str
    title: str
    section: str
    text: str
    chunk: str
    topic: str
    marketplaces: tuple[str, ...]
    source: str

    def as_dict(self) -> dict[str, Any]:
        """The fields as plain JSON values."""
        plain = {name: getattr(self, name) for name in self.__slots__}
        return {**plain, "marketplaces": list(self.marketplaces)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Passage":
        """The inverse of ``as_dict``."""
        return cls(**{**values, "marketplaces": tuple(values["marketplaces"])})


@dataclass(frozen=True, slots=True)
class Turn:
    """One earlier exchange of a conversation. ``standalone`` is the question with its references resolved."""

    question: str
    answer: str
    standalone: str = ""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as the provider counted them; None where it did not say (unknown is not zero)."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None

    @property
    def total(self) -> int | None:
        """Both together; None while one is not known."""
        if self.prompt_tokens is None or self.completion_tokens is None:
            return None
        return self.prompt_tokens + self.completion_tokens


class FinishReason(StrEnum):
    """Why an answer ended."""

    RUNNING = "running"  # still being written, or its process died: the partial text is what was said
    STOP = "stop"
    LENGTH = "length"
    CANCELLED = "cancelled"  # the user stopped it or left
    TIMEOUT = "timeout"  # after the first token; before it, a fallback answers
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Answer:
    """What was said, with its measurements. ``citations``: the passage ranks cited, by first appearance."""

    text: str = ""
    citations: tuple[int, ...] = ()
    invented_citations: int = 0
    refused: bool = False
    usage: Usage = Usage()
    time_to_first_token: float | None = None
    total_time: float | None = None
    cost: float | None = None
    finish_reason: FinishReason = FinishReason.RUNNING


@dataclass(frozen=True, slots=True)
class Attempt:
    """A variant that was tried and failed before its first token, with the reason (no secret, no trace).

    ``passing``: the same request may well be answered later, after ``retry_after`` seconds where the server
    said so.
    """

    variant: Variant
    error: str
    message: str
    elapsed: float
    passing: bool = False
    retry_after: float | None = None


class OriginKind(StrEnum):
    """How an answer comes from another one. The first two were not generated at all."""

    EXACT = "exact"  # the same question was answered before
    SEMANTIC = "semantic"  # a question that asks the same was answered before
    SHADOW = "shadow"  # what another arm would have said: never shown
    FINAL = "final"  # the better model's answer after a draft

    @property
    def cached(self) -> bool:
        """Whether the answer was given before: never timed, never in statistics."""
        return self in (OriginKind.EXACT, OriginKind.SEMANTIC)


@dataclass(frozen=True, slots=True)
class Origin:
    """The interaction that an answer comes from, and how."""

    kind: OriginKind
    interaction_id: str


@dataclass(frozen=True, slots=True)
class Interaction:
    """A question and all that became of it. ``exposure`` is None until a variant really answers.

    ``origin``: None for an answer of its own. ``asked``: its user was asked for a rating, drawn by lot.
    """

    user_id: str
    conversation_id: str
    question: str
    assignment: Assignment
    id: str = field(default_factory=new_id)
    created_at: datetime = field(default_factory=utc_now)
    standalone: str = ""
    passages: tuple[Passage, ...] = ()
    exposure: Variant | None = None
    attempts: tuple[Attempt, ...] = ()
    answer: Answer = Answer()
    settings_hash: str = ""
    index_version: str = ""
    retrieval_time: float | None = None
    origin: Origin | None = None
    asked: bool = False

    @property
    def fell_back(self) -> bool:
        """Whether another variant than the assigned one answered."""
        return self.exposure is not None and self.exposure != self.assignment.variant


@dataclass(frozen=True, slots=True)
class Feedback:
    """A rating of an interaction by its user: thumb +1, −1 or 0 (taken back), and/or a comment."""

    interaction_id: str
    user_id: str
    thumb: int | None = None
    comment: str | None = None
    created_at: datetime = field(default_factory=utc_now)


class ReportStatus(StrEnum):
    """What a drift report came to."""

    STABLE = "stable"
    DRIFT = "drift"
    TOO_LITTLE = "too_little"  # not enough data to say anything: no test was made


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that a report found, or would have: one test of one figure.

    ``figure`` is its name under the scheme of ``mlops.naming`` (``question_length``, ``topic_new``…), ``arm``
    and ``topic`` what it is about ("" is all). ``value`` and ``reference``: the figure now and then;
    ``p_value`` corrected for the number of tests; ``severity``: "info", "warning" or "critical".
    ``examples``: interaction ids. ``message``: the finding in Portuguese, without personal data.
    """

    figure: str
    drifted: bool
    message: str
    arm: str = ""
    topic: str = ""
    value: float | None = None
    reference: float | None = None
    p_value: float | None = None
    severity: str = "warning"
    examples: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """The fields as plain JSON values."""
        return {**asdict(self), "examples": list(self.examples)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Finding":
        """The inverse of ``as_dict``."""
        return cls(**{**values, "examples": tuple(values["examples"])})


@dataclass(frozen=True, slots=True)
class DriftReport:
    """A drift report as kept: windows, sizes, figures, findings, and where its documents are.

    ``figures``: name (with ``.arm`` where it is an arm's) → value now. ``sizes``: "current" and "reference" →
    interactions, and "missing", how many one of them lacks when there are too few. ``gaps``: questions that
    the base could not answer, one mapping a group (label, count, examples). ``file``: name of the HTML
    document in ``data_dir/drift``; ``run_id``: MLflow's, "" without.
    ``notes``: what the reader must know (sampling, what was left out), in Portuguese.
    """

    status: ReportStatus
    current: tuple[datetime, datetime]
    reference: tuple[datetime, datetime] | None
    reference_kind: str
    sizes: Mapping[str, int]
    figures: Mapping[str, float]
    findings: tuple[Finding, ...] = ()
    gaps: tuple[Mapping[str, Any], ...] = ()
    notes: tuple[str, ...] = ()
    file: str = ""
    run_id: str = ""
    id: str = field(default_factory=new_id)
    created_at: datetime = field(default_factory=utc_now)

    def as_dict(self) -> dict[str, Any]:
        """The fields; instants are instants, all else is plain JSON values."""
        return {
            "id": self.id,
            "created_at": self.created_at,
            "status": self.status.value,
            "current": list(self.current),
            "reference": list(self.reference) if self.reference else None,
            "reference_kind": self.reference_kind,
            "sizes": dict(self.sizes),
            "figures": dict(self.figures),
            "findings": [finding.as_dict() for finding in self.findings],
            "gaps": [dict(gap) for gap in self.gaps],
            "notes": list(self.notes),
            "file": self.file,
            "run_id": self.run_id,
        }

    @property
    def drifted(self) -> tuple[Finding, ...]:
        """The findings that say that something changed."""
        return tuple(finding for finding in self.findings if finding.drifted)


class ActionState(StrEnum):
    """Where an action stands."""

    PLANNED = "planned"
    DONE = "done"
    FAILED = "failed"  # tried, and tried again later
    DISMISSED = "dismissed"  # somebody took note and put it away


@dataclass(frozen=True, slots=True)
class Action:
    """What a finding led to, by a rule of the table. ``key`` makes it happen once.

    ``report_id`` is None when no report caused it, but a guardrail. ``kind``: "alert", "benchmark", "hold",
    "pause" or "gaps".
    """

    key: str
    report_id: str | None
    rule: str
    kind: str
    message: str
    detail: Mapping[str, Any] = field(default_factory=dict)
    state: ActionState = ActionState.PLANNED
    attempts: int = 0
    error: str = ""
    id: str = field(default_factory=new_id)
    created_at: datetime = field(default_factory=utc_now)
    updated_at: datetime = field(default_factory=utc_now)


class JobState(StrEnum):
    """Where a job stands. The last three are final."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def final(self) -> bool:
        """Whether nothing will change any more."""
        return self not in (JobState.QUEUED, JobState.RUNNING)


@dataclass(frozen=True, slots=True)
class Job:
    """A job of the allow-list: what was asked, by whom, how far it is, how it ended.

    ``handle`` is the container or process that runs it; ``progress`` is in [0, 1], None while unknown;
    ``result`` and ``run_id`` (MLflow's) are the job's own words, ``error`` those of whoever watched it end.
    """

    name: str
    parameters: Mapping[str, Any]
    requested_by: str
    id: str = field(default_factory=new_id)
    created_at: datetime = field(default_factory=utc_now)
    state: JobState = JobState.QUEUED
    started_at: datetime | None = None
    ended_at: datetime | None = None
    progress: float | None = None
    message: str = ""
    log_tail: str = ""
    result: Mapping[str, Any] | None = None
    run_id: str | None = None
    exit_code: int | None = None
    error: str = ""
    handle: str = ""
    cancel_requested: bool = False


class ModelState(StrEnum):
    """Where a model of Ollama stands."""

    WAITING = "waiting"
    PULLING = "pulling"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """A configured model in Ollama: its pull (bytes so far and in all), and where it really runs.

    ``gpu_share`` is the share of the loaded model in the GPU's memory (None: not looked at yet), and
    ``tokens_per_second`` what it generated when it was looked at.
    """

    model: str
    state: ModelState = ModelState.WAITING
    completed: int = 0
    total: int = 0
    detail: str = ""
    error: str = ""
    gpu_share: float | None = None
    tokens_per_second: float | None = None
    updated_at: datetime = field(default_factory=utc_now)


@dataclass(frozen=True, slots=True)
class Retrieved:
    """Event: retrieval ended. ``mode`` is "hybrid", or "lexical" while vectors are still being computed."""

    interaction_id: str
    passages: tuple[Passage, ...]
    mode: str


@dataclass(frozen=True, slots=True)
class Token:
    """Event: a piece of the answer's text."""

    text: str


@dataclass(frozen=True, slots=True)
class FellBack:
    """Event: a variant failed before its first token and the next one takes over."""

    attempt: Attempt
    next: Variant


@dataclass(frozen=True, slots=True)
class Finished:
    """Event, always the last: the interaction as recorded. Its answer text is final (citations checked)."""

    interaction: Interaction


AskEvent = Retrieved | Token | FellBack | Finished
