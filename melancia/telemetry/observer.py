"""The one seam between answering and telemetry: what is recorded is counted and traced, after that."""

import logging
from typing import TYPE_CHECKING, Protocol

from melancia.errors import MelanciaError
from melancia.records import Interaction, Turn
from melancia.settings import Settings
from melancia.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from melancia.telemetry.tracing import Tracer

logger = logging.getLogger(__name__)


class Recorder(Protocol):
    """What an assistant writes into, and what stands before it here."""

    def start(self, interaction: Interaction) -> None:
        """Record a question that is about to be answered."""

    def checkpoint(self, interaction_id: str, partial_text: str) -> None:
        """Record what has been said so far."""

    def finish(self, interaction: Interaction) -> None:
        """Record the outcome."""

    def turns(self, conversation_id: str, user_id: str, limit: int) -> list[Turn]:
        """The last turns of a user's conversation, oldest first."""


class Telemetry:
    """The metrics of a process and, when a collector is configured, its traces."""

    def __init__(self, settings: Settings) -> None:
        self.metrics = Metrics(settings)
        self._tracer = _tracer(settings, self.metrics)

    def watch(self, recorder: Recorder) -> Recorder:
        """``recorder``, with what passes through it counted and traced."""
        return _Watched(recorder, self)

    def begun(self, interaction: Interaction) -> None:
        """A question is about to be answered."""
        self.metrics.begun(interaction.id)

    def ended(self, interaction: Interaction) -> None:
        """An answer ended and is recorded. Never fails: whoever asked has the answer, whatever we do."""
        try:
            self.metrics.ended(interaction)
            if self._tracer is not None:
                self._tracer.record(interaction)
        except Exception:
            logger.exception("the telemetry of %s is incomplete", interaction.id)

    def close(self) -> None:
        """Send what waits, for a few seconds at most."""
        if self._tracer is not None:
            self._tracer.close()


def _tracer(settings: Settings, metrics: Metrics) -> "Tracer | None":
    if not settings.otlp_endpoint:
        return None
    # OpenTelemetry is loaded for those who use it.
    from melancia.telemetry.tracing import Tracer

    return Tracer(settings.otlp_endpoint, count=metrics.spans)


class _Watched:
    """A recorder that tells its telemetry."""

    def __init__(self, recorder: Recorder, telemetry: Telemetry) -> None:
        self._recorder = recorder
        self._telemetry = telemetry

    def start(self, interaction: Interaction) -> None:
        """Record a question; it is under way from here."""
        try:
            self._recorder.start(interaction)
        except MelanciaError:
            self._telemetry.metrics.unrecorded("start", interaction.id)
            raise
        self._telemetry.begun(interaction)

    def checkpoint(self, interaction_id: str, partial_text: str) -> None:
        """Record what has been said so far."""
        self._recorder.checkpoint(interaction_id, partial_text)

    def finish(self, interaction: Interaction) -> None:
        """Record the outcome, and count it."""
        try:
            self._recorder.finish(interaction)
        except MelanciaError:
            self._telemetry.metrics.unrecorded("finish", interaction.id)
            raise
        self._telemetry.ended(interaction)

    def turns(self, conversation_id: str, user_id: str, limit: int) -> list[Turn]:
        """The last turns of a user's conversation, oldest first."""
        return self._recorder.turns(conversation_id, user_id, limit)
