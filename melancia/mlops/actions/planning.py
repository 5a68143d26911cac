"""What a report leads to, by the rules. Pure: the same report and circumstances, the same actions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from melancia.masking import mask
from melancia.mlops.actions.rules import Rule
from melancia.records import Action, DriftReport, Finding, Policy

_EXAMPLES = 20  # interaction ids that an action keeps


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What else decides. ``policy``: the experiment that routes. ``last``: subject → when it last led to an
    action. ``held``: arms of that experiment whose promotion is on hold, "" being all of them.
    """

    policy: Policy | None = None
    last: Mapping[str, datetime] = field(default_factory=dict)
    held: frozenset[str] = frozenset()


def plan(
    report: DriftReport, rules: Sequence[Rule], circumstances: Circumstances, now: datetime
) -> list[Action]:
    """The actions of ``report``, rule by rule; none twice within the rule's cool-down."""
    last, held, planned = dict(circumstances.last), set(circumstances.held), []
    for rule in rules:
        for finding in report.findings:
            if not rule.matches(finding):
                continue
            detail = _detail(rule, report, finding, circumstances.policy)
            about = subject(rule, finding, circumstances.policy)
            since = last.get(about)
            if detail is None or (since is not None and now - since < rule.cooldown):
                continue
            if rule.kind == "hold" and {finding.arm, ""} & held:
                continue  # it is on hold already: a second one would only have to be lifted too
            last[about] = now
            if rule.kind == "hold":
                held.add(finding.arm)
            planned.append(
                Action(
                    key=f"{about}|{report.id}",
                    report_id=report.id,
                    rule=rule.name,
                    kind=rule.kind,
                    message=mask(f"{rule.text} {finding.message}".strip()),
                    detail=detail,
                    created_at=now,
                    updated_at=now,
                )
            )
    return planned


def subject(rule: Rule, finding: Finding, policy: Policy | None) -> str:
    """What an action is about: the same again within the cool-down is one too many."""
    experiment = policy.experiment if policy else ""
    match rule.kind:
        case "gaps":
            return rule.name  # one list a report, whatever asked for it
        case "hold" | "pause":
            return f"{rule.name}|{experiment}|{finding.arm}"
        case _:
            return f"{rule.name}|{finding.figure}|{finding.arm}|{finding.topic}"


def subject_of(action: Action) -> str:
    """The subject of an action that was planned from a report."""
    return action.key.rpartition("|")[0]


def _detail(
    rule: Rule, report: DriftReport, finding: Finding, policy: Policy | None
) -> dict[str, Any] | None:
    """What the action needs to be done, and what is shown of it; None when there is nothing to do."""
    found = {**finding.as_dict(), "examples": list(finding.examples[:_EXAMPLES])}
    for told in ("drifted", "message"):
        del found[told]
    match rule.kind:
        case "benchmark":
            if not finding.examples:
                return None
            topic = {"topic": finding.topic} if finding.topic else {}
            return {**found, "parameters": {**rule.parameters, "report": report.id, **topic}}
        case "hold" | "pause":
            named = policy is not None and policy.arm(finding.arm) is not None
            if policy is None or not (named or (rule.kind == "hold" and not finding.arm)):
                return None
            return {**found, "experiment": policy.experiment}
        case "gaps":
            if not report.gaps:
                return None
            return {**found, "groups": len(report.gaps)}
        case _:
            return found
