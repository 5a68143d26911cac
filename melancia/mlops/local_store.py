"""MLflow's folder in the data: SQLite and artifacts, written and read without any server.

The small MLflow package is enough for that. A server that shows the folder (``local_server``) leaves its
address in ``server.json``, by which later commands find it while it lives.
"""

import fcntl
import json
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from melancia.errors import TrackingError
from melancia.settings import Settings

_SAME = 2.0  # seconds by which the clock may have been set while the process ran


def folder(settings: Settings) -> Path:
    """Where MLflow's database and artifacts are kept."""
    return settings.data_dir / "mlflow"


def artifacts(place: Path) -> Path:
    """Where a folder's artifacts are."""
    return place / "artifacts"


def store_url(place: Path) -> str:
    """MLflow's address of a folder, without a server."""
    return f"sqlite:///{place / 'mlflow.db'}"


def tracked(settings: Settings, *, write: bool = True) -> Settings:
    """``settings`` with the address at which MLflow is reached, and the one at which browsers see it.

    The one that is configured, else the local server while it runs, else the folder itself, with the
    experiment in it when ``write``. Raises TrackingError when there is nothing to read, or the folder cannot
    be written.
    """
    place = folder(settings)
    own = store_url(place)
    # MLflow puts the address that it was given last into the environment, where settings find it.
    if settings.mlflow_url and settings.mlflow_url != own:
        return settings
    if write:
        with alone(place):  # nobody else makes the tables at the same time, such as a server that starts
            url = running(settings)
            if url is None:
                _make_experiment(place, settings.mlflow_experiment)
    elif (place / "mlflow.db").is_file():
        url = running(settings)
    else:
        raise TrackingError("Nenhum benchmark foi registrado ainda.", "Rode melancia benchmark --mode quick.")
    return settings.model_copy(
        update={"mlflow_url": url, "mlflow_public_url": url} if url else {"mlflow_url": own}
    )


def running(settings: Settings) -> str | None:
    """The address of the local server, while it lives."""
    try:
        marked = json.loads(_marker(folder(settings)).read_text("utf-8"))
        process = psutil.Process(int(marked["pid"]))
        # A number alone may be another process's by now.
        same = abs(process.create_time() - marked["since"]) < _SAME
        return str(marked["url"]) if same and process.status() != psutil.STATUS_ZOMBIE else None
    except (OSError, ValueError, KeyError, TypeError, psutil.Error):
        return None


def mark(place: Path, pid: int, url: str) -> None:
    """Say that the process ``pid`` shows the folder at ``url``."""
    fresh = _marker(place).with_suffix(".new")
    since = psutil.Process(pid).create_time()
    fresh.write_text(json.dumps({"pid": pid, "since": since, "url": url}), "utf-8")
    fresh.replace(_marker(place))


def unmark(place: Path) -> None:
    """Say that nobody shows it any more."""
    _marker(place).unlink(missing_ok=True)


@contextmanager
def alone(place: Path) -> Iterator[None]:
    """Hold the folder's lock, which ends with the process at the latest. Raises TrackingError."""
    try:
        place.mkdir(parents=True, exist_ok=True)
        file = (place / "lock").open("a", encoding="utf-8")
    except OSError as error:
        raise TrackingError(
            f"A pasta {place} não pode ser usada ({error.strerror}).", "Confira as permissões."
        ) from error
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _make_experiment(place: Path, name: str) -> None:
    import mlflow
    from mlflow.exceptions import MlflowException

    # Its news of making tables are none to people.
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.WARNING)
    try:
        client = mlflow.MlflowClient(store_url(place))
        if client.get_experiment_by_name(name) is None:
            # By itself, MLflow would put the artifacts into the working directory.
            location = artifacts(place) / re.sub(r"[^\w-]", "_", name)
            client.create_experiment(name, artifact_location=location.as_uri())
    except MlflowException as error:
        raise TrackingError(
            f"O MLflow não abriu {place / 'mlflow.db'}.", "Confira as permissões e o espaço em disco."
        ) from error


def _marker(place: Path) -> Path:
    return place / "server.json"
