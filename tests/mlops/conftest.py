"""A real MLflow server for the suite, and an experiment and a store of each test's own."""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from melancia.settings import Settings, load_settings
from melancia.store import Store
from tests.mlflow_server import MlflowServer


@pytest.fixture(scope="package")
def mlflow_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    """A running server."""
    made = MlflowServer(tmp_path_factory.mktemp("mlflow"))
    made.start()
    yield made
    made.stop()


@pytest.fixture
def settings(mlflow_server: MlflowServer, tmp_path: Path) -> Settings:
    """An experiment of this test's own."""
    return load_settings(
        _env_file=None, data_dir=tmp_path, mlflow_url=mlflow_server.url, mlflow_experiment=uuid4().hex
    )


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    """An open store."""
    made = Store.open(settings.store_url)
    yield made
    made.close()
