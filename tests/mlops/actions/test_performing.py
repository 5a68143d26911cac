"""Actions done: each once in effect, whoever is there to do them, whatever fails or dies in between."""

import csv
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
import time_machine

from melancia.errors import InputError, SettingsError
from melancia.evals.evaluate import Evaluator
from melancia.jobs.catalog import parameters
from melancia.mlops import policies
from melancia.mlops.actions.performing import AUTHOR, Actions
from melancia.mlops.experiment_keeper import ExperimentKeeper
from melancia.records import Action, ActionState, DriftReport, Policy, PolicyState, utc_now
from melancia.settings import Settings, load_settings
from melancia.store import Store
from tests.clock import later
from tests.mlops.actions.receiver import Receiver
from tests.mlops.actions.samples import POLICY, C, finding, report
from tests.mlops.test_experiment_keeper import A, answer

Make = Callable[..., Settings]
ALERTS = """
    rules:
      - {name: aviso, figures: ["*"], kind: alert, text: "Mudou:", cooldown: 24h}
"""
BENCHMARK = """
    rules:
      - name: novo
        figures: [topic_new]
        kind: benchmark
        text: "Comparar."
        cooldown: 7d
        parameters: {limit: 7, budget: 0.5, models: ["ollama:llama3.2:3b"]}
"""
ARMS = """
    rules:
      - {name: segurar, figures: [groundedness], kind: hold, text: "Conferir.", cooldown: 7d}
      - {name: pausar, figures: [failed], kind: pause, text: "Falha muito.", worse: true, cooldown: 1h}
"""
GAPS = """
    rules:
      - name: lacunas
        figures: [unanswered]
        kind: gaps
        text: "Faltam artigos."
        drifted: false
        cooldown: 20h
"""


def kept(store: Store, *findings: Any, **changes: Any) -> DriftReport:
    """A report of just now, in the store."""
    made = report(*findings, created_at=utc_now(), **changes)
    store.reports.keep(made)
    return made


def only(store: Store, **which: Any) -> Action:
    """The one action that there is."""
    (found,) = store.reports.actions(**which)
    return found


def test_an_alert_reaches_the_webhook_once(store: Store, settings: Make, receiver: Receiver) -> None:
    made = kept(store, finding())
    actions = Actions(settings(ALERTS, receiver.url), store)
    assert len(actions.run()) == 1
    assert actions.run() == []
    (taken,) = receiver.taken
    done = only(store)
    assert (taken["id"], taken["report"]) == (done.id, made.id)
    assert (done.state, done.attempts) == (ActionState.DONE, 1)
    assert done.detail["result"] == "O webhook recebeu o aviso (HTTP 204)."
    with later(hours=1):
        kept(store, finding())
        assert actions.run() == []  # the same again, too soon
    with later(hours=25):
        kept(store, finding())
        assert len(actions.run()) == 1
    assert len(receiver.taken) == 2


def test_without_a_webhook_an_alert_is_for_the_page(store: Store, settings: Make) -> None:
    kept(store, finding())
    Actions(settings(ALERTS), store).run()
    assert only(store).state is ActionState.DONE
    assert "Só na página" in only(store).detail["result"]


def test_a_webhook_that_is_down_is_tried_again_with_growing_pauses(
    store: Store, settings: Make, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.mode = "500"
    actions = Actions(settings(ALERTS, receiver.url), store)
    with time_machine.travel(utc_now(), tick=False) as clock:  # no pause ends while a try takes long
        kept(store, finding(), finding("latency"), finding("cost"))
        assert len(actions.run()) == 1  # it is down: the others are not tried in this round
        failed = only(store, states=[ActionState.FAILED])
        assert "HTTP 500" in failed.error
        assert "chave-secreta" not in failed.error + caplog.text
        receiver.mode = "ok"
        receiver.taken.clear()
        assert len(actions.run()) == 2
        assert failed.id not in [taken["id"] for taken in receiver.taken]
        clock.shift(31)
        receiver.mode = "closed"
        assert [tried.id for tried in actions.run()] == [failed.id]
        assert actions.run() == []
        clock.shift(45)
        assert actions.run() == []  # a minute, this time
        clock.shift(16)
        receiver.mode = "ok"
        assert [tried.id for tried in actions.run()] == [failed.id]
    assert {found.state for found in store.reports.actions()} == {ActionState.DONE}
    assert sorted(taken["figure"] for taken in receiver.taken) == ["cost", "failed", "latency"]


def test_two_workers_at_once_tell_each_alert_once(store: Store, settings: Make, receiver: Receiver) -> None:
    for _ in range(3):
        kept(store, *(finding(name) for name in ("failed", "latency", "cost", "refused")))
    both = settings(ALERTS, receiver.url)
    start = threading.Barrier(2)

    def work(_: int) -> None:
        start.wait()
        Actions(both, store).run()

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(work, range(2)))
    assert store.reports.unplanned() == []
    found = store.reports.actions()
    assert sorted(taken["id"] for taken in receiver.taken) == sorted(one.id for one in found)
    assert {one.state for one in found} == {ActionState.DONE}
    assert {one.attempts for one in found} == {1}


