"""An experiment looked after: answers scored once, a bad arm paused, weights learnt, verdicts recomputed."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import time_machine

from melancia.agent.router import propensities
from melancia.errors import InputError, StoreError
from melancia.evals.evaluate import Evaluator
from melancia.mlops import policies, verdicts
from melancia.mlops.decide.configuration import Configuration
from melancia.mlops.decide.results import Status
from melancia.mlops.decide.verdict import decide
from melancia.mlops.experiment_keeper import AUTHOR, ExperimentKeeper
from melancia.records import (
    Answer,
    Arm,
    Assignment,
    Feedback,
    FinishReason,
    Interaction,
    Origin,
    OriginKind,
    Outcome,
    Policy,
    PolicyMode,
    PolicyState,
    Variant,
    utc_now,
)
from melancia.store import Store
from melancia.store.tables import feedback_events, scores

A, B, C = (Variant("ollama", name) for name in "abc")
VARIANTS = {"A": A, "B": B, "C": C}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A fresh store."""
    made = Store.open(f"sqlite:///{tmp_path / 'melancia.db'}")
    yield made
    made.close()


@pytest.fixture
def keeper(store: Store) -> ExperimentKeeper:
    """One whose metrics need no model."""
    return ExperimentKeeper(store, lambda: Evaluator(None), threading.Event())


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    """One that goes on from now, and can be put forward: a verdict leaves out the latest half a minute."""
    with time_machine.travel(utc_now()) as made:
        yield made


def begin(store: Store, arms: str = "AB", **changes: Any) -> Policy:
    """An experiment between ``arms``, evenly."""
    whole = Policy("modelos", tuple(Arm(name, VARIANTS[name]) for name in arms), "", reason="ver")
    return policies.create(store, replace(whole, **changes))


def answer(store: Store, arm: str, number: int, thumb: int | None = None, **changes: Any) -> Interaction:
    """A user of ``arm`` asks, is answered, and may rate."""
    values: dict[str, Any] = {
        "text": "O ACOS é a razão.",
        "finish_reason": FinishReason.STOP,
        "total_time": 1.0,
    }
    exposed, share = changes.pop("exposed", VARIANTS[arm]), changes.pop("share", 0.5)
    interaction = Interaction(
        user_id=f"u{number}",
        conversation_id=f"c{number}",
        question="O que é ACOS?",
        assignment=Assignment(VARIANTS[arm], "modelos", arm, "hash", share),
        exposure=exposed,
        answer=Answer(**(values | changes)),
    )
    store.start(interaction)
    store.finish(interaction)
    if thumb is not None:
        store.rate(Feedback(interaction.id, f"u{number}", thumb=thumb))
    return interaction


def begin_with_b_failing(store: Store) -> None:
    """An experiment with a bound of errors, and 60 answers an arm, of which none of B is its own."""
    begin(store, guardrails={"error_rate": 0.1})
    for number in range(60):
        answer(store, "A", number)
        answer(store, "B", 100 + number, exposed=A)


def test_each_answer_is_scored_once_and_a_metric_that_breaks_says_so(
    store: Store, keeper: ExperimentKeeper
) -> None:
    begin(store)
    for number in range(45):
        answer(store, "AB"[number % 2], number)
    assert keeper.score() == 45
    assert keeper.score() == 0
    assert all("quality" in outcome.scores for outcome in store.outcomes.of("modelos"))

    class Broken(Evaluator):
        def evaluate(self, case: Any) -> Any:
            raise ZeroDivisionError

    answer(store, "A", 99)
    broken = ExperimentKeeper(store, lambda: Broken(None), threading.Event())
    assert broken.score() == 1
    assert broken.score() == 0
    with store._engine.connect() as connection:
        failures = connection.execute(sa.select(scores.c.failure).where(scores.c.failure != "")).scalars()
        assert list(failures) == ["A métrica falhou (ZeroDivisionError)."]


