"""A real SQLite store."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from melancia.store import Store


@pytest.fixture
def url(tmp_path: Path) -> str:
    """Address of a database that does not exist yet, in a folder that does not either."""
    return f"sqlite:///{tmp_path / 'novo' / 'melancia.db'}"


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    """An open store."""
    made = Store.open(url)
    yield made
    made.close()