def test_a_worker_that_died_after_planning_or_while_trying_is_taken_over(
    store: Store, settings: Make, receiver: Receiver
) -> None:
    kept(store, finding())
    both = settings(ALERTS, receiver.url)
    assert Actions(both, store).plan() == 1  # and died
    assert store.reports.claim(only(store))  # and another one, before it sent anything
    actions = Actions(both, store)
    assert actions.run() == []  # it may still be at it
    with later(seconds=31):
        assert len(actions.run()) == 1
    assert len(receiver.taken) == 1
    assert only(store).attempts == 2


def test_a_benchmark_is_queued_once_with_what_the_job_takes(store: Store, settings: Make) -> None:
    made = kept(store, finding("topic_new", topic="frete", examples=("i1",)))
    actions = Actions(settings(BENCHMARK), store)
    actions.plan()
    planned = only(store)
    # Whoever queued it died before it could say so.
    store.reports.claim(planned)
    actions._do(planned)
    with later(seconds=31):
        actions.run()
    (job,) = store.jobs.list()
    assert (job.name, job.id, job.requested_by) == ("benchmark", planned.id, AUTHOR)
    assert parameters("benchmark", job.parameters).arguments() == (
        "benchmark --mode quick --models ollama:llama3.2:3b --limit 7 --budget 0.5 "
        f"--report {made.id} --topic frete"
    ).split(" ")
    done = only(store)
    assert (done.state, done.detail["job"]) == (ActionState.DONE, job.id)


def test_what_a_job_refuses_is_kept_as_a_failure(store: Store, settings: Make) -> None:
    kept(store, finding("topic_new", topic="-frete", examples=("i1",)))
    Actions(settings(BENCHMARK), store).run()
    assert only(store).state is ActionState.FAILED
    assert "“topic” não vale" in only(store).error
    assert store.jobs.list() == []


def test_a_hold_refuses_promotion_until_it_is_lifted(store: Store, settings: Make) -> None:
    policies.create(store, POLICY)
    kept(store, finding("groundedness", value=0.4, reference=0.8, message="O apoio caiu."))
    actions = Actions(settings(ARMS), store)
    actions.run()
    held = only(store)
    assert held.state is ActionState.DONE
    with pytest.raises(InputError) as refused:
        policies.promote(store, "modelos", "ana", "B vence", "B")
    assert "Conferir. O apoio caiu." in refused.value.message
    assert f"melancia actions dismiss {held.id}" in refused.value.remedy
    policies.pause(store, "modelos", "ana", "calma", "B")  # anything else is as free as ever
    with later(days=8):
        kept(store, finding("groundedness", value=0.4, reference=0.8))
        actions.run()
    assert only(store).id == held.id  # held already
    store.reports.dismiss(held.id)
    assert policies.promote(store, "modelos", "ana", "conferido", "B").forced == "B"


def test_another_arm_may_be_promoted_and_a_hold_of_all_holds_it_too(store: Store, settings: Make) -> None:
    policies.create(store, POLICY)
    kept(store, finding("groundedness"))
    Actions(settings(ARMS), store).run()
    assert policies.promote(store, "modelos", "ana", "A vence", "A").forced == "A"
    policies.rollback(store, "modelos", "ana", "não vence")
    kept(store, finding("groundedness", arm=""))
    Actions(settings(ARMS), store).run()
    with pytest.raises(InputError, match="suspensa"):
        policies.rollback(store, "modelos", "ana", "vence, sim", 2)


def test_an_arm_that_fails_is_paused_once_and_whoever_reopens_it_is_obeyed(
    store: Store, settings: Make
) -> None:
    policies.create(store, POLICY)
    kept(store, finding())
    actions = Actions(settings(ARMS), store)
    actions.plan()
    planned = only(store)
    actions._do(planned)  # and died before it could say so
    policies.resume(store, "modelos", "ana", "conferido", "B")
    actions.run()
    newest = policies.newest(store, "modelos")
    assert [arm.name for arm in newest.arms if arm.paused] == []
    paused = store.policies.history("modelos")[1]
    assert (paused.author, paused.version) == (AUTHOR, 2)
    assert "Falha muito. As falhas foram" in paused.reason
    assert "Alguém abriu o braço B" in only(store).detail["result"]


