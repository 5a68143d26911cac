"""Containers that run jobs. Everything about them is fixed by settings; a request only names a job."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import docker
from docker.errors import APIError, DockerException, ImageNotFound, NotFound
from docker.types import LogConfig, Mount

from melancia.errors import EngineUnavailableError, JobError
from melancia.jobs.environment import job_environment
from melancia.jobs.runner import Execution, Stage, last_line
from melancia.records import Job
from melancia.settings import LauncherSettings, Settings
from melancia.store.jobs import LOG_TAIL_CHARS

JOB_LABEL = "org.melancia.job"
KIND_LABEL = "org.melancia.kind"

_USER = "10001:10001"
_PIDS = 512
_TMP = "rw,noexec,nosuid,nodev,size=512m,mode=1777"
_LOG_LINES = 2000
_TIMEOUT = 10  # seconds of one request to the engine
_ID = re.compile(r"[0-9a-f]{32}")
_STAGES = {"created": Stage.CREATED, "exited": Stage.ENDED, "dead": Stage.ENDED, "removing": Stage.LEAVING}


class Containers:
    """Runs jobs as containers. Used by one thread; ``ping`` by any."""

    idempotent = True

    def __init__(self, settings: Settings, launcher: LauncherSettings) -> None:
        self._settings = settings
        self._launcher = launcher
        self._made: Any = None

    def ping(self) -> None:
        """Ask the engine something, on a connection of its own. Raises EngineUnavailableError."""
        with self._translated():
            # To open a client is to ask for the engine's version.
            docker.DockerClient(self._launcher.docker_url, timeout=3).close()

    def close(self) -> None:
        """Release the connections; containers go on."""
        if self._made is not None:
            self._made.close()

    def executions(self) -> Sequence[Execution]:
        """Every container with a job's label."""
        with self._translated():
            found = self._client.containers.list(all=True, filters={"label": JOB_LABEL}, ignore_removed=True)
        return [self._execution(container) for container in found]

    def create(self, job: Job, arguments: Sequence[str]) -> str:
        """Make the container of a job, or find the one that is there already."""
        if not _ID.fullmatch(job.id):
            raise JobError("o identificador da tarefa não vale", "")
        name = f"melancia-job-{job.id[:12]}"
        with self._translated():
            try:
                return str(self._client.containers.create(**self._fixed(job, arguments), name=name).id)
            except ImageNotFound as error:
                raise JobError(
                    f"a imagem {self._launcher.image} não existe neste servidor.",
                    "Construa-a: docker compose build.",
                ) from error
            except APIError as error:
                if error.status_code != 409:
                    raise
                # Made before a restart, or by an attempt whose answer was lost.
                existing = self._client.containers.get(name)
        if existing.labels.get(JOB_LABEL) != job.id:
            raise JobError(f"outro contêiner já se chama {name}.", "Remova-o: docker rm.")
        return str(existing.id)

    def start(self, handle: str) -> None:
        """Connect the container to the networks that it lacks, and start it."""
        with self._translated():
            container = self._client.containers.get(handle)
            if container.status != "created":
                return
            present = container.attrs["NetworkSettings"]["Networks"]
            for name in self._launcher.network_names:
                if name not in present:
                    self._client.networks.get(name).connect(container)
            container.start()

    def log(self, handle: str) -> str:
        """The end of its log."""
        return self._said(handle)

    def last_words(self, handle: str) -> str:
        """Its last line on the error stream, or else on the other.

        The engine reads the two through pipes of their own: which came last in the log is a matter of luck.
        """
        return last_line(self._said(handle, stdout=False)) or last_line(self._said(handle))

    def ask_to_end(self, handle: str) -> None:
        """SIGTERM."""
        self._signal(handle, "SIGTERM")

    def kill(self, handle: str) -> None:
        """SIGKILL."""
        self._signal(handle, "SIGKILL")

    def remove(self, handle: str) -> None:
        """Remove the container, running or not."""
        with self._translated():
            try:
                self._client.containers.get(handle).remove(force=True)
            except NotFound:
                pass
            except APIError as error:
                if error.status_code != 409:  # somebody is removing it already
                    raise

    def lost(self, job: Job) -> str | None:
        """A container that was there and is no more has been removed from outside."""
        return "o contêiner desapareceu"

    @property
    def _client(self) -> Any:
        # Late, so that the launcher starts, and says what is wrong, while the engine is away.
        if self._made is None:
            self._made = docker.DockerClient(self._launcher.docker_url, timeout=_TIMEOUT)
        return self._made

    def _fixed(self, job: Job, arguments: Sequence[str]) -> dict[str, Any]:
        launcher = self._launcher
        cpus = min(launcher.cpus, float(self._client.info()["NCPU"]))  # more than there are is refused
        return {
            "image": launcher.image,
            # Whatever the image would start by itself; a list, so no shell reads it.
            "entrypoint": ["python", "-m", "melancia"],
            "command": list(arguments),
            "environment": {
                **job_environment(self._settings, job.id),
                "MELANCIA_DATA_DIR": "/data",
                "HOME": "/tmp",  # noqa: S108 (the only writable place besides the data)
            },
            "labels": {JOB_LABEL: job.id, KIND_LABEL: job.name},
            "user": _USER,
            "init": True,  # a first process that obeys SIGTERM and reaps; Python as number 1 ignores it
            "read_only": True,
            "tmpfs": {"/tmp": _TMP},  # noqa: S108
            "mounts": [
                Mount("/data", launcher.data_volume, type="volume"),
                Mount("/run/melancia", launcher.secrets_volume, type="volume", read_only=True),
            ],
            "network": launcher.network_names[0],
            "cap_drop": ["ALL"],
            "security_opt": ["no-new-privileges:true"],
            "mem_limit": launcher.memory,
            "memswap_limit": launcher.memory,  # the same: no swap on top
            "nano_cpus": int(cpus * 1_000_000_000),
            "pids_limit": _PIDS,
            "restart_policy": {"Name": "no"},
            # The image's own check asks for the page, which a job does not serve.
            "healthcheck": {"test": ["NONE"]},
            # Whatever the engine's default is: readable by us, and bounded.
            "log_config": LogConfig(type="json-file", config={"max-size": "5m", "max-file": "2"}),
        }

    def _execution(self, container: Any) -> Execution:
        state = container.attrs["State"]
        stage = _STAGES.get(state["Status"], Stage.RUNNING)
        ended = stage is Stage.ENDED
        code = state["ExitCode"] if ended else None
        reason = ""
        if ended and code:
            if state["OOMKilled"]:
                reason = f"faltou memória (limite de {self._launcher.memory})"
            elif state["Error"]:
                reason = f"terminou com código {code}: {state['Error']}"
        labels = container.labels
        return Execution(
            labels[JOB_LABEL], labels.get(KIND_LABEL, ""), container.id, stage, exit_code=code, reason=reason
        )

    def _said(self, handle: str, *, stdout: bool = True) -> str:
        with self._translated(), suppress(NotFound):
            said: bytes = self._client.containers.get(handle).logs(stdout=stdout, tail=_LOG_LINES)
            return said.decode("utf-8", errors="replace")[-LOG_TAIL_CHARS:]
        return ""

    def _signal(self, handle: str, name: str) -> None:
        with self._translated(), suppress(NotFound):
            try:
                self._client.containers.get(handle).kill(signal=name)
            except APIError as error:
                if error.status_code != 409:  # it has just ended by itself
                    raise

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Docker's failures as ours: a refusal is one for good, all else may pass."""
        try:
            yield
        except APIError as error:
            said = error.explanation or str(error)
            if error.is_client_error():
                raise JobError(f"o Docker recusou: {said}", "") from error
            raise EngineUnavailableError(
                f"o Docker falhou: {said}", "Veja os registros do Docker."
            ) from error
        except (DockerException, OSError) as error:  # requests' failures are OSErrors
            raise EngineUnavailableError(
                f"O Docker não responde em {self._launcher.docker_url}.",
                "Confira se ele está no ar e se o launcher pode usar o seu soquete.",
            ) from error
