"""Reports, rules and an experiment for the tests of actions."""

import textwrap
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from melancia.mlops.actions.rules import Rule, load
from melancia.records import Arm, DriftReport, Finding, Policy, ReportStatus, Variant

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
WEEK = timedelta(days=7)
A, B, C = (Variant("ollama", name) for name in "abc")
POLICY = Policy("modelos", (Arm("A", A), Arm("B", B)), "sal", reason="ver")


def finding(figure: str = "failed", **changes: Any) -> Finding:
    """Failures of arm B went from 2 % to 30 %."""
    whole = Finding(figure, True, "As falhas foram de 2 % a 30 %.", arm="B", value=0.3, reference=0.02)
    return replace(whole, p_value=0.001, **changes)


def report(*findings: Finding, **changes: Any) -> DriftReport:
    """A report that found these."""
    values: dict[str, Any] = {
        "status": ReportStatus.DRIFT if findings else ReportStatus.STABLE,
        "current": (NOON - WEEK, NOON),
        "reference": (NOON - 5 * WEEK, NOON - WEEK),
        "reference_kind": "store",
        "sizes": {"current": 400, "reference": 1600},
        "figures": {},
        "findings": findings,
    }
    return DriftReport(**(values | changes))


def written(folder: Path, text: str) -> Path:
    """A rule table as a file."""
    path = folder / "regras.yaml"
    path.write_text(textwrap.dedent(text), "utf-8")
    return path


def rule(**changes: Any) -> Rule:
    """A rule: alert on anything, at most once a day."""
    values: dict[str, Any] = {
        "name": "aviso",
        "figures": ["*"],
        "kind": "alert",
        "text": "Mudou:",
        "cooldown": "24h",
    }
    return Rule.model_validate(values | changes)


def rules(folder: Path, text: str) -> tuple[Rule, ...]:
    """The rules of a text."""
    return load(written(folder, text))