def _last(store: Store) -> Policy:
    return policies.pause(store, "modelos", "ana", "A sai", "A")


def _forced(store: Store) -> Policy:
    return policies.promote(store, "modelos", "ana", "todos com B", "B")


def _ended(store: Store) -> Policy:
    return policies.end(store, "modelos", "ana", "fim")


def _paused(store: Store) -> Policy:
    return policies.pause(store, "modelos", "ana", "B sai", "B")


@pytest.mark.parametrize(
    ("before", "said"),
    [
        (_last, "fica aberto. Nenhum braço receberia"),
        (_forced, "Nada a pausar"),
        (_ended, "Nada"),
        (_paused, "já estava pausado"),
    ],
)
def test_an_arm_that_cannot_or_need_not_be_paused_stays_as_it_is(
    store: Store, settings: Make, before: Callable[[Store], Policy], said: str
) -> None:
    policies.create(store, POLICY)
    kept(store, finding())
    actions = Actions(settings(ARMS), store)
    actions.plan()
    changed = before(store)
    actions.run()
    assert policies.newest(store, "modelos") == changed
    assert only(store).state is ActionState.DONE
    assert said in only(store).detail["result"]


def test_the_gap_list_is_a_masked_table_beside_the_report(store: Store, settings: Make) -> None:
    gaps = (
        {"label": "frete", "count": 9, "examples": ["Qual é o frete para ana@loja.com?", "=FRETE()"]},
        {"label": "troca", "count": 2, "examples": []},
    )
    made = kept(store, finding("unanswered", arm="", drifted=False), gaps=gaps)
    wanted = settings(GAPS)
    Actions(wanted, store).run()
    done = only(store)
    assert done.detail["file"] == f"{made.id}-lacunas.csv"
    with (wanted.drift_dir / done.detail["file"]).open(encoding="utf-8-sig", newline="") as file:
        assert list(csv.reader(file)) == [
            ["grupo", "perguntas", "exemplo"],
            ["frete", "9", "Qual é o frete para [e-mail]?"],
            ["frete", "9", "'=FRETE()"],
            ["troca", "2", ""],
        ]
    assert "ana@" not in str(done)


def test_a_broken_table_stops_no_alert_that_was_planned(
    store: Store, settings: Make, receiver: Receiver
) -> None:
    kept(store, finding())
    Actions(settings(ALERTS, receiver.url), store).plan()
    kept(store, finding("latency"))
    broken = settings("rules: [{}]", receiver.url)
    with pytest.raises(SettingsError, match="linha 1"):
        Actions(broken, store).run()
    assert len(receiver.taken) == 1
    assert len(store.reports.unplanned()) == 1
    Actions(settings(ALERTS, receiver.url), store).run()  # mended: nothing is lost
    assert len(receiver.taken) == 2


def test_nothing_unexpected_stops_the_others(store: Store, settings: Make, receiver: Receiver) -> None:
    kept(store, finding())
    store.reports.plan(Action("x", None, "r", "pause", "Sem braço.", {}))
    Actions(settings(ALERTS, receiver.url), store).run()
    assert len(receiver.taken) == 1
    (failed,) = store.reports.actions(states=[ActionState.FAILED])
    assert "KeyError" in failed.error


def test_a_guardrail_that_pauses_raises_an_alert_too(
    store: Store, settings: Make, receiver: Receiver
) -> None:
    policies.create(store, replace(POLICY, guardrails={"error_rate": 0.1}))
    for number in range(60):
        answer(store, "A", number)
        answer(store, "B", 100 + number, exposed=A if number % 2 else C)
    ExperimentKeeper(store, lambda: Evaluator(None), threading.Event()).guard()
    assert policies.newest(store, "modelos").state is PolicyState.RUNNING
    told = only(store)
    assert (told.report_id, told.kind, told.state) == (None, "alert", ActionState.PLANNED)
    Actions(settings(ALERTS, receiver.url), store).run()
    (taken,) = receiver.taken
    assert (taken["report"], taken["arm"], taken["severity"]) == (None, "B", "critical")
    assert "O braço B foi pausado em modelos. B passou da proteção “taxa de erros" in taken["text"]


def test_the_settings_name_a_table_that_is_there() -> None:
    assert load_settings().rules_file.is_file()
