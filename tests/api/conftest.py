"""A runtime over a small knowledge folder, vectors computed."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from melancia.app import Runtime
from melancia.settings import load_settings

ARTICLE = """---
id: buy-box
title: Buy box
topic: catalogo
marketplace: [mercado-livre]
questions: ["Como ganho a buy box?"]
---
# Buy box

## Como ganhar a buy box

A buy box do Mercado Livre depende de preço final, prazo de entrega e reputação do vendedor. O anúncio
ganhador recebe quase todas as vendas da página de catálogo.
"""


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    """An open runtime, anonymous users, five questions a minute."""
    made = open_runtime(tmp_path_factory.mktemp("data"), questions_per_minute=5)
    yield made
    made.close()


def open_runtime(folder: Path, **overrides: object) -> Runtime:
    """A runtime whose data is in ``folder``."""
    knowledge = folder / "knowledge"
    knowledge.mkdir(exist_ok=True)
    (knowledge / "buy-box.md").write_text(ARTICLE, encoding="utf-8")
    values = {"data_dir": folder, "knowledge_dir": knowledge, "variant": "extractive"} | overrides
    return Runtime.open(load_settings(_env_file=None, **values))
