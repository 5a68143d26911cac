"""A store in SQLite, and subprocesses that run the fake command line."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from melancia.settings import Settings, load_settings
from melancia.store import Store
from tests.jobs.helpers import TOKEN, fake_package


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings whose data are the test's own; a token; ``python -m melancia`` is the fake."""
    monkeypatch.setenv("PYTHONPATH", str(fake_package(tmp_path / "falso")))
    empty = tmp_path / "vazia"
    empty.mkdir()
    monkeypatch.chdir(empty)  # -m looks in the working directory first
    token = tmp_path / "token"
    token.write_text(TOKEN + "\n")
    return load_settings(data_dir=tmp_path / "dados", launcher_token_file=token)


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    """An open store."""
    made = Store.open(settings.store_url)
    yield made
    made.close()
