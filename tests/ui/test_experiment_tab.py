"""What the handlers of the tab "Experimentos" do: who may, what is confirmed, what has changed meanwhile."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from melancia.errors import StoreError
from melancia.mlops import policies
from melancia.mlops.decide.results import Status
from melancia.records import ModelState, ModelStatus, PolicyMode, PolicyState
from melancia.store import Store
from melancia.ui import experiment_change as changes
from melancia.ui import experiment_data as data
from melancia.ui.experiment_form import FIELDS
from melancia.ui.experiment_handlers import WIDTH, Handlers
from tests.standins.ollama import OllamaStandin
from tests.ui.conftest import STRANGERS, visit
from tests.ui.experiments import NAME, begun, lived
from tests.ui.test_experiment_form import FILLED

SHOWN = (
    *("which", "overview", "over_time", "difference", "forest", "checks", "history"),
    *("changing", "arm", "weights", "version", "bounds"),
)
ASKED = ("said", "asking", "told", "confirm", "waiting")
REFUSED = "Só quem administra pode mudar experimentos"


def panel_of(store: Store, folder: Path, **more: Any) -> tuple[Handlers, gr.Request]:
    """The handlers, and a visitor."""
    runtime, identity, request = visit(store, folder, **more)
    return Handlers(runtime, identity), request


def shown(values: tuple[Any, ...]) -> dict[str, Any]:
    """The part of a handler's values that shows an experiment."""
    return dict(zip(SHOWN, values[-WIDTH:], strict=True))


def asked(values: tuple[Any, ...]) -> dict[str, Any]:
    """The part of a handler's values that asks for a confirmation."""
    return dict(zip(ASKED, values[: len(ASKED)], strict=True))