def test_an_arm_that_breaks_its_bound_is_paused_and_the_reason_kept(
    store: Store, keeper: ExperimentKeeper
) -> None:
    begin(store, guardrails={"error_rate": 0.1})
    for number in range(60):
        answer(store, "A", number)
        answer(store, "B", 100 + number, exposed=A if number % 2 else B)
    (breached,) = keeper.guard()
    assert (breached.arm, breached.name) == ("B", "error_rate")
    paused = policies.newest(store, "modelos")
    assert [arm.name for arm in paused.arms if arm.paused] == ["B"]
    assert paused.state is PolicyState.RUNNING
    assert paused.author == AUTHOR
    assert "taxa de erros" in paused.reason
    assert keeper.guard() == []
    # Whoever resumes it starts anew: the old failures do not pause it again, new ones do.
    policies.resume(store, "modelos", "ana", "corrigido", "B")
    assert keeper.guard() == []
    for number in range(60):
        answer(store, "B", 200 + number, exposed=A)
    assert [found.arm for found in keeper.guard()] == ["B"]


def test_a_pause_that_fails_is_tried_again_at_the_next_look(
    store: Store, keeper: ExperimentKeeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin_with_b_failing(store)

    def busy(*_: object) -> Policy:
        raise StoreError("O banco está ocupado por outro processo.")

    with monkeypatch.context() as patched:
        patched.setattr(store.policies, "add", busy)
        with pytest.raises(StoreError):
            keeper.guard()
    assert [found.arm for found in keeper.guard()] == ["B"]
    assert [arm.name for arm in policies.newest(store, "modelos").arms if arm.paused] == ["B"]


def test_the_last_arm_takes_the_whole_experiment_with_it(store: Store, keeper: ExperimentKeeper) -> None:
    begin(store, guardrails={"daily_spend": 0.5})
    for number in range(4):
        answer(store, "AB"[number % 2], number, cost=0.4)
    assert {found.arm for found in keeper.guard()} == {"A", "B"}
    assert policies.newest(store, "modelos").state is PolicyState.PAUSED
    assert store.policies.running() is None
    assert keeper.guard() == []


def test_a_healthy_experiment_is_left_alone(store: Store, keeper: ExperimentKeeper) -> None:
    bounds = {"error_rate": 0.2, "p95_latency": 5.0, "refusal_rate": 0.5, "daily_spend": 10.0}
    begin(store, guardrails=bounds)
    answer(store, "A", 500, exposed=None, refused=True)
    for number in range(120):
        answer(store, "AB"[number % 2], number, cost=0.01)
    assert keeper.guard() == []
    assert policies.newest(store, "modelos").version == 1


def test_adaptive_weights_follow_what_is_rated_and_keep_the_floor(
    store: Store, keeper: ExperimentKeeper
) -> None:
    begin(store, mode=PolicyMode.ADAPTIVE, floor=0.1)
    assert keeper.adapt() is None
    for number in range(80):
        answer(store, "A", number, thumb=-1 if number % 2 else 1)
        answer(store, "B", 100 + number, thumb=1)
    changed = keeper.adapt()
    assert changed is not None
    weights = {arm.name: arm.weight for arm in changed.arms}
    assert weights["B"] > weights["A"] >= 0.1
    assert sum(weights.values()) == pytest.approx(1)
    assert "aprendeu" in changed.reason
    assert keeper.adapt() is None
    policies.pause(store, "modelos", "ana", "ver")
    assert keeper.adapt() is None


def test_an_arm_that_is_paused_while_weights_are_learnt_stays_paused(
    store: Store, keeper: ExperimentKeeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(store, mode=PolicyMode.ADAPTIVE, floor=0.1)
    for number in range(80):
        answer(store, "A", number, thumb=-1 if number % 2 else 1)
        answer(store, "B", 100 + number, thumb=1)
    read = store.outcomes.of

    def slowly(experiment: str) -> Iterator[Outcome]:
        yield from read(experiment)
        policies.pause(store, "modelos", AUTHOR, "B falha", "B")

    monkeypatch.setattr(store.outcomes, "of", slowly)
    assert keeper.adapt() is None
    after = policies.newest(store, "modelos")
    assert (after.version, [arm.name for arm in after.arms if arm.paused]) == (2, ["B"])


def test_the_ledger_recomputes_whatever_happens_later(
    store: Store, keeper: ExperimentKeeper, clock: time_machine.Traveller
) -> None:
    begin(store)
    rated = [answer(store, "AB"[number % 2], number, thumb=1 - 2 * (number % 3 == 0)) for number in range(60)]
    keeper.score()
    clock.shift(60)
    first = keeper.conclude()
    assert first is not None
    assert first.verdict.rows == 60
    clock.shift(60)
    again = verdicts.conclude(store, "modelos")
    assert again.line == first.line  # nothing new: no new line
    # Later thumbs, scores, answers and versions change what is said next, not what was said.
    store.rate(Feedback(rated[0].id, "u0", thumb=1))
    answer(store, "A", 500, thumb=-1)
    keeper.score()
    policies.pause(store, "modelos", "ana", "ver", "B")
    clock.shift(60)
    second = verdicts.conclude(store, "modelos")
    assert second.line != first.line
    assert verdicts.verify(store, "modelos") == [
        verdicts.Checked(second.line, True, 0),
        verdicts.Checked(first.line, True, 0),
    ]
    # A row that was tampered with is noticed.
    with store._engine.begin() as connection:
        connection.execute(
            feedback_events.update().where(feedback_events.c.interaction_id == rated[1].id).values(thumb=-1)
        )
    assert [one.same for one in verdicts.verify(store, "modelos")] == [False, False]


def test_an_arm_whose_waits_people_give_up_is_paused_and_an_older_verdict_keeps_its_rules(
    store: Store, keeper: ExperimentKeeper, clock: time_machine.Traveller
) -> None:
    policy = begin(store, guardrails={"error_rate": 0.1})
    stopped: dict[str, Any] = {"finish_reason": FinishReason.CANCELLED, "exposed": None, "text": ""}
    for number in range(60):
        answer(store, "A", number)
        answer(store, "B", 100 + number, **(stopped if number % 2 else {}))
        # After the first word: the arm's answer was seen, and left.
        answer(store, "A", 200 + number, finish_reason=FinishReason.CANCELLED)
    rules = Configuration(given_up=False)
    before = decide(policy, store.outcomes.of("modelos", given_up=False), rules)
    assert "given_up" not in before.configuration
    old = store.outcomes.keep_verdict("modelos", 1, utc_now(), before.hash, before.as_dict())
    assert (before.rows, before.sample_ratio.users) == (90, {"A": 60, "B": 30})
    clock.shift(60)
    kept = verdicts.conclude(store, "modelos")
    assert (kept.verdict.rows, kept.verdict.sample_ratio.users) == (120, {"A": 60, "B": 60})
    assert [(arm.failed, arm.unanswered) for arm in kept.verdict.arms] == [(0, 0), (30, 30)]
    assert [(one.line, one.same) for one in verdicts.verify(store, "modelos")] == [
        (kept.line, True),
        (old, True),
    ]
    assert {found.arm for found in keeper.guard()} == {"B"}


def test_an_answer_on_its_way_into_the_database_does_not_look_like_tampering(
    store: Store, clock: time_machine.Traveller
) -> None:
    """SQLite's writer and PostgreSQL's commit are waited for: a row is dated before it can be read."""
    begin(store)
    for number in range(30):
        answer(store, "AB"[number % 2], number, thumb=1)
    clock.shift(60)
    dated = utc_now()
    clock.shift(10)
    kept = verdicts.conclude(store, "modelos")
    assert kept.verdict.rows == 30
    with time_machine.travel(dated, tick=False):
        answer(store, "A", 99)
    assert verdicts.verify(store, "modelos") == [verdicts.Checked(kept.line, True, 0)]


def test_a_third_arm_that_is_paused_does_not_block_the_verdict(
    store: Store, clock: time_machine.Traveller
) -> None:
    begin(store, "ABC")
    for number in range(180):
        answer(store, "ABC"[number % 3], number, share=1 / 3)
    clock.shift(60)
    first = verdicts.conclude(store, "modelos")
    policies.pause(store, "modelos", "ana", "caro", "C")
    for number in range(180, 380):
        answer(store, "AB"[number % 2], number)
    clock.shift(60)
    second = verdicts.conclude(store, "modelos")
    assert second.verdict.sample_ratio.expected == pytest.approx({"A": 160, "B": 160, "C": 60})
    assert second.verdict.status is Status.TOO_EARLY
    policies.resume(store, "modelos", "ana", "mais barato", "C")
    assert verdicts.verify(store, "modelos") == [
        verdicts.Checked(second.line, True, 0),
        verdicts.Checked(first.line, True, 0),
    ]


def test_a_breach_does_not_decide_once_its_arm_is_given_anew(
    store: Store, keeper: ExperimentKeeper, clock: time_machine.Traveller
) -> None:
    begin_with_b_failing(store)
    assert [found.arm for found in keeper.guard()] == ["B"]
    clock.shift(60)
    broken = verdicts.conclude(store, "modelos")
    assert (broken.verdict.status, broken.verdict.arm) == (Status.GUARDRAIL, "B")
    policies.resume(store, "modelos", "ana", "corrigido", "B")
    for number in range(300):
        answer(store, "A", 1000 + number, thumb=1 if number % 2 else -1)
        answer(store, "B", 3000 + number, thumb=1 if number % 20 else -1)
    assert keeper.guard() == []
    clock.shift(60)
    repaired = verdicts.conclude(store, "modelos")
    assert (repaired.verdict.status, repaired.verdict.arm) == (Status.BETTER, "B")
    assert {found.count for found in repaired.verdict.guardrails} == {360, 300}
    # The line from before the resume knows nothing of it.
    assert verdicts.verify(store, "modelos") == [
        verdicts.Checked(repaired.line, True, 0),
        verdicts.Checked(broken.line, True, 0),
    ]


def test_without_an_experiment_there_is_nothing_to_do(store: Store, keeper: ExperimentKeeper) -> None:
    assert (keeper.score(), keeper.guard(), keeper.adapt(), keeper.conclude()) == (0, [], None, None)
    with pytest.raises(InputError, match="Crie um"):
        verdicts.conclude(store, "nada")
    begin(store)
    kept = keeper.conclude()
    assert kept is not None
    assert kept.verdict.status is Status.TOO_EARLY


@pytest.mark.parametrize(("arm", "left"), [("B", {"A": 1.0}), ("A", {})])
def test_in_the_shadow_a_bad_challenger_is_paused_and_a_bad_first_arm_ends_it(
    store: Store, keeper: ExperimentKeeper, arm: str, left: dict[str, float]
) -> None:
    """The first arm's users have nobody else to go to."""
    begin(store, mode=PolicyMode.SHADOW, guardrails={"error_rate": 0.1})
    for number in range(60):
        failing: dict[str, Any] = {"finish_reason": FinishReason.ERROR, "exposed": None, "text": ""}
        shown = answer(store, "A", number, **(failing if arm == "A" else {}))
        beside = answer(store, "B", 1000 + number, **(failing if arm == "B" else {}))
        store.finish(replace(beside, origin=Origin(OriginKind.SHADOW, shown.id)))
    assert {found.arm for found in keeper.guard()} == {arm}
    after = policies.newest(store, "modelos")
    assert propensities(after) == left
    assert after.state is (PolicyState.RUNNING if left else PolicyState.PAUSED)
    assert (after.author, "taxa de erros" in after.reason) == (AUTHOR, True)


def test_what_nobody_saw_is_scored_too(store: Store, keeper: ExperimentKeeper) -> None:
    begin(store, mode=PolicyMode.SHADOW)
    shown = answer(store, "A", 1)
    beside = replace(answer(store, "B", 2), origin=Origin(OriginKind.SHADOW, shown.id))
    store.finish(beside)
    assert keeper.score() == 2
    assert all(row.scores for row in store.outcomes.of("modelos"))
