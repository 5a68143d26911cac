"""The constants of a verdict. They are part of what it is a function of, and of its hash."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Configuration:
    """How sure to be, and of what.

    ``alpha``: the chance, over the whole life of an experiment, of calling equal arms different.
    ``sample_ratio_alpha``: the same, of blocking a sound experiment. ``guardrail_alpha``: the same, of
    pausing an arm that keeps within all its bounds. ``least_effect``: a smaller difference in approval, in
    [0, 1], matters to nobody. ``least_raters``: effective raters an arm (one who rates much counts as less
    than their ratings) below which nothing is said. ``expected_effect``: the difference, in standard
    deviations, for which the intervals are tightest. ``score``: the automatic score that helps where ratings
    are missing; ``least_scored``: rated answers with that score below which it does not. ``concentration``:
    of the Dirichlet prior of the sample-ratio test, in users. ``seed``: of everything drawn. ``given_up``: a
    question that its user stopped before a word was said is among the outcomes.
    """

    alpha: float = 0.05
    sample_ratio_alpha: float = 0.01
    guardrail_alpha: float = 0.05
    least_effect: float = 0.05
    least_raters: float = 10.0
    expected_effect: float = 0.25
    score: str = "quality"
    least_scored: int = 30
    concentration: float = 100.0
    seed: int = 0
    given_up: bool = True

    def as_dict(self) -> dict[str, float | str]:
        """The fields as plain JSON values."""
        values = asdict(self)
        if not self.given_up:
            # As it was before there was the choice: what was kept then keeps its hash.
            del values["given_up"]
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The inverse of ``as_dict``. Raises TypeError on a field that it does not know."""
        return cls(**{"given_up": False, **values})
