"""A real store, on SQLite and on PostgreSQL."""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from melancia.store import Store
from tests.postgres import create_database


@pytest.fixture
def url(tmp_path: Path) -> str:
    """Address of a SQLite database that does not exist yet, in a folder that does not either."""
    return f"sqlite:///{tmp_path / 'novo' / 'melancia.db'}"


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, url: str) -> Iterator[Store]:
    """An open store."""
    if request.param == "postgresql":
        url = create_database(request.getfixturevalue("postgres"), uuid4().hex)
    made = Store.open(url)
    yield made
    made.close()
