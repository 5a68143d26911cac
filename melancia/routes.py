"""Who answers whom now: the running experiment's arm, else whoever the settings name; then the fallbacks."""

import logging
import threading
import time
from collections.abc import Callable

from melancia.agent.arm_models import awaited
from melancia.agent.router import Route, Router
from melancia.errors import MelanciaError
from melancia.llms import fallback_variants
from melancia.records import Assignment, PolicyMode, Variant
from melancia.settings import Settings
from melancia.store import Store

_LASTS = 1.0  # seconds that the policy and the models' states are kept: a pause must be felt at once

logger = logging.getLogger(__name__)


class Routes:
    """Routes questions. Thread-safe."""

    def __init__(self, settings: Settings, store: Store, current: Callable[[], Variant]) -> None:
        """``current`` gives who answers outside experiments."""
        self._settings = settings
        self._store = store
        self._current = current
        self._lock = threading.Lock()
        self._known: tuple[float, Router | None] | None = None

    def route(self, wanted: Variant | None, user: str) -> Route:
        """``wanted`` if it is given, else the user's arm, else whoever is due. Never fails for the store."""
        router = None if wanted else self._router()
        assignment = router.assign(user) if router else None
        if assignment is None:
            assignment = Assignment(wanted or self._current())
        first = assignment.variant
        return Route(assignment, (first, *fallback_variants(self._settings, first)))

    def challengers(self, given: Assignment) -> tuple[Assignment, ...]:
        """The arms that answer out of sight what ``given`` answered: none but in shadow mode."""
        return self._beside(given, PolicyMode.SHADOW)

    def final(self, given: Assignment) -> Assignment | None:
        """The arm whose final answer may follow the draft of ``given``; None but in hybrid mode."""
        return next(iter(self._beside(given, PolicyMode.HYBRID)), None)

    def _beside(self, given: Assignment, mode: PolicyMode) -> tuple[Assignment, ...]:
        router = self._router() if given.experiment else None
        return router.beside(given, mode) if router else ()

    def _router(self) -> Router | None:
        """The running experiment's; None when there is none, or one of its models is still to come."""
        with self._lock:
            if self._known is None or time.monotonic() - self._known[0] > _LASTS:
                self._known = (time.monotonic(), self._read())
            return self._known[1]

    def _read(self) -> Router | None:
        try:
            policy = self._store.policies.running()
            # While a model is pulled nobody is assigned: it would be its arm's failure, which it is not.
            if policy is None:
                return None
            missing = awaited(policy, self._store.models.list(), pulled=self._settings.has_worker)
            return None if missing else Router(policy)
        except MelanciaError:
            logger.warning("the running experiment could not be read", exc_info=True)
            return self._known[1] if self._known else None
