"""The page's image has no scipy: what the tab needs must be there all the same."""

import subprocess
import sys
from pathlib import Path

from melancia.mlops import verdicts
from melancia.store import Store
from tests.ui.experiments import NAME, begun, lived

REPOSITORY = Path(__file__).parents[2]
# Only what is locked for the page's image can be imported, as if nothing else were installed.
ONLY_LOCKED = """
import sys
from importlib.metadata import packages_distributions
from types import SimpleNamespace
locked = set(sys.argv[1].split(","))
missing = {
    name for name, owners in packages_distributions().items()
    if not {owner.lower().replace("_", "-") for owner in owners} & locked
} - {"melancia"}

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in missing:
            raise ModuleNotFoundError(name, name=name)

sys.meta_path.insert(0, Missing())
sys.modules["scipy"] = None  # for whoever asks whether it is there
import gradio as gr
from melancia.settings import load_settings
from melancia.store import Store
from melancia.ui.experiment_handlers import Handlers
from melancia.ui.experiment_tab import experiments_tab
from melancia.ui.identity import COOKIE, Identity

settings = load_settings(_env_file=None, data_dir=sys.argv[2])
identity, store = Identity(settings), Store.open(sys.argv[3])
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
    kept = verdicts.conclude(store, NAME)
    lines = (REPOSITORY / "requirements" / "app.txt").read_text("utf-8").splitlines()
    locked = ",".join(line.partition("==")[0] for line in lines if "==" in line)
    command = [
        sys.executable,
        "-c",
        ONLY_LOCKED,
        locked,
        str(tmp_path),
        f"sqlite:///{tmp_path / 'melancia.db'}",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=REPOSITORY)
    assert done.returncode == 0, done.stderr
    box, conclude, chart, told, refused, overview = done.stdout.split("|", 5)
    assert (box, conclude, chart) == ("True", "False", "True")
    assert "B passa a responder a todos" in told
    assert "O worker calcula a cada hora" in refused
    assert kept.verdict.text in overview
