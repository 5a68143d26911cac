"""A verdict and its parts. Frozen, of plain values; None is unknown. Shares in [0, 1], seconds, US$.

A difference is always challenger − base, with the ends of its 95 % confidence sequence.
"""

from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields, is_dataclass
from datetime import datetime
from enum import Enum, StrEnum
from typing import Any

from melancia.records import content_hash

_DIGITS = 9  # significant: the last ones of a float differ between machines
_LATER = "later"  # marks fields that came after verdicts had been kept


class Status(StrEnum):
    """Where an experiment stands."""

    BLOCKED = "blocked"  # the sample ratio is wrong: nothing else can be believed
    TOO_EARLY = "too_early"
    UNDECIDED = "undecided"
    TIE = "tie"  # so far: no difference that matters
    BETTER = "better"
    AHEAD = "ahead"  # by automatic scores on the same questions: people have not judged
    DESCRIBED = "described"  # this mode names no winner
    GUARDRAIL = "guardrail"


class Recommendation(StrEnum):
    """What to do. ``promote``, ``rollback`` and ``try`` name an arm."""

    PROMOTE = "promote"
    KEEP = "keep"  # the base arm stays
    ROLLBACK = "rollback"  # the arm is taken out
    CONTINUE = "continue"
    TRY = "try"  # the arm is worth showing to people


@dataclass(frozen=True, slots=True)
class Span:
    """A figure with the ends of its 95 % confidence sequence; they are None where nothing can be said yet."""

    value: float | None
    low: float | None = None
    high: float | None = None

    @property
    def excludes_zero(self) -> bool:
        """Whether it is shown to differ from 0."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


@dataclass(frozen=True, slots=True)
class SampleRatio:
    """Users per arm at their first exposure against those expected. ``p_value`` is anytime-valid.

    ``fails``: it is below ``alpha``. ``users`` and ``expected`` by arm. ``known``: False where there was
    nothing to compare (one arm, or no draw).
    """

    users: Mapping[str, int]
    expected: Mapping[str, float]
    p_value: float
    alpha: float
    fails: bool
    known: bool = True


@dataclass(frozen=True, slots=True)
class ArmFigures:
    """One arm as it was assigned. ``ratings`` and ``up`` count thumbs of answered questions; ``raters`` users
    who gave them, ``effective_raters`` the same with those who rate much counted down. ``thumbs`` is the
    plain share of thumbs up; ``approval`` the primary figure (see ``approval``). ``unanswered``: questions
    left without an answer; ``fell_back``: answered by another variant.
    """

    arm: str
    questions: int
    users: int
    ratings: int
    up: int
    raters: int
    effective_raters: float
    unanswered: int
    fell_back: int
    failed: int
    refused: int
    thumbs: float | None
    approval: float | None


@dataclass(frozen=True, slots=True)
class Bayes:
    """The Bayesian reading: chance that the challenger is better, and what is lost on average by choosing
    either arm where the other is the better one.
    """

    chance_challenger: float
    loss_challenger: float
    loss_base: float


@dataclass(frozen=True, slots=True)
class Contrast:
    """A secondary figure of both arms. ``count``: rows that have it, by side."""

    name: str
    base: float | None
    challenger: float | None
    difference: Span
    count: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Raters:
    """Who rates. ``rates``: share of answers that were rated, by arm; ``scores``: automatic score of the
    rated less that of the unrated, an arm each; ``asked``: thumbs up of prompted less spontaneous ratings.

    ``warnings``: in Portuguese, what differs.
    """

    rates: Contrast
    scores: tuple[Contrast, ...]
    asked: Contrast
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """A challenger against the base arm.

    ``difference`` decides: thumbs with what the scores add (``weight_of_scores`` λ; 0: thumbs alone).
    ``thumbs_only`` is without scores. ``p_value`` is anytime-valid. ``needed``: further ratings until the
    interval would leave out 0 for the present difference, ``needed_for_least`` until it would for the least
    difference that matters. ``early``: too few raters for an interval.

    ``paired`` says how both arms came to answer the same questions, "shadow" or "final"; "" is by a draw.
    Of pairs there are ``pairs``, of ``asked`` questions that the base arm was given. Nobody's thumbs are
    compared then: ``difference`` is that of the automatic score, and ``needed`` counts questions.
    """

    base: str
    challenger: str
    early: bool
    difference: Span
    thumbs_only: Span
    weight_of_scores: float
    p_value: float | None
    needed: int | None
    needed_for_least: int | None
    weighted: bool
    bayes: Bayes | None
    secondary: tuple[Contrast, ...]
    raters: Raters
    paired: str = field(default="", metadata={_LATER: True})
    pairs: int = field(default=0, metadata={_LATER: True})
    asked: int = field(default=0, metadata={_LATER: True})


@dataclass(frozen=True, slots=True)
class Guardrail:
    """One bound of one arm. ``state``: breached, fine or unknown. ``value`` is the arm's figure against
    ``bound``, ``low`` and ``high`` its confidence sequence where it has one; ``count`` the answers it is
    from.

    For ``p95_latency`` ``value`` is the share of answers above the bound, which may be at most 5 %.
    """

    arm: str
    name: str
    bound: float
    state: str
    value: float | None
    low: float | None
    high: float | None
    count: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the evidence says. ``arm``: the one that ``recommendation`` is about, or that is better.

    ``text``: two to five sentences in Portuguese. ``skipped``: outcomes that no draw decided, left out of
    comparisons. ``configuration`` and ``policy`` (its hash) are what it was computed with.
    """

    experiment: str
    policy: str
    configuration: Mapping[str, float | str]
    rows: int
    skipped: int
    until: str | None
    status: Status
    recommendation: Recommendation
    arm: str | None
    text: str
    sample_ratio: SampleRatio
    arms: tuple[ArmFigures, ...]
    comparisons: tuple[Comparison, ...]
    guardrails: tuple[Guardrail, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values, numbers to nine significant digits, with the ``hash`` of all the others."""
        values: dict[str, Any] = plain(self)
        return {**values, "hash": content_hash(values)}

    @property
    def hash(self) -> str:
        """Content hash (16 hexadecimal digits): equal when the same rows gave the same verdict."""
        return content_hash(plain(self))


@dataclass(frozen=True, slots=True)
class Moment:
    """The primary difference as it stood after ``ratings`` ratings, at ``instant``."""

    instant: datetime
    ratings: int
    difference: Span


def plain(value: Any) -> Any:
    """``value`` as JSON knows it. A number that is not finite is null.

    A field that came later is left out while it has its default: what was kept before keeps its hash.
    """
    if is_dataclass(value) and not isinstance(value, type):
        return {one.name: plain(getattr(value, one.name)) for one in fields(value) if not _unused(one, value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, float):
        rounded = float(f"{value:.{_DIGITS}g}")
        return rounded if abs(rounded) < float("inf") else None
    return value


def _unused(one: Field[Any], value: Any) -> bool:
    return _LATER in one.metadata and getattr(value, one.name) == one.default
