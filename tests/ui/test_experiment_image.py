"""The page's image has no scipy: what the tab needs must be there all the same."""

from pathlib import Path

from melancia.mlops import verdicts
from melancia.store import Store
from tests.clock import later
from tests.images import run_in_image
from tests.ui.experiments import NAME, begun, lived

TAB = """
from types import SimpleNamespace
import gradio as gr
from melancia.settings import load_settings
from melancia.store import Store
from melancia.ui.experiment_handlers import Handlers
from melancia.ui.experiment_tab import experiments_tab
from melancia.ui.identity import COOKIE, Identity

settings = load_settings(_env_file=None, data_dir=sys.argv[1])
identity, store = Identity(settings), Store.open(sys.argv[2])
runtime = SimpleNamespace(settings=settings, store=store)
with gr.Blocks(), gr.Tab("Experimentos") as shelf:
    experiments_tab(runtime, identity, shelf)
request = SimpleNamespace(cookies={COOKIE: identity.issue()}, headers={})
handlers = Handlers(runtime, identity)
box, conclude, said, which, overview, chart, *_ = handlers.open(None, request)
told = handlers.propose(request, "modelos", "promote", "B", "", None, None, None, "x")[2]
refused = handlers.conclude("modelos", request)[0]
assert "scipy" in missing, missing
print(box.visible, conclude.visible, chart.visible, told, refused, overview, sep="|")
"""


def test_the_tab_shows_the_ledger_where_no_verdict_can_be_computed(store: Store, tmp_path: Path) -> None:
    lived(store, begun(store), users=80, steps=2)
    with later():
        kept = verdicts.conclude(store, NAME)
    done = run_in_image("app", TAB, str(tmp_path), f"sqlite:///{tmp_path / 'melancia.db'}")
    assert done.returncode == 0, done.stderr
    box, conclude, chart, told, refused, overview = done.stdout.split("|", 5)
    assert (box, conclude, chart) == ("True", "False", "True")
    assert "B passa a responder a todos" in told
    assert "O worker calcula a cada hora" in refused
    assert kept.verdict.text in overview
