"""What the handlers of the tab "Saúde" do: who may, what is started, seen and put away."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from melancia.errors import StoreError
from melancia.records import ActionState, JobState
from melancia.store import Store
from melancia.ui.health_handlers import LIVE, WIDTH, Handlers
from tests.ui import health as seeds
from tests.ui.conftest import STRANGERS, visit

SHOWN = (
    *("which", "overview", "actions", "figure", "plot", "numbers", "gaps", "base", "framed", "document"),
)
REPOSITORY = Path(__file__).parents[2]
LIVING = ("running", "timer", "seen")


def panel_of(store: Store, folder: Path, **more: Any) -> tuple[Handlers, gr.Request]:
    """The handlers, and a visitor."""
    runtime, identity, request = visit(store, folder, **more)
    return Handlers(runtime, identity), request


def shown(values: tuple[Any, ...]) -> dict[str, Any]:
    """What a handler gave for the report, and for open searches where it gave that."""
    found = dict(zip(SHOWN, values[-WIDTH:], strict=True))
    before = values[:-WIDTH]
    return found | (dict(zip(LIVING, before[-LIVE:], strict=True)) if len(before) >= LIVE else {})


def pressed(asks: str, of: str) -> gr.EventData:
    """A button of an action."""
    return gr.EventData(None, {"pede": asks, "id": of})


def test_the_newest_report_is_shown_and_another_can_be_chosen(store: Store, tmp_path: Path) -> None:
    seeds.lived(store)
    panel, request = panel_of(store, tmp_path)
    box, said, *_ = values = panel.open(None, None, request)
    assert (box.visible, said) == (True, "")
    found = shown(values)
    assert [label.partition(" · ")[2] for label, _ in found["which"].choices] == [
        "4 mudanças",
        "estável",
        "poucos dados: faltam 88 interações",
    ]
    assert found["which"].value == seeds.NEWEST
    assert "Mudanças encontradas" in found["overview"]
    assert found["figure"].value == "latency"
    assert found["plot"].visible
    assert "suplemento" in found["gaps"]
    assert found["base"].visible
    assert found["framed"].visible
    assert f"{seeds.NEWEST}.html" in found["document"]
    assert "O Full aceita suplemento? Escreva para [" in found["overview"]
    assert "ana@exemplo.com" not in str(values)
    assert found["running"] == ""
    assert not found["timer"].active
    found = shown(panel.choose(seeds.CALM, request))
    assert "✅ Estável" in found["overview"]
    assert not found["framed"].visible
    assert not found["base"].visible
    assert shown(panel.choose("apagado", request))["which"].value == seeds.NEWEST
    kept = shown(panel.open(seeds.OLDEST, "unanswered", request))
    assert kept["which"].value == seeds.OLDEST
    assert kept["figure"].value == "unanswered"


def test_an_empty_store_is_told_of(store: Store, tmp_path: Path) -> None:
    panel, request = panel_of(store, tmp_path)
    found = shown(panel.open(None, None, request))
    assert "Ainda não há relatório" in found["overview"]
    for name in ("which", "figure", "plot", "framed", "base"):
        assert not found[name].visible, name
    assert panel.trend(None)[1] == ""


def test_an_administrator_starts_one_search_at_a_time(store: Store, tmp_path: Path) -> None:
    panel, request = panel_of(store, tmp_path)
    said, *_ = values = panel.start(" 12h", "benchmark", None, request)
    assert "Busca pedida" in said
    (job,) = store.jobs.list()
    assert (job.name, job.parameters) == ("drift", {"current": "12h", "reference": "benchmark"})
    found = shown(values)
    assert "Busca de mudanças" in found["running"]
    assert found["timer"].active
    assert found["seen"] == (job.id,)
    assert "Já há uma busca em curso" in panel.start("7d", "28d", None, request)[0]
    assert len(store.jobs.list()) == 1


def test_what_is_usual_is_left_to_the_settings_and_what_is_wrong_is_said(
    store: Store, tmp_path: Path
) -> None:
    panel, request = panel_of(store, tmp_path, drift_reference="/dados/antes.jsonl")
    assert "“current” não vale" in panel.start("ontem", "28d", None, request)[0]
    assert "“reference” não vale" in panel.start("7d", "/etc/passwd", None, request)[0]
    assert store.jobs.list() == []
    assert "Busca pedida" in panel.start("7d", "/dados/antes.jsonl", None, request)[0]
    assert store.jobs.list()[0].parameters == {}


def test_when_a_search_ends_its_report_is_shown(store: Store, tmp_path: Path) -> None:
    seeds.lived(store)
    panel, request = panel_of(store, tmp_path)
    seen = shown(panel.start(None, None, None, request))["seen"]
    (job,) = store.jobs.list()
    assert job.parameters == {}
    waiting = panel.tick(seen, seeds.OLDEST, None, request)
    assert all(value == gr.skip() for value in waiting[LIVE:])
    store.jobs.finish(job.id, JobState.FAILED, error="Falta memória.")
    fresh = seeds.report("9" * 32, created_at=seeds.NOW.replace(year=2027))
    store.reports.keep(fresh)
    found = shown(panel.tick(seen, seeds.OLDEST, None, request))
    assert found["which"].value == fresh.id
    assert "falhou: Falta memória." in found["running"]
    assert not found["timer"].active


def test_an_action_is_put_away_and_leads_to_its_report(store: Store, tmp_path: Path) -> None:
    seeds.lived(store)
    panel, request = panel_of(store, tmp_path)
    said, *_ = values = panel.pressed(seeds.CALM, "cost", pressed("visto", "hold-done"), request)
    assert "Feito" in said
    found = shown(values)
    assert found["which"].value == seeds.CALM
    assert found["figure"].value == "cost"
    assert "em aberto (4)" in found["actions"]
    assert store.reports.holds("modelos") == []
    assert "já não está em aberto" in panel.pressed(None, None, pressed("visto", "hold-done"), request)[0]
    for asks, of in (("visto", "nenhuma"), ("apagar", "gaps-planned"), ("", "")):
        assert "já não está em aberto" in panel.pressed(None, None, pressed(asks, of), request)[0]
    nothing = gr.EventData(None, None)
    assert "já não está em aberto" in panel.pressed(None, None, nothing, request)[0]
    values = panel.pressed(seeds.CALM, None, pressed("relatorio", seeds.NEWEST), request)
    assert shown(values)["which"].value == seeds.NEWEST


@pytest.mark.parametrize(("cookie", "overrides"), STRANGERS)
def test_nobody_else_changes_anything(
    store: Store, tmp_path: Path, cookie: bool, overrides: dict[str, str]
) -> None:
    seeds.lived(store)
    panel, request = panel_of(store, tmp_path, cookie=cookie, **overrides)
    for values in (
        panel.start("7d", "28d", None, request),
        panel.pressed(None, None, pressed("visto", "hold-done"), request),
    ):
        assert "Só quem administra" in values[0]
    assert store.jobs.list() == []
    open_ones = store.reports.actions(states=[ActionState.DONE, ActionState.PLANNED, ActionState.FAILED])
    assert len(open_ones) == 5
    box, *_ = values = panel.open(None, None, request)
    assert not box.visible
    found = shown(values)
    assert "Mudanças encontradas" in found["overview"]
    assert found["document"] == ""
    assert not found["base"].visible
    assert "Marcar como visto" not in found["actions"]
    assert "aceita suplemento" not in str(values)


def test_a_store_that_is_away_is_said(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    panel, request = panel_of(store, tmp_path)

    def away(*_: Any) -> None:
        raise StoreError("O banco não responde.")

    monkeypatch.setattr(store.reports, "list", away)
    assert "O banco não responde" in shown(panel.choose(None, request))["overview"]
    assert "O banco não responde" in panel.trend("latency")[1]
    monkeypatch.setattr(store.jobs, "open", away)
    assert all(value == gr.skip() for value in panel.tick((), None, None, request))


# What finds changes is heavy, and is not in the page's image.
LIGHT = """
import sys
from types import SimpleNamespace
for heavy in ("scipy", "statsmodels", "sklearn", "evidently", "matplotlib", "py3langid"):
    sys.modules[heavy] = None  # as if it were not installed
import melancia.api
from melancia.settings import load_settings
from melancia.store import Store
from melancia.ui.health_handlers import Handlers
from melancia.ui.identity import COOKIE, Identity

settings = load_settings(_env_file=None, data_dir=sys.argv[1])
identity, store = Identity(settings), Store.open(sys.argv[2])
request = SimpleNamespace(cookies={COOKIE: identity.issue()}, headers={})
panel = Handlers(SimpleNamespace(settings=settings, store=store, jobs=None), identity)
values = panel.open(None, None, request)
print(values[9].visible, "melancia.mlops.drift" in sys.modules, values[6], sep="|")
"""


def test_the_page_needs_nothing_heavy(store: Store, tmp_path: Path) -> None:
    seeds.lived(store)
    command = [sys.executable, "-c", LIGHT, str(tmp_path), f"sqlite:///{tmp_path / 'melancia.db'}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=REPOSITORY)
    assert done.returncode == 0, done.stderr
    plot, drift, overview = done.stdout.split("|", 2)
    assert (plot, drift) == ("True", "False")
    assert "Mudanças encontradas" in overview
