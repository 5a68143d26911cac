"""Subprocesses that run jobs, and what became of those of a page that died."""

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress

import psutil

from melancia.errors import EngineUnavailableError
from melancia.jobs.environment import job_environment
from melancia.jobs.runner import Execution, Stage, last_line
from melancia.records import Job
from melancia.settings import Settings, inherited_environment
from melancia.store.jobs import LOG_TAIL_CHARS

logger = logging.getLogger(__name__)

_TAIL_BYTES = 4 * LOG_TAIL_CHARS  # a character has up to four bytes
_GRACE = 10.0  # seconds that an orphan gets to end
_READING = 2.0  # seconds for the rest of a log, once its process has ended
_SAME = 2.0  # seconds by which the clock may have been set while a process ran


class Processes:
    """Runs jobs as subprocesses, each in a process group of its own.

    A handle is two identities, the subprocess's and its page's, each a number with the time of its start: a
    number alone may belong to another process by now.
    """

    idempotent = False

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._me = _identity(psutil.Process())
        self._children: dict[str, _Child] = {}
        self._orphans: dict[str, float] = {}  # handle → when it was asked to end

    def executions(self) -> Sequence[Execution]:
        """This page's subprocesses."""
        return [child.seen(handle) for handle, child in self._children.items()]

    def create(self, job: Job, arguments: Sequence[str]) -> str:
        """Start a subprocess. Raises EngineUnavailableError when the system cannot."""
        settings = self._settings
        environment = inherited_environment() | job_environment(settings, job.id)
        # Whatever was set in code must reach the child, and both must mean the same files.
        environment |= {
            "MELANCIA_DATA_DIR": str(settings.data_dir),
            "MELANCIA_KNOWLEDGE_DIR": str(settings.knowledge_dir),
            "MELANCIA_DATABASE_URL": settings.store_url,
        }
        try:
            process = subprocess.Popen(  # noqa: S603 (arguments of our own command, checked by the catalog)
                [sys.executable, "-m", "melancia", *arguments],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            raise EngineUnavailableError(
                f"O sistema não iniciou a tarefa ({error.strerror}).", "Libere memória e tente de novo."
            ) from error
        handle = f"{_identity(psutil.Process(process.pid))} {self._me}"
        self._children[handle] = _Child(job, process)
        return handle

    def start(self, handle: str) -> None:
        """Nothing: it runs since it was created."""

    def log(self, handle: str) -> str:
        """The end of what it said."""
        child = self._children.get(handle)
        return child.tail() if child else ""

    def last_words(self, handle: str) -> str:
        """Its last line."""
        return last_line(self.log(handle))

    def ask_to_end(self, handle: str) -> None:
        """SIGTERM to its group."""
        if child := self._children.get(handle):
            child.send(signal.SIGTERM)

    def kill(self, handle: str) -> None:
        """SIGKILL to its group; comes back when it has ended."""
        if child := self._children.get(handle):
            child.send(signal.SIGKILL)
            child.process.wait()

    def remove(self, handle: str) -> None:
        """End it and forget it."""
        self.kill(handle)
        self._children.pop(handle, None)

    def lost(self, job: Job) -> str | None:
        """A job of a page that died: its subprocess is ended, then the reason is given."""
        identity, _, owner = job.handle.partition(" ")
        if owner != self._me and _find(owner):
            return None  # another page of the same data looks after it
        orphan = _find(identity)
        if orphan is None:
            self._orphans.pop(job.handle, None)
            return "o processo que a iniciou foi encerrado à força"
        asked = self._orphans.setdefault(job.handle, time.monotonic())
        insist = time.monotonic() - asked > _GRACE
        logger.warning("job %s survived its page: ending process %s", job.id, orphan.pid)
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(orphan.pid, signal.SIGKILL if insist else signal.SIGTERM)
        return None


class _Child:
    """A subprocess, with a thread that reads what it says."""

    def __init__(self, job: Job, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self._job = job
        self._ended = False
        self._said = bytearray()
        self._lock = threading.Lock()
        self._reader = threading.Thread(target=self._read, name=f"melancia-job-{process.pid}", daemon=True)
        self._reader.start()

    def seen(self, handle: str) -> Execution:
        """How it is doing."""
        code = self.process.poll()
        if code is None:
            return Execution(self._job.id, self._job.name, handle, Stage.RUNNING)
        if not self._ended:
            self._ended = True  # once: later, the number may belong to others
            # What it started and left behind would hold its files, and its log open.
            self._signal_group(signal.SIGKILL)
            self._reader.join(_READING)
        # As a shell and a container say it: 128 and the signal.
        return Execution(
            self._job.id, self._job.name, handle, Stage.ENDED, exit_code=128 - code if code < 0 else code
        )

    def send(self, number: signal.Signals) -> None:
        """A signal to its whole group, while it runs."""
        if self.process.poll() is None:
            self._signal_group(number)

    def tail(self) -> str:
        """The end of what it said."""
        with self._lock:
            said = bytes(self._said)
        return said.decode("utf-8", errors="replace")[-LOG_TAIL_CHARS:]

    def _signal_group(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, number)

    def _read(self) -> None:
        pipe = self.process.stdout
        if pipe is None:
            return
        with pipe:
            while piece := os.read(pipe.fileno(), 65_536):
                with self._lock:
                    self._said += piece
                    del self._said[:-_TAIL_BYTES]


def _identity(process: psutil.Process) -> str:
    return f"{process.pid}@{process.create_time():.2f}"


def _find(identity: str) -> psutil.Process | None:
    """The very process of that identity, if it still runs."""
    number, _, since = identity.partition("@")
    try:
        process = psutil.Process(int(number))
        same = abs(process.create_time() - float(since)) < _SAME
        return process if same and process.status() != psutil.STATUS_ZOMBIE else None
    except (psutil.Error, ValueError):
        return None
