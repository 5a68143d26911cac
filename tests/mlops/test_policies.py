"""Experiments changed by people: what is accepted, what becomes of it, what is refused and why."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from melancia.agent.router import propensities
from melancia.errors import InputError, SettingsError
from melancia.mlops import policies
from melancia.mlops.seeding import NAME, seed
from melancia.records import Arm, Policy, PolicyMode, PolicyState, Variant
from melancia.settings import load_settings
from melancia.store import Store

A, B, C = (Variant("ollama", name) for name in "abc")
WANTED = Policy("modelos", (Arm("A", A), Arm("B", B)), "", author="ana", reason="comparar")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A fresh store."""
    made = Store.open(f"sqlite:///{tmp_path / 'melancia.db'}")
    yield made
    made.close()


def test_a_life_of_an_experiment_is_in_its_history(store: Store) -> None:
    first = policies.create(store, WANTED)
    assert len(first.salt) == 16
    policies.pause(store, "modelos", "bia", "B erra", "B")
    assert propensities(policies.newest(store, "modelos")) == {"A": 1.0}
    policies.resume(store, "modelos", "bia", "corrigido", "B")
    policies.pause(store, "modelos", "bia", "fim de semana")
    assert store.policies.running() is None
    policies.resume(store, "modelos", "bia", "segunda")
    policies.promote(store, "modelos", "ana", "B é melhor", "B")
    promoted = policies.newest(store, "modelos")
    assert (promoted.mode, propensities(promoted)) == (PolicyMode.FORCED, {"B": 1.0})
    assert policies.describe(promoted) == "todos com B"
    back = policies.rollback(store, "modelos", "ana", "reclamações")
    assert (back.mode, back.version) == (PolicyMode.STICKY, 7)
    assert back.hash == first.hash
    assert policies.rollback(store, "modelos", "ana", "de novo", 6).hash == promoted.hash
    policies.end(store, "modelos", "ana", "acabou")
    assert store.policies.running() is None
    with pytest.raises(InputError, match="encerrado"):
        policies.rollback(store, "modelos", "ana", "arrependi")
    history = store.policies.history("modelos")
    assert [(one.version, one.author) for one in history][:2] == [(9, "ana"), (8, "ana")]
    assert [one.reason for one in reversed(history)][:3] == ["comparar", "B erra", "corrigido"]
    # A user stays with the same draw through all of it.
    assert {one.salt for one in history} == {first.salt}


def test_a_shadow_becomes_an_ab_test_and_guardrails_are_changed(store: Store) -> None:
    policies.create(store, replace(WANTED, mode=PolicyMode.SHADOW))
    shadow = policies.newest(store, "modelos")
    assert propensities(shadow) == {"A": 1.0}
    assert policies.describe(shadow) == "todos com A, os outros na sombra"
    policies.guard(store, "modelos", "ana", "cautela", {"p95_latency": 20.0, "error_rate": 0.1})
    shown = policies.remode(store, "modelos", "ana", "B responde melhor", PolicyMode.STICKY)
    assert propensities(shown) == {"A": 0.5, "B": 0.5}
    assert shown.guardrails == {"error_rate": 0.1, "p95_latency": 20.0}
    assert policies.guard(store, "modelos", "ana", "sem", {}).guardrails == {}
    with pytest.raises(InputError, match="entre 0 e 1"):
        policies.guard(store, "modelos", "ana", "x", {"error_rate": 7.0})
    with pytest.raises(InputError, match="braço é de todos"):
        policies.remode(store, "modelos", "ana", "x", PolicyMode.FORCED)
    assert policies.describe(policies.remode(store, "modelos", "ana", "x", PolicyMode.HYBRID)) == (
        "rascunho de A, final a pedido"
    )


