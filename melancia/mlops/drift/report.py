"""Two windows → a report: whether there is enough to say anything, what was found, and the figures."""

from collections.abc import Mapping, Sequence
from typing import Any

from melancia.mlops import naming
from melancia.mlops.drift.checks import check
from melancia.mlops.drift.frame import Window
from melancia.mlops.drift.hypotheses import LEAST_ROWS
from melancia.mlops.drift.pairs import Pair
from melancia.mlops.drift.words import whole
from melancia.records import DriftReport, Finding, ReportStatus

LEAST_WINDOW = 100  # interactions: fewer leave nothing to find but noise, once corrected for all the tests


def missing(current: Window, reference: Window) -> tuple[str, ...]:
    """What each window lacks before anything can be tested, in Portuguese; nothing when it can."""
    named = ((current, "recente"), (reference, "de referência"))
    return tuple(
        f"Faltam {whole(lacking)} interações na janela {name} ({whole(window.total)} de "
        f"{whole(window.total + lacking)}): nada foi testado."
        for window, name in named
        if (lacking := _lacking(window))
    )


def _lacking(window: Window) -> int:
    """How many interactions are missing in it; 0 when there are enough."""
    return max(0, (LEAST_WINDOW if window.kind == "store" else LEAST_ROWS) - window.total)


def build(
    current: Window,
    reference: Window,
    topics: Mapping[int, str],
    *,
    gaps: Sequence[Mapping[str, Any]] = (),
    notes: Sequence[str] = (),
    seed: int = 0,
) -> DriftReport:
    """The report of two windows. ``topics``: id → label."""
    lacking = missing(current, reference)
    findings = [] if lacking else check(current, reference, topics, seed=seed)
    drifted = any(finding.drifted for finding in findings)
    few = not lacking and Pair.of(current, reference).few_users
    return DriftReport(
        status=ReportStatus.TOO_LITTLE if lacking else ReportStatus.DRIFT if drifted else ReportStatus.STABLE,
        current=(current.since, current.until),
        reference=(reference.since, reference.until),
        reference_kind=reference.kind,
        sizes={
            "current": current.total,
            "reference": reference.total,
            **({"missing": max(_lacking(current), _lacking(reference))} if lacking else {}),
        },
        figures=figures(findings),
        findings=tuple(findings),
        gaps=tuple(gaps),
        notes=tuple(dict.fromkeys([*lacking, *([_FEW] if few else []), *_told(current, reference), *notes])),
    )


def figures(findings: Sequence[Finding]) -> dict[str, float]:
    """Name → value now, of every finding that has one."""
    return {
        naming.drift_figure(one.figure, one.arm, one.topic): one.value
        for one in findings
        if one.value is not None
    }


_FEW = (
    "Poucos usuários: cada um é comparado consigo mesmo, e só contam os que estão nas duas janelas. O que "
    "vale para eles pode não valer para outros."
)


def _told(current: Window, reference: Window) -> list[str]:
    """What each window has to say of how it was read."""
    named = ((current, "Janela recente"), (reference, "Janela de referência"))
    return [f"{name}: {note}" for window, name in named for note in window.notes]
