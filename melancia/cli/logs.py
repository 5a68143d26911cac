"""How a command that nobody watches logs."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from melancia.settings import Settings


def start_logging(settings: "Settings") -> None:
    """Log in the form that the settings name, without personal data."""
    from melancia.masking import mask
    from melancia.telemetry.logs import setup_logging

    setup_logging(settings, mask)


def log_as_job(settings: "Settings") -> None:
    """The same when the command runs as a job; on a terminal it speaks to whoever started it."""
    if settings.job_id:
        start_logging(settings)
