"""What a report leads to: the right actions, none twice, nothing that cannot be done."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from melancia.mlops.actions.planning import Circumstances, plan, subject_of
from melancia.records import Action, Finding
from tests.mlops.actions.samples import NOON, POLICY, finding, report, rule
from tests.mlops.actions.test_rules import FINDINGS

HOUR = timedelta(hours=1)
EVERY_KIND = [
    rule(name=kind, kind=kind, worse=False, drifted=False)
    for kind in ("alert", "benchmark", "hold", "pause", "gaps")
]


def one(made: Sequence[Action]) -> Action:
    """The only one."""
    (found,) = made
    return found


def test_an_alert_says_what_and_why_without_personal_data() -> None:
    found = finding(message="Veja ana@loja.com.", examples=("x",) * 90)
    made = one(plan(report(found, id="r"), [rule()], Circumstances(), NOON))
    assert made.message == "Mudou: Veja [e-mail]."
    assert (made.report_id, made.rule, made.kind, made.created_at) == ("r", "aviso", "alert", NOON)
    assert (made.detail["figure"], made.detail["arm"], made.detail["value"]) == ("failed", "B", 0.3)
    assert len(made.detail["examples"]) == 20


def test_the_same_again_waits_for_the_end_of_the_cooldown() -> None:
    first = one(plan(report(finding()), [rule()], Circumstances(), NOON))
    last = {subject_of(first): first.created_at}
    again = report(finding())
    assert plan(again, [rule()], Circumstances(last=last), NOON + 23 * HOUR) == []
    other = report(finding(), finding(arm="A"), finding("latency"))
    assert len(plan(other, [rule()], Circumstances(last=last), NOON + HOUR)) == 2
    later = one(plan(again, [rule()], Circumstances(last=last), NOON + 24 * HOUR))
    assert later.key != first.key


def test_a_benchmark_needs_questions() -> None:
    wanted = rule(name="novo", kind="benchmark", parameters={"limit": 9})
    assert plan(report(finding("topic_new")), [wanted], Circumstances(), NOON) == []
    found = finding("topic_new", topic="frete, prazo", examples=("i1",))
    made = one(plan(report(found, id="r"), [wanted], Circumstances(), NOON))
    assert made.detail["parameters"] == {"limit": 9, "report": "r", "topic": "frete, prazo"}
    whole = one(plan(report(finding("topic_mix", examples=("i1",)), id="r"), [wanted], Circumstances(), NOON))
    assert whole.detail["parameters"] == {"limit": 9, "report": "r"}


def test_holds_and_pauses_are_of_arms_that_there_are() -> None:
    both = [rule(name="segurar", kind="hold"), rule(name="pausar", kind="pause")]
    assert plan(report(finding()), both, Circumstances(), NOON) == []  # no experiment
    assert plan(report(finding(arm="Z")), both, Circumstances(POLICY), NOON) == []
    made = plan(report(finding(), finding("latency")), both, Circumstances(POLICY), NOON)
    assert [(found.kind, found.detail["experiment"], found.detail["arm"]) for found in made] == [
        ("hold", "modelos", "B"),
        ("pause", "modelos", "B"),
    ]
    # A finding of all arms holds all, and pauses none.
    whole = one(plan(report(finding("model_replaced", arm="")), both, Circumstances(POLICY), NOON))
    assert (whole.kind, whole.detail["arm"]) == ("hold", "")


def test_what_is_on_hold_is_not_held_twice() -> None:
    both = [rule(name="um", kind="hold"), rule(name="dois", kind="hold")]
    assert len(plan(report(finding()), both, Circumstances(POLICY), NOON)) == 1
    for held in ("B", ""):
        assert plan(report(finding()), both, Circumstances(POLICY, held=frozenset({held})), NOON) == []
    assert len(plan(report(finding()), both, Circumstances(POLICY, held=frozenset({"A"})), NOON)) == 1


def test_gaps_make_one_list_a_report_and_none_without_gaps() -> None:
    wanted = rule(name="lacunas", kind="gaps", drifted=False)
    found = [finding("unanswered", arm="", drifted=False), finding("out_of_scope", arm="")]
    assert plan(report(*found), [wanted], Circumstances(), NOON) == []
    gap = {"label": "frete", "count": 3, "examples": ["Qual é o frete?"]}
    made = one(plan(report(*found, gaps=(gap,)), [wanted], Circumstances(), NOON))
    assert made.detail["groups"] == 1


@given(st.lists(FINDINGS, max_size=12))
def test_planning_is_a_function_and_a_second_report_at_once_adds_nothing(found: list[Finding]) -> None:
    gaps: Any = ({"label": "frete", "count": 3, "examples": []},)
    first = report(*found, gaps=gaps)
    made = plan(first, EVERY_KIND, Circumstances(POLICY), NOON)
    assert [one.key for one in made] == [
        one.key for one in plan(first, EVERY_KIND, Circumstances(POLICY), NOON)
    ]
    assert len({one.key for one in made}) == len(made)
    last = {subject_of(one): one.created_at for one in made}
    held = frozenset(one.detail["arm"] for one in made if one.kind == "hold")
    assert plan(report(*found, gaps=gaps), EVERY_KIND, Circumstances(POLICY, last, held), NOON + HOUR) == []
