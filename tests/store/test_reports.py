"""Reports and actions as kept: read back whole, planned once, tried by one, dismissed for good."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from melancia.errors import InputError
from melancia.records import Action, ActionState, DriftReport, Finding, ReportStatus
from melancia.store import Store

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
WEEK = timedelta(days=7)


def report(**changes: Any) -> DriftReport:
    """A report with every field filled."""
    values: dict[str, Any] = {
        "status": ReportStatus.DRIFT,
        "current": (NOON - WEEK, NOON),
        "reference": (NOON - 5 * WEEK, NOON - WEEK),
        "reference_kind": "store",
        "sizes": {"current": 400, "reference": 1600},
        "figures": {"latency": 1.5, "latency.A": 1.25},
        "findings": (
            Finding("topic_new", True, "Assunto novo.", "", "frete", 0.1, 0.0, 0.001, "warning", ("a", "b")),
            Finding("latency", False, "Igual."),
        ),
        "gaps": ({"label": "frete", "count": 9, "examples": ["Qual é o frete?"]},),
        "notes": ("Uma amostra.",),
        "file": "x.html",
        "run_id": "r",
        "created_at": NOON,
    }
    return DriftReport(**(values | changes))


def action(report_id: str | None, key: str = "k", **changes: Any) -> Action:
    """A planned alert."""
    return replace(Action(key, report_id, "aviso", "alert", "Mudou."), **changes)


def at_once(many: int, work: Callable[[int], bool]) -> int:
    """How many of several threads were told True."""
    with ThreadPoolExecutor(many) as threads:
        return sum(threads.map(work, range(many)))


def test_reports_are_read_back_whole_newest_first(store: Store) -> None:
    kept = [report(), report(created_at=NOON + WEEK, reference=None, status=ReportStatus.STABLE)]
    for one in kept:
        store.reports.keep(one)
    assert store.reports.get(kept[0].id) == kept[0]
    assert list(store.reports.list()) == kept[::-1]
    assert list(store.reports.list(1)) == kept[1:]
    with pytest.raises(InputError, match="não existe"):
        store.reports.get("nenhum")


def test_a_report_is_planned_once_whole_by_one_of_many(store: Store) -> None:
    one = report()
    store.reports.keep(one)
    assert [found.id for found in store.reports.unplanned()] == [one.id]

    def plan(number: int) -> bool:
        return store.reports.plan_report(one.id, [action(one.id, f"{number}-{part}") for part in "ab"])

    assert at_once(6, plan) == 1
    keys = {found.key for found in store.reports.actions(report_id=one.id)}
    assert len(keys) == 2
    assert len({key[0] for key in keys}) == 1
    assert store.reports.unplanned() == []
    store.reports.keep(replace(one, run_id="later"))  # MLflow's run is known: not another report
    assert store.reports.unplanned() == []


def test_plans_that_break_leave_the_report_to_be_planned(store: Store) -> None:
    one = report()
    store.reports.keep(one)
    with pytest.raises(Exception, match="JSON"):
        store.reports.plan_report(one.id, [action(one.id), action(one.id, "x", detail={"a": object()})])
    assert store.reports.actions() == []
    assert [found.id for found in store.reports.unplanned()] == [one.id]


def test_a_key_happens_once(store: Store) -> None:
    assert at_once(4, lambda _: store.reports.plan(action(None))) == 1
    assert len(store.reports.actions()) == 1


def test_a_try_is_one_workers(store: Store) -> None:
    store.reports.plan(action(None))
    (planned,) = store.reports.actions()
    assert at_once(6, lambda _: store.reports.claim(planned)) == 1
    (claimed,) = store.reports.actions()
    assert (claimed.state, claimed.attempts) == (ActionState.PLANNED, 1)
    store.reports.settle(planned.id, ActionState.FAILED, error="HTTP 500", detail={"a": 1})
    (failed,) = store.reports.actions(states=[ActionState.FAILED])
    assert (failed.attempts, failed.error, failed.detail) == (1, "HTTP 500", {"a": 1})
    assert not store.reports.claim(planned)
    assert store.reports.claim(failed)
    store.reports.settle(planned.id, ActionState.DONE, detail={})
    assert not store.reports.claim(replace(failed, attempts=2))


def test_what_was_dismissed_stays_so(store: Store) -> None:
    held = action(None, kind="hold", detail={"experiment": "modelos", "arm": "B"})
    store.reports.plan(held)
    assert [one.id for one in store.reports.holds("modelos")] == [held.id]
    assert store.reports.holds("outro") == []
    store.reports.dismiss(held.id)
    store.reports.settle(held.id, ActionState.DONE, detail={})  # it was being done meanwhile
    (found,) = store.reports.actions()
    assert found.state is ActionState.DISMISSED
    assert store.reports.holds("modelos") == []
    with pytest.raises(InputError, match="não existe"):
        store.reports.dismiss("nenhuma")


def test_actions_are_found_by_what_they_are(store: Store) -> None:
    one = report()
    store.reports.keep(one)
    for number, kind in enumerate(("alert", "gaps", "alert")):
        when = NOON + timedelta(hours=number)
        store.reports.plan(
            action(one.id if number else None, str(number), kind=kind, created_at=when, updated_at=when)
        )
    assert [found.key for found in store.reports.actions()] == ["2", "1", "0"]
    assert [found.key for found in store.reports.actions(kinds=["alert"])] == ["2", "0"]
    assert [found.key for found in store.reports.actions(report_id=one.id, limit=1)] == ["2"]
    assert [found.key for found in store.reports.actions(since=NOON + timedelta(hours=1))] == ["2", "1"]
    assert store.reports.actions(states=[ActionState.DONE]) == []
