"""A real Docker engine: a tiny image with a fake ``melancia``, networks and volumes of the test's own."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import docker
import pytest
from docker.errors import DockerException, NotFound

from melancia.jobs.dispatcher import Dispatcher
from melancia.launcher.containers import JOB_LABEL, Containers
from melancia.records import Job
from melancia.settings import LauncherSettings, Settings, load_launcher_settings, load_settings
from melancia.store import Store
from tests.jobs.helpers import TOKEN, fake_package

_DOCKERFILE = """
FROM python:3.13.9-slim-trixie
COPY melancia /app/melancia
RUN mkdir /data && chown 10001:10001 /data
WORKDIR /app
# What the real image has, and a job must not inherit.
USER 0
HEALTHCHECK CMD ["false"]
ENTRYPOINT ["python", "-m", "melancia", "de-outrem"]
CMD ["serve"]
"""


@dataclass(frozen=True)
class Place:
    """What jobs need of the engine, under names that nobody else has."""

    image: str
    networks: tuple[str, str]
    data_volume: str
    secrets_volume: str


@pytest.fixture(scope="session")
def engine() -> Iterator[Any]:
    """A client of the engine. Skips without one, but fails in CI."""
    try:
        client = docker.from_env(timeout=120)
        client.ping()
    except DockerException as error:
        if os.environ.get("CI") == "true":
            pytest.fail(f"a Docker engine is required in CI: {error}")
        pytest.skip(f"no Docker engine: {error}")
    yield client
    client.close()


@pytest.fixture(scope="session")
def place(engine: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Image, networks and volumes; removed at the end, with every container of the image."""
    name = f"melancia-test-{uuid4().hex[:8]}"
    made = Place(name, (f"{name}-a", f"{name}-b"), f"{name}-data", f"{name}-secrets")
    folder = fake_package(tmp_path_factory.mktemp("image"))
    (folder / "Dockerfile").write_text(_DOCKERFILE)
    try:
        engine.images.build(path=str(folder), tag=name, rm=True)
        for network in made.networks:
            engine.networks.create(network, internal=True)
        for volume in (made.data_volume, made.secrets_volume):
            engine.volumes.create(volume)
        yield made
    finally:
        shutil.rmtree(folder)
        _discard(engine, made)


def _discard(engine: Any, place: Place) -> None:
    remove_containers(engine, place)
    for collection, names in (
        (engine.networks, place.networks),
        (engine.volumes, (place.data_volume, place.secrets_volume)),
    ):
        for name in names:
            with suppress(NotFound):
                collection.get(name).remove()
    with suppress(NotFound):
        engine.images.remove(place.image, force=True)


def remove_containers(engine: Any, place: Place) -> None:
    """Remove every container of the test's image."""
    for container in job_containers(engine, place):
        with suppress(DockerException):
            container.remove(force=True)


def job_containers(engine: Any, place: Place) -> list[Any]:
    """Every container of the test's image, also those that no launcher made."""
    found: list[Any] = engine.containers.list(
        all=True, filters={"ancestor": place.image}, ignore_removed=True
    )
    return found


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of a launcher whose store is a file of the test's own."""
    monkeypatch.chdir(tmp_path)  # no .env of the repository
    token = tmp_path / "token"
    token.write_text(TOKEN + "\n")
    return load_settings(
        data_dir=tmp_path / "dados",
        launcher_token_file=token,
        openai_api_key="chave-da-openai",
        ollama_base_url="http://ollama:11434",
        pgpassfile=Path("/run/melancia/pgpass"),
        secret_key="assina-cookies",
    )


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    """An open store."""
    made = Store.open(settings.store_url)
    yield made
    made.close()


@pytest.fixture
def launcher(place: Place) -> LauncherSettings:
    """The launcher's own settings."""
    return load_launcher_settings(
        image=place.image,
        networks=",".join(place.networks),
        data_volume=place.data_volume,
        secrets_volume=place.secrets_volume,
        memory="64m",
        cpus=1,
    )


class Rig:
    """A store, and dispatchers over real containers, started and stopped as the test likes."""

    def __init__(self, engine: Any, place: Place, store: Store, containers: Callable[[], Containers]) -> None:
        self._engine = engine
        self._place = place
        self._containers = containers
        self._running: list[tuple[Dispatcher, Containers]] = []
        self.store = store

    def dispatcher(self, **options: float) -> Dispatcher:
        """A dispatcher that does not look yet, with its own connection to the engine."""
        containers = self._containers()
        made = Dispatcher(self.store.jobs, containers, **{"every": 0.2, **options})
        self._running.append((made, containers))
        return made

    def queue(self, name: str = "benchmark", **parameters: Any) -> Job:
        """A job in the queue."""
        job = Job(name, parameters, "ana")
        self.store.jobs.add(job)
        return job

    def container(self, job: Job) -> Any:
        """The container of a job; None when there is none."""
        found = self._engine.containers.list(
            all=True, filters={"label": f"{JOB_LABEL}={job.id}"}, ignore_removed=True
        )
        assert len(found) <= 1
        return found[0] if found else None

    def all_containers(self) -> list[Any]:
        """Everything that runs, or ran, our image."""
        return job_containers(self._engine, self._place)

    def close(self) -> None:
        """Stop the dispatchers and remove what is left."""
        for dispatcher, containers in self._running:
            dispatcher.stop()
            containers.close()
        remove_containers(self._engine, self._place)


@pytest.fixture
def rig(
    engine: Any, place: Place, store: Store, settings: Settings, launcher: LauncherSettings
) -> Iterator[Rig]:
    """The rig; nothing of it is left behind."""
    made = Rig(engine, place, store, lambda: Containers(settings, launcher))
    try:
        yield made
    finally:
        made.close()