def test_one_experiment_routes_at_a_time(store: Store) -> None:
    policies.create(store, WANTED)
    other = replace(WANTED, experiment="prompts", arms=(Arm("A", A), Arm("B", replace(A, k=3))))
    with pytest.raises(InputError, match="modelos está em andamento"):
        policies.create(store, other)
    assert store.policies.newest("prompts") is None
    policies.promote(store, "modelos", "ana", "melhor", "A")
    policies.create(store, other)
    ended = policies.newest(store, "modelos")
    assert (ended.state, "prompts" in ended.reason) == (PolicyState.ENDED, True)
    policies.pause(store, "prompts", "ana", "ver")
    with pytest.raises(InputError, match="encerrado"):
        policies.resume(store, "modelos", "ana", "volta")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"experiment": "Modelos!"}, "nome do experimento"),
        ({"arms": (Arm("A", A),)}, "dois braços"),
        ({"arms": (Arm("A", A), Arm("A", B))}, "nomes dos braços"),
        ({"arms": (Arm("A", A), Arm("B", A))}, "mesma variante"),
        ({"arms": (Arm("A", A, -1.0), Arm("B", B))}, "peso"),
        ({"arms": (Arm("A", A, float("nan")), Arm("B", B))}, "peso"),
        ({"arms": (Arm("A", A, 0.0), Arm("B", B, 0.0))}, "Nenhum braço"),
        ({"mode": PolicyMode.FORCED, "forced": "C"}, "braço é de todos"),
        ({"floor": 0.6}, "piso"),
        ({"mode": PolicyMode.HYBRID, "arms": (Arm("A", A), Arm("B", B), Arm("C", C))}, "tem dois braços"),
        ({"mode": PolicyMode.SHADOW, "arms": (Arm("A", A, paused=True), Arm("B", B))}, "Nenhum braço"),
        ({"primary_metric": "sorte"}, "métrica principal"),
        ({"guardrails": {"inventado": 1.0}}, "Não existe"),
        ({"guardrails": {"error_rate": 1.5}}, "entre 0 e 1"),
    ],
)
def test_what_makes_no_experiment_is_refused_and_nothing_kept(
    store: Store, changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        policies.create(store, replace(WANTED, **changes))
    assert store.policies.list() == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda store: policies.create(store, WANTED), "Já existe"),
        (lambda store: policies.pause(store, "outro", "ana", "x"), "Há: modelos"),
        (lambda store: policies.pause(store, "modelos", "ana", "  "), "por quê"),
        (lambda store: policies.pause(store, "modelos", "ana", "x", "C"), "Os braços são: A, B"),
        (lambda store: policies.resume(store, "modelos", "ana", "x"), "Nada mudaria"),
        (lambda store: policies.rollback(store, "modelos", "ana", "x"), "versão anterior"),
        (lambda store: policies.rollback(store, "modelos", "ana", "x", 9), "versão 9"),
        (lambda store: policies.promote(store, "modelos", "ana", "x", "C"), "Não há braço C"),
    ],
)
def test_a_change_that_cannot_be_says_why(store: Store, change: Callable[[Store], Policy], said: str) -> None:
    policies.create(store, WANTED)
    with pytest.raises(InputError) as error:
        change(store)
    assert said in str(error.value)
    assert len(store.policies.history("modelos")) == 1


def test_the_settings_begin_the_first_experiment_and_no_other(store: Store) -> None:
    def settings(**given: str) -> Any:
        return load_settings(_env_file=None, **given)

    assert seed(settings(), store) is None
    with pytest.raises(SettingsError, match="Só um dos braços"):
        seed(settings(variant_a="ollama:a"), store)
    with pytest.raises(SettingsError, match="provedor"):
        seed(settings(variant_a="ollama:a", variant_b="b"), store)
    made = seed(settings(variant_a="ollama:a", variant_b="openai:b", weights="80, 20"), store)
    assert made is not None
    assert (made.experiment, propensities(made)) == (NAME, {"A": 0.8, "B": 0.2})
    assert [arm.variant.label for arm in made.arms] == ["ollama:a", "openai:b"]
    assert seed(settings(variant_a="ollama:c", variant_b="openai:d"), store) is None
    assert len(store.policies.list()) == 1
