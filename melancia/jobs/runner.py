"""Whoever really runs jobs, as the dispatcher sees it: containers or subprocesses."""

import signal
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from melancia.records import Job

_LINE_CHARS = 300


class Stage(StrEnum):
    """Where an execution stands."""

    CREATED = "created"  # made, not started yet
    RUNNING = "running"
    ENDED = "ended"
    LEAVING = "leaving"  # somebody is removing it: gone at one of the next looks


@dataclass(frozen=True, slots=True)
class Execution:
    """What runs, or ran, one job. ``reason``: why it ended, when its exit code does not say it."""

    job_id: str
    kind: str
    handle: str
    stage: Stage
    exit_code: int | None = None
    reason: str = ""


class Runner(Protocol):
    """Runs jobs. Its methods raise EngineUnavailableError for what may work later, JobError for a refusal.

    Those that take the handle of an execution that is there no more do nothing.
    """

    idempotent: bool
    """Whether ``create`` for the same job again finds the execution that is there, whoever made it."""

    def executions(self) -> Sequence[Execution]:
        """All that runs, ran and was not removed, one a job."""

    def create(self, job: Job, arguments: Sequence[str]) -> str:
        """Make the execution of a job; its handle."""

    def start(self, handle: str) -> None:
        """Start it; nothing when it runs."""

    def log(self, handle: str) -> str:
        """The end of its log."""

    def last_words(self, handle: str) -> str:
        """The line that most likely says why it failed."""

    def ask_to_end(self, handle: str) -> None:
        """Ask it to end (SIGTERM)."""

    def kill(self, handle: str) -> None:
        """End it (SIGKILL)."""

    def remove(self, handle: str) -> None:
        """Forget it; end it first if it runs."""

    def lost(self, job: Job) -> str | None:
        """Why a running job has no execution; None when that is no reason to give it up (yet)."""


def last_line(log: str) -> str:
    """The last line that says something, cut to a readable length."""
    return next((line.strip()[:_LINE_CHARS] for line in reversed(log.splitlines()) if line.strip()), "")


def explain(exit_code: int | None, last_words: str) -> str:
    """What an exit code means, with what was said last."""
    if exit_code is None:
        said = "terminou sem código de saída"
    elif exit_code > 128 and (name := _signal(exit_code - 128)):
        said = f"foi encerrada pelo sinal {name} (código {exit_code})"
    else:
        said = f"terminou com código {exit_code}"
    return f"{said}: {last_words}" if last_words else said


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return ""
