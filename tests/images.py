"""Code as it runs in one of the images: only what is locked for it can be imported."""

import os
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
_ONLY_LOCKED = """
import sys
from importlib.metadata import packages_distributions
locked = set(sys.argv.pop(1).split(","))
missing = {
    name for name, owners in packages_distributions().items()
    if not {owner.lower().replace("_", "-") for owner in owners} & locked
} - {"melancia"}

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in missing:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Missing())
# Whoever only asks whether a package is there is told no, too.
sys.modules.update(dict.fromkeys(missing & {"scipy"}))
"""


def run_in_image(
    image: str, code: str, *arguments: str, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run ``code`` with ``arguments`` as its ``sys.argv[1:]``; ``missing`` names what it cannot import.

    ``image`` is that of ``requirements/<image>.txt``.
    """
    lines = (REPOSITORY / "requirements" / f"{image}.txt").read_text("utf-8").splitlines()
    locked = ",".join(line.partition("==")[0] for line in lines if "==" in line)
    return subprocess.run(
        [sys.executable, "-c", _ONLY_LOCKED + code, locked, *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=REPOSITORY,
        env={**os.environ, **variables},
    )
