"""The application over the real base with two models on one Ollama, as experiments of two arms need it."""

from pathlib import Path
from typing import Any

from melancia.app import Runtime
from melancia.records import Variant
from melancia.settings import load_settings
from tests.conftest import KNOWLEDGE
from tests.standins.ollama import OllamaStandin

QUESTION = "Como ganho a buy box no Mercado Livre?"
NAMES = ("a:1b", "b:1b")
A, B = (Variant("ollama", name) for name in NAMES)


def open_two(folder: Path, store: Path, ollama: OllamaStandin, **changes: Any) -> Runtime:
    """Its index is in ``folder``, which tests may share, its database in ``store``. The caller closes it."""
    settings = load_settings(
        _env_file=None,
        **{
            "data_dir": folder,
            "database_url": f"sqlite:///{store / 'melancia.db'}",
            "knowledge_dir": KNOWLEDGE,
            "variant": f"ollama:{NAMES[0]}",
            "ollama_base_url": ollama.url,
            **changes,
        },
    )
    made = Runtime.open(settings)
    made.index.ensure_ingested()
    made.index.compute_vectors()
    return made
