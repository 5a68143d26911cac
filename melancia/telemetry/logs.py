"""Logs: one form for every door, text or JSON lines, with the interaction that a line belongs to.

Personal data and secrets are taken out of the message and of the exception, whoever wrote them: a library
quotes what it was given.
"""

import json
import logging
import sys
import threading
from collections.abc import Callable
from contextvars import ContextVar
from datetime import UTC, datetime
from types import TracebackType

from melancia.settings import Settings
from melancia.telemetry.secrets import Redactor

Mask = Callable[[str], str]

# A line for each request is no event; and at DEBUG these write whole requests, questions and all.
_CHATTY = (
    "alembic",
    "apscheduler",
    "asyncio",
    "chromadb",
    "httpcore",
    "httpx",
    "matplotlib",
    "openai",
    "PIL",
    "python_multipart",
    "urllib3",
)
_interaction: ContextVar[str] = ContextVar("melancia_interaction", default="")

logger = logging.getLogger(__name__)


def log_as(interaction_id: str) -> None:
    """What this task and its threads log from here on belongs to that interaction ("": to none)."""
    _interaction.set(interaction_id)


def setup_logging(settings: Settings, mask: Mask | None) -> None:
    """Send this process's log lines to standard error in the form that the settings name.

    ``mask`` takes personal data out of a text; None where no person's text ever comes by.
    """
    redact = Redactor(settings)

    def clean(text: str) -> str:
        text = redact(text)
        return mask(text) if mask is not None else text

    handler = logging.StreamHandler(sys.stderr)
    handler.setLevel(settings.log_level)  # libraries set their own loggers lower
    handler.setFormatter(_Json(clean) if settings.log_format == "json" else _Text(clean))
    logging.basicConfig(level=settings.log_level, handlers=[handler], force=True)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.captureWarnings(True)
    sys.excepthook = _uncaught
    threading.excepthook = _uncaught_in_thread


class _Clean(logging.Formatter):
    """Writes a line of parts that are clean."""

    def __init__(self, clean: Mask) -> None:
        super().__init__()
        self._clean = clean

    def format(self, record: logging.LogRecord) -> str:
        """The line. The exception is written anew: a trace that another handler cached is not clean."""
        trace = self.formatException(record.exc_info) if record.exc_info else record.exc_text or ""
        if record.stack_info:
            trace = f"{trace}\n{self.formatStack(record.stack_info)}".strip()
        return self.line(record, self._clean(record.getMessage()), self._clean(trace))

    def line(self, record: logging.LogRecord, message: str, trace: str) -> str:
        """The line of a record, of whose own parts only name, level and time are used."""
        raise NotImplementedError


class _Text(_Clean):
    def line(self, record: logging.LogRecord, message: str, trace: str) -> str:
        """Made for people."""
        interaction = f" [{_interaction.get()}]" if _interaction.get() else ""
        head = f"{self.formatTime(record)} {record.levelname} {record.name}{interaction}: {message}"
        return f"{head}\n{trace}" if trace else head


class _Json(_Clean):
    def line(self, record: logging.LogRecord, message: str, trace: str) -> str:
        """Made for machines; one line whatever the message holds."""
        fields = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": message,
            "interaction_id": _interaction.get(),
            "exception": trace,
        }
        return json.dumps({name: value for name, value in fields.items() if value}, ensure_ascii=False)


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    logger.critical("ended by an error that nobody expected", exc_info=(kind, error, trace))


def _uncaught_in_thread(failed: threading.ExceptHookArgs) -> None:
    if failed.exc_value is None or issubclass(failed.exc_type, SystemExit):
        return
    name = failed.thread.name if failed.thread else "?"
    logger.critical(
        "thread %s ended by an error that nobody expected",
        name,
        exc_info=(failed.exc_type, failed.exc_value, failed.exc_traceback),
    )
