"""Routing as the page has it: a pause is felt, a model still to come harms no arm, a lost store nobody."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from melancia import routes
from melancia.mlops import policies
from melancia.records import Arm, ModelState, ModelStatus, Policy, Variant
from melancia.routes import Routes
from melancia.settings import load_settings
from melancia.store import Store

A, B, DUE = Variant("ollama", "a:1b"), Variant("ollama", "b:1b"), Variant("openai", "c")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A fresh store."""
    made = Store.open(f"sqlite:///{tmp_path / 'melancia.db'}")
    yield made
    made.close()


@pytest.fixture
def of(store: Store, monkeypatch: pytest.MonkeyPatch) -> Routes:
    """Routes that look at the store each time."""
    monkeypatch.setattr(routes, "_LASTS", -1.0)
    return Routes(load_settings(_env_file=None, fallbacks="openai:reserva"), store, lambda: DUE)


def begin(store: Store) -> Policy:
    """An experiment between A and B."""
    return policies.create(store, Policy("modelos", (Arm("A", A), Arm("B", B)), "", reason="ver"))


def test_without_an_experiment_whoever_is_due_answers(of: Routes) -> None:
    route = of.route(None, "ana")
    assert (route.assignment.variant, route.assignment.experiment) == (DUE, None)
    assert [variant.label for variant in route.chain] == [
        "openai:c",
        "openai:reserva",
        "extractive:extractive",
    ]


def test_users_get_their_arms_and_the_fallbacks_after_them(of: Routes, store: Store) -> None:
    policy = begin(store)
    given = {user: of.route(None, user) for user in map(str, range(200))}
    assert {route.assignment.arm for route in given.values()} == {"A", "B"}
    for user, route in given.items():
        assert route.assignment == of.route(None, user).assignment
        assert (route.assignment.experiment, route.assignment.policy) == ("modelos", policy.hash)
        assert route.chain[0] == route.assignment.variant
        assert route.chain[-1].provider == "extractive"


def test_who_asks_for_a_model_gets_it_outside_the_experiment(of: Routes, store: Store) -> None:
    begin(store)
    route = of.route(DUE, "ana")
    assert (route.assignment.variant, route.assignment.experiment) == (DUE, None)


def test_a_pause_is_felt_by_the_next_question(of: Routes, store: Store) -> None:
    begin(store)
    assert of.route(None, "ana").assignment.experiment
    policies.pause(store, "modelos", "ana", "ver")
    assert of.route(None, "ana").assignment.experiment is None


@pytest.mark.parametrize("state", [ModelState.PULLING, ModelState.WAITING, ModelState.FAILED])
def test_while_a_model_is_still_to_come_nobody_is_assigned(
    of: Routes, store: Store, state: ModelState
) -> None:
    begin(store)
    store.models.put(ModelStatus("b:1b", state))
    assert of.route(None, "ana").assignment.experiment is None
    store.models.put(ModelStatus("b:1b", ModelState.READY))
    assert of.route(None, "ana").assignment.experiment == "modelos"


def test_where_a_worker_pulls_an_arm_that_it_has_not_told_of_is_still_to_come(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routes, "_LASTS", -1.0)
    begin(store)

    def given(**settings: str) -> str | None:
        made = Routes(load_settings(_env_file=None, **settings), store, lambda: DUE)
        return made.route(None, "ana").assignment.experiment

    assert given() == "modelos", "without a worker that pulls, a model counts as there"
    for worker in ({"mlflow_url": "http://127.0.0.1:9"}, {"launcher_url": "http://127.0.0.1:9"}):
        store.models.keep_only([])
        assert given(**worker) is None
        store.models.put(ModelStatus("A:1B", ModelState.READY))
        assert given(**worker) is None
        store.models.put(ModelStatus("b:1b", ModelState.READY))
        assert given(**worker) == "modelos"


def test_a_model_that_no_open_arm_needs_holds_up_nobody(of: Routes, store: Store) -> None:
    begin(store)
    store.models.put(ModelStatus("b:1b", ModelState.FAILED))
    policies.pause(store, "modelos", "ana", "ver", "B")
    assert of.route(None, "ana").assignment.arm == "A"
    policies.promote(store, "modelos", "ana", "ver", "A")
    assert of.route(None, "ana").assignment.arm == "A"
    policies.promote(store, "modelos", "ana", "ver", "B")
    assert of.route(None, "ana").assignment.experiment is None


def test_a_store_that_is_lost_changes_nobodys_arm(of: Routes, store: Store) -> None:
    begin(store)
    before = of.route(None, "ana")
    store.close()
    with store._engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE policies RENAME TO outra")
    assert of.route(None, "ana") == before


def test_the_store_is_not_asked_for_each_question(store: Store) -> None:
    begin(store)
    kept = Routes(load_settings(_env_file=None), store, lambda: DUE)
    kept.route(None, "ana")
    asked = 0
    whole = store.policies.running

    def counted() -> Policy | None:
        nonlocal asked
        asked += 1
        return whole()

    store.policies.running = counted  # type: ignore[method-assign]
    begun = time.monotonic()
    for number in range(500):
        kept.route(None, str(number))
    assert asked <= 1 + (time.monotonic() - begun) / routes._LASTS
