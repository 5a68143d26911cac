"""A MLflow server that shows the local folder (``local_store``) to browsers, in the foreground of a command.

It needs the whole MLflow package (620 MB): this interpreter's (development) or that of a venv of its own
(``make mlflow``).
"""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import httpx

from melancia.errors import InputError, TrackingError
from melancia.mlops.local_store import alone, artifacts, folder, mark, running, store_url, unmark
from melancia.settings import PROJECT_DIR, Settings, inherited_environment

VENV = PROJECT_DIR / ".venv-mlflow"
_PORT, _PORTS = 5000, 20  # the first one when no other is asked for; how many are tried
_PATIENCE = 120.0  # seconds to start: 10–34 on two cores
_GRACE = 10.0  # seconds to end
_WAKE = 1.0  # seconds in which a signal is noticed
_QUIET = {
    # Without its job runner the server is one process of half a gigabyte instead of ten of 2.5.
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}
# What the server would take for its own options, another interpreter's places, and secrets.
_KEPT_BACK = re.compile(r"(MLFLOW|MELANCIA)_|PYTHON(PATH|HOME)$|.*_(KEY|TOKEN)$")

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Server:
    """A server that answers at ``url``. In a ``with``, leaving it ends the server, by Ctrl-C above all.

    ``process`` is None when it was found running: then it is not ours, and goes on.
    """

    url: str
    place: Path
    process: "subprocess.Popen[bytes] | None" = None

    def wait(self) -> None:
        """Stay until Ctrl-C, which ends the server, if it is ours. Raises TrackingError when it dies."""
        if self.process is None:
            return
        try:
            code = _ended(self.process)
        except KeyboardInterrupt:
            return
        finally:
            self.stop()
        raise TrackingError(f"O MLflow parou (código {code}).", f"Veja {_log(self.place)}.")

    def stop(self) -> None:
        """End it with all that it started, if it is ours."""
        if self.process is not None:
            _end(self.process)
            unmark(self.place)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> bool:
        self.stop()
        return kind is not None and issubclass(kind, KeyboardInterrupt)  # as it is meant to end


def serve(settings: Settings, *, python: Path | None = None, say: Say | None = None) -> Server:
    """Start the server of the local folder, or find it running; it answers when this comes back.

    ``say`` is told what takes time or is not as asked for. Raises InputError when the server is not
    installed, TrackingError when it does not start.
    """
    say = say or _unheard
    place = folder(settings)
    with alone(place):
        url = running(settings)
        if url and _answers(url):
            return Server(url, place)
        executable = python or find_python()
        port = _port(settings, say)
        say("Iniciando o MLflow (até meio minuto)…")
        return _start(executable, place, port)


def find_python(venv: Path = VENV) -> Path:
    """An interpreter that has the whole MLflow. Raises InputError naming the command that installs it."""
    with suppress(metadata.PackageNotFoundError):
        metadata.version("mlflow")  # mlflow-skinny goes by its own name
        return Path(sys.executable)
    if (venv / "bin" / "mlflow").is_file():
        return venv / "bin" / "python"
    raise InputError("O servidor do MLflow não está instalado.", "Instale-o com make mlflow (620 MB).")


def _start(executable: Path, place: Path, port: int) -> Server:
    url = f"http://127.0.0.1:{port}"
    inherited = {name: value for name, value in inherited_environment().items() if not _KEPT_BACK.match(name)}
    try:
        with _log(place).open("wb") as log:
            process = subprocess.Popen(  # noqa: S603 (a command of our own)
                _command(executable, place, port),
                cwd=place,
                env=inherited | _QUIET,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a Ctrl-C is ours to pass on
            )
    except OSError as error:
        raise TrackingError(f"O MLflow não iniciou ({error.strerror}).", f"Confira {executable}.") from error
    try:
        _wait_until_it_answers(process, url, place)
        mark(place, process.pid, url)
    except BaseException:
        _end(process)
        raise
    return Server(url, place, process)


def _command(executable: Path, place: Path, port: int) -> list[str]:
    root = str(artifacts(place))
    return [
        *(str(executable), "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)),
        *("--workers", "1", "--allowed-hosts", "localhost:*,127.0.0.1:*"),
        *("--backend-store-uri", store_url(place)),
        # Paths, not the server's own scheme: whoever reads the folder without a server finds the files too.
        *("--default-artifact-root", root, "--artifacts-destination", root),
    ]


def _ended(process: "subprocess.Popen[bytes]") -> int:
    """Its exit code, once it ends."""
    while True:
        # The system may hand a signal to another thread: this one must wake up to see it.
        with suppress(subprocess.TimeoutExpired):
            return process.wait(_WAKE)


def _wait_until_it_answers(process: "subprocess.Popen[bytes]", url: str, place: Path) -> None:
    deadline = time.monotonic() + _PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        if _answers(url):
            return
        time.sleep(0.2)
    raise TrackingError("O servidor do MLflow não iniciou.", f"O motivo está em {_log(place)}.")


def _answers(url: str) -> bool:
    try:
        # Its /health says 200 even when every call is refused.
        asked = httpx.get(f"{url}/api/2.0/mlflow/experiments/search", params={"max_results": 1}, timeout=5)
    except httpx.HTTPError:
        return False
    return asked.is_success


def _port(settings: Settings, say: Say) -> int:
    """The port of the public address, or the next one that is free."""
    wanted = urlsplit(settings.mlflow_public_url).port or _PORT
    for port in range(wanted, min(wanted + _PORTS, 65_536)):
        if _free(port):
            if port != wanted:
                say(f"A porta {wanted} está em uso por outro programa; o MLflow fica na {port}.")
            return port
    raise TrackingError(
        f"A porta {wanted} e as seguintes estão em uso.",
        "Defina outra em MELANCIA_MLFLOW_PUBLIC_URL, como http://localhost:5500.",
    )


def _free(port: int) -> bool:
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", port)) == 0:
            return False  # who listens on all addresses may still let us have this one
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # one that was just closed is free
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _end(process: "subprocess.Popen[bytes]") -> None:
    """SIGTERM to its group, SIGKILL if that is not enough."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE)
            return


def _log(place: Path) -> Path:
    return place / "server.log"


def _unheard(_: str) -> None:
    """For callers who do not want to be told."""
