"""What the tab "Experimentos" shows, read from the store: nothing here computes a verdict.

The ledger's verdicts are what the worker wrote. The page's own image has no scipy, which a verdict needs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from importlib.util import find_spec
from typing import Any

from pydantic import TypeAdapter, ValidationError

from melancia.agent.arm_models import awaited
from melancia.mlops import policies
from melancia.mlops.decide.results import Verdict
from melancia.records import Policy, PolicyState
from melancia.store import Store

_LINES = 500  # of the ledger: three weeks, at one an hour


@dataclass(frozen=True, slots=True)
class Line:
    """A verdict of the ledger: its number, the policy version it is on, up to when it knows."""

    number: int
    version: int
    until: datetime
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Shown:
    """An experiment as somebody may see it.

    ``history`` and ``lines``: the newest first. ``named``: models may be named. ``awaited``: the models that
    Ollama must get before it gives anybody an arm.
    """

    policy: Policy
    history: Sequence[Policy]
    lines: Sequence[Line]
    named: bool
    awaited: Sequence[str] = ()

    @property
    def newest(self) -> Line | None:
        """The newest verdict."""
        return self.lines[0] if self.lines else None

    @property
    def paired(self) -> str:
        """How the newest verdict compares: "shadow" or "final" on the same questions, "" by a draw."""
        return _paired(self.newest) if self.newest else ""

    @property
    def alike(self) -> Sequence[Line]:
        """The verdicts that compare as the newest does: an experiment may have changed its mode."""
        return [line for line in self.lines if _paired(line) == self.paired]


def listed(store: Store) -> tuple[list[tuple[str, str]], str]:
    """The experiments as (label, name), and which to show first: the running one, else the latest changed.

    Raises StoreError.
    """
    known = store.policies.list()
    running = [policy for policy in known if policy.state is PolicyState.RUNNING]
    first = next(iter([*running, *known]), None)
    choices = [(f"{policy.experiment} · {policies.describe(policy)}", policy.experiment) for policy in known]
    return choices, first.experiment if first else ""


def load(store: Store, experiment: str, *, named: bool, pulled: bool = False) -> Shown:
    """All that is shown of an experiment. ``pulled``: a worker pulls the models of Ollama.

    Raises InputError when there is none such, StoreError.
    """
    policy = policies.newest(store, experiment)
    runs = policy.state is PolicyState.RUNNING
    return Shown(
        policy=policy,
        history=store.policies.history(experiment),
        lines=ledger(store, experiment),
        named=named,
        awaited=awaited(policy, store.models.list(), pulled=pulled) if runs else (),
    )


def ledger(store: Store, experiment: str, limit: int = _LINES) -> Sequence[Line]:
    """The verdicts on an experiment, the newest first. Raises StoreError."""
    rows = store.outcomes.ledger(experiment, limit)
    return [line for row in rows if (line := _line(row)) is not None]


def can_conclude() -> bool:
    """Whether a verdict can be computed in this process."""
    return find_spec("scipy") is not None


def _paired(line: Line) -> str:
    return next((found.paired for found in line.verdict.comparisons), "")


def _line(row: Mapping[str, Any]) -> Line | None:
    """A line of the ledger; None for one that another version of the program wrote otherwise."""
    try:
        verdict = _reader().validate_python(row["content"])
    except ValidationError:
        return None
    return Line(int(row["id"]), int(row["policy_version"]), row["until"], verdict)


@lru_cache(maxsize=1)
def _reader() -> TypeAdapter[Verdict]:
    return TypeAdapter(Verdict)