@pytest.fixture(scope="module")
def seasoned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store with an experiment that has verdicts. Only to be read."""
    made = Store.open(f"sqlite:///{tmp_path_factory.mktemp('seasoned') / 'melancia.db'}")
    lived(made, begun(made), users=240, likes=(0.4, 0.9), steps=4)
    yield made
    made.close()


@pytest.mark.parametrize(
    ("given", "button", "now"),
    [
        (("pause_arm", "B", "", None), "Sim, pausar B", "em andamento"),
        (("promote", "B", "", None), "Sim, dar B a todos", "todos com B"),
        (("weights", None, "A=20; B=80,5", None), "Sim, mudar os pesos", "em andamento"),
        (("pause", None, "", None), f"Sim, pausar {NAME}", "pausado"),
        (("end", None, "", None), f"Sim, encerrar {NAME}", "encerrado"),
        (("rollback", None, "", 1), "Sim, voltar à versão 1", "em andamento"),
    ],
)
def test_a_change_is_made_only_when_it_is_confirmed(
    store: Store, tmp_path: Path, given: tuple[Any, ...], button: str, now: str
) -> None:
    begun(store)
    policies.change(store, NAME, "ana", "x", lambda policy: changes._weighted(policy, [("A", 1), ("B", 3)]))
    panel, request = panel_of(store, tmp_path)
    proposal = asked(panel.propose(request, NAME, *given, None, None, "  porque sim "))
    assert proposal["said"] == ""
    assert proposal["asking"].visible
    assert proposal["confirm"].value == button
    assert proposal["told"]
    assert policies.newest(store, NAME).version == 2
    values = panel.confirm(proposal["waiting"], NAME, request)
    assert asked(values)["said"] == f"✅ Feito: {NAME}, versão 3."
    assert not asked(values)["asking"].visible
    assert asked(values)["waiting"] is None
    made = policies.newest(store, NAME)
    assert policies.describe(made) == now
    assert made.reason == "porque sim"
    assert made.author.startswith("página (")
    assert now in shown(values)["overview"]
    assert "porque sim" in shown(values)["history"]


def test_guardrails_and_mode_are_changed_as_they_are_written(store: Store, tmp_path: Path) -> None:
    begun(store)
    panel, request = panel_of(store, tmp_path)

    def propose(kind: str, bounds: str | None = None, mode: str | None = None) -> dict[str, Any]:
        return asked(panel.propose(request, NAME, kind, None, "", None, bounds, mode, "x"))

    now = shown(panel.choose(NAME, request))["bounds"]
    assert now == "daily_spend=1; error_rate=0,2; p95_latency=20"
    proposal = propose("guard", now.replace("0,2", "0,05").replace("daily_spend=1; ", ""))
    assert "taxa de erros até 5 %; latência p95 até 20 s" in proposal["told"]
    found = shown(panel.confirm(proposal["waiting"], NAME, request))
    assert policies.newest(store, NAME).guardrails == {"error_rate": 0.05, "p95_latency": 20.0}
    assert "proteções: taxa de erros até 5 %" in found["history"]
    none = propose("guard", "  ")
    assert "As proteções passam a ser: nenhuma." in none["told"]
    for wrong, said in (("sorte=1", "Não existe a proteção"), ("error_rate=muita", "não é um número")):
        assert said in propose("guard", wrong)["said"]
    proposal = propose("mode", mode="shadow")
    assert "sombra" in proposal["told"]
    found = shown(panel.confirm(proposal["waiting"], NAME, request))
    assert policies.newest(store, NAME).mode is PolicyMode.SHADOW
    assert "todos com A, os outros na sombra" in found["overview"]
    assert "Falta dizer o modo" in propose("mode")["said"]
    assert "Esse modo não existe" in propose("mode", mode="forced")["said"]


def test_pauses_are_taken_back_and_weights_are_kept_as_written(store: Store, tmp_path: Path) -> None:
    begun(store)
    panel, request = panel_of(store, tmp_path)

    def do(kind: str, arm: str | None = None, weights: str = "") -> dict[str, Any]:
        waiting = asked(panel.propose(request, NAME, kind, arm, weights, None, None, None, "x"))["waiting"]
        return shown(panel.confirm(waiting, NAME, request))

    assert "A em pausa" in do("pause_arm", "A")["overview"]
    assert "em pausa" not in do("resume_arm", "A")["overview"]
    do("pause")
    do("resume")
    assert policies.newest(store, NAME).state is PolicyState.RUNNING
    found = do("weights", weights="B = 0,5 ;A=1.5")
    assert found["weights"] == "A=1,5; B=0,5"
    assert [label for label, _ in found["version"].choices][
        -1
    ] == "1 · em andamento · O modelo pago é melhor?"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ((NAME, None, None, "", None, None, None, "x"), "Falta dizer o que mudar"),
        ((NAME, "explodir", None, "", None, None, None, "x"), "Falta dizer o que mudar"),
        ((NAME, "pause_arm", None, "", None, None, None, "x"), "Falta dizer o braço. Há: A, B."),
        ((NAME, "promote", "C", "", None, None, None, "x"), "Falta dizer o braço"),
        ((NAME, "pause", None, "", None, None, None, "  "), "Falta dizer por quê"),
        ((NAME, "rollback", None, "", None, None, None, "x"), "Falta dizer a versão"),
        ((NAME, "weights", None, "A=50", None, None, None, "x"), "Dê um peso a cada braço"),
        ((NAME, "weights", None, "A=1; A=2; B=1", None, None, None, "x"), "Dê um peso a cada braço"),
        ((NAME, "weights", None, "A=um; B=1", None, None, None, "x"), "não é um número"),
        (("outro", "pause", None, "", None, None, None, "x"), "Não há experimento outro"),
        ((None, "pause", None, "", None, None, None, "x"), "Não há experimento"),
    ],
)
def test_what_cannot_be_proposed_is_said(
    store: Store, tmp_path: Path, given: tuple[Any, ...], said: str
) -> None:
    begun(store)
    panel, request = panel_of(store, tmp_path)
    found = asked(panel.propose(request, *given))
    assert said in found["said"]
    assert found["waiting"] is None
    assert not found["asking"].visible


def test_what_the_rules_forbid_is_said_when_confirmed(store: Store, tmp_path: Path) -> None:
    begun(store)
    panel, request = panel_of(store, tmp_path)
    waiting = asked(panel.propose(request, NAME, "weights", None, "A=0; B=0", None, None, None, "x"))[
        "waiting"
    ]
    assert "Nenhum braço receberia usuários" in panel.confirm(waiting, NAME, request)[0]
    waiting = asked(panel.propose(request, NAME, "resume", None, "", None, None, None, "x"))["waiting"]
    assert "Nada mudaria" in panel.confirm(waiting, NAME, request)[0]
    assert "Não há o que confirmar" in panel.confirm(None, NAME, request)[0]
    assert policies.newest(store, NAME).version == 1


def test_a_change_that_somebody_forestalled_is_refused(store: Store, tmp_path: Path) -> None:
    begun(store)
    panel, request = panel_of(store, tmp_path)
    waiting = asked(panel.propose(request, NAME, "promote", "B", "", None, None, None, "x"))["waiting"]
    policies.pause(store, NAME, "proteção", "B falha", "B")
    values = panel.confirm(waiting, NAME, request)
    assert "mudou enquanto isso" in values[0]
    assert "B em pausa" in shown(values)["overview"]
    assert policies.newest(store, NAME).mode is PolicyMode.STICKY


@pytest.mark.parametrize(("cookie", "overrides"), STRANGERS)
def test_nobody_else_changes_anything_but_everybody_reads(
    store: Store, tmp_path: Path, cookie: bool, overrides: dict[str, str]
) -> None:
    policy = begun(store)
    panel, request = panel_of(store, tmp_path, cookie=cookie, **overrides)
    # Even one that an administrator had proposed.
    waiting = changes.propose(policy, "end", arm=None, weights="", to=None, why="x")
    answers = (
        panel.propose(request, NAME, "end", None, "", None, None, None, "x"),
        panel.propose_new(request, *(FILLED[name] for name in FIELDS)),
        panel.confirm(waiting, NAME, request),
        panel.conclude(NAME, request),
    )
    for values in answers:
        assert REFUSED in values[0]
    assert all(asked(values)["waiting"] is None for values in answers[:3])
    assert policies.newest(store, NAME).version == 1
    assert store.outcomes.ledger(NAME) == []
    assert panel.choices(request) == (gr.skip(),) * 4
    box, conclude, *_ = values = panel.open(None, request)
    assert (box.visible, conclude.visible) == (False, False)
    assert NAME in shown(values)["overview"]


def test_models_are_not_named_to_visitors_of_a_blind_page(seasoned: Store, tmp_path: Path) -> None:
    def seen(folder: str, **overrides: Any) -> str:
        panel, request = panel_of(seasoned, tmp_path / folder, **overrides)
        return str(panel.open(None, request))

    assert "gpt-4o-mini" in seen("aberta", allowed_origins="https://exemplo.com")
    assert "gpt-4o-mini" in seen("dono", blind=True)
    hidden = seen("cega", blind=True, allowed_origins="https://exemplo.com")
    assert "gpt-4o-mini" not in hidden
    assert "llama" not in hidden


def test_the_running_experiment_is_shown_first_and_what_was_chosen_stays(
    store: Store, tmp_path: Path
) -> None:
    panel, request = panel_of(store, tmp_path)
    found = shown(panel.open(None, request))
    assert "Nenhum experimento foi criado" in found["overview"]
    assert not found["changing"].visible
    begun(store, "antigo")
    policies.pause(store, "antigo", "ana", "x")
    begun(store)
    policies.end(store, "antigo", "ana", "x")  # the latest change is not of the running one
    found = shown(panel.open(None, request))
    assert found["which"].value == NAME
    assert {value for _, value in found["which"].choices} == {NAME, "antigo"}
    assert shown(panel.open("antigo", request))["which"].value == "antigo"
    values = panel.choose("antigo", request)
    assert "encerrado" in shown(values)["overview"]
    assert asked(values)["waiting"] is None
    assert shown(panel.open("apagado", request))["which"].value == NAME


def test_an_experiment_is_created_and_the_promoted_one_makes_way(store: Store, tmp_path: Path) -> None:
    begun(store)
    panel, request = panel_of(store, tmp_path)
    given = [FILLED[name] for name in FIELDS]
    waiting = asked(panel.propose_new(request, *given))["waiting"]
    assert "só um distribui usuários por vez" in panel.confirm(waiting, NAME, request)[0]
    policies.promote(store, NAME, "ana", "x", "B")
    proposal = asked(panel.propose_new(request, *given))
    assert f"O experimento {NAME}, já promovido, se encerra." in proposal["told"]
    values = panel.confirm(proposal["waiting"], NAME, request)
    assert shown(values)["which"].value == "curto"
    assert policies.newest(store, NAME).state is PolicyState.ENDED
    assert "Já existe" in panel.confirm(proposal["waiting"], NAME, request)[0]
    assert "Falta dizer por quê" in panel.propose_new(request, *given[:-1], "")[0]


def test_an_arm_without_a_key_is_refused_and_a_model_still_to_come_is_told(
    store: Store, tmp_path: Path
) -> None:
    with OllamaStandin(models=["mistral:7b"]) as server:
        more = {"ollama_base_url": server.url, "mlflow_url": "http://127.0.0.1:9", "openai_api_key": ""}
        panel, request = panel_of(store, tmp_path, **more)
        paid = FILLED | {"model_B": "openai:gpt-4o-mini"}
        refused = asked(panel.propose_new(request, *(paid[name] for name in FIELDS)))
        assert "O braço B não responderia a ninguém. Falta a chave" in refused["said"]
        assert refused["waiting"] is None
        proposal = asked(panel.propose_new(request, *(FILLED[name] for name in FIELDS)))
        assert "⚠️ O Ollama ainda não tem llama3.2:3b" in proposal["told"]
    found = shown(panel.confirm(proposal["waiting"], None, request))
    assert "Ninguém é distribuído por enquanto: o Ollama ainda não tem llama3.2:3b." in found["overview"]
    store.models.put(ModelStatus("llama3.2:3b", ModelState.READY))
    assert "Ninguém é distribuído" not in shown(panel.choose("curto", request))["overview"]


def test_a_promotion_that_the_evidence_does_not_carry_is_warned_of(seasoned: Store, tmp_path: Path) -> None:
    panel, request = panel_of(seasoned, tmp_path)
    newest = data.ledger(seasoned, NAME, 1)[0].verdict
    assert (newest.status, newest.arm) == (Status.BETTER, "B")

    def told(arm: str) -> str:
        return str(asked(panel.propose(request, NAME, "promote", arm, "", None, None, None, "x"))["told"])

    assert "⚠️" not in told("B")
    assert "O veredito mais novo não recomenda isso" in told("A")


def test_a_verdict_is_computed_where_that_is_possible(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun(store)
    panel, request = panel_of(store, tmp_path)
    assert panel.open(None, request)[1].visible
    values = panel.conclude(NAME, request)
    assert "Veredito 1" in values[0]
    assert "Ainda é cedo" in shown(values)["overview"]
    assert len(store.outcomes.ledger(NAME)) == 1
    monkeypatch.setattr(data, "find_spec", lambda _name: None)
    assert not panel.open(None, request)[1].visible
    assert "O worker calcula a cada hora" in panel.conclude(NAME, request)[0]


def test_only_the_fields_that_a_change_needs_are_shown(store: Store, tmp_path: Path) -> None:
    panel, _ = panel_of(store, tmp_path)

    def visible(kind: str) -> list[bool]:
        return [component.visible for component in panel.fields(kind)[:3]]

    assert visible("promote") == [True, False, False]
    assert visible("weights") == [False, True, False]
    assert visible("rollback") == [False, False, True]
    assert visible("end") == [False, False, False]
    assert panel.cancel()[-1] is None


def test_a_store_that_is_away_is_said(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    panel, request = panel_of(store, tmp_path)

    def away() -> None:
        raise StoreError("O banco não responde.")

    monkeypatch.setattr(store.policies, "list", away)
    found = shown(panel.open(None, request))
    assert "O banco não responde" in found["overview"]
    assert not found["over_time"].visible
