"""Keeps in Ollama the models that settings and experiments name, and the store informed of them."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from melancia.addresses import normalised
from melancia.agent.arm_models import needed, wanted
from melancia.errors import ProviderError, ProviderUnavailableError, StoreError
from melancia.llms.catalog import among, each_once, full_name
from melancia.llms.ollama import OllamaStatus, is_cloud, ollama_status, pulled_models
from melancia.llms.placement import measure
from melancia.llms.pulls import PullProgress, pull
from melancia.llms.select import answering_ollama
from melancia.llms.waiting import StoppedError
from melancia.records import ModelState, ModelStatus, utc_now
from melancia.settings import Settings
from melancia.store import Store

AWAY = "o Ollama ainda não responde"
QUEUED = "na fila"
_WRITES = 0.5  # seconds between two writes of a pull's progress
_RETRY = (60.0, 900.0)  # seconds before a failed pull is tried again: doubles, up to the second

logger = logging.getLogger(__name__)


class ModelKeeper:
    """Pulls and measures, one model at a time. ``stop`` interrupts it; Ollama keeps what was pulled.

    Thread-safe: a placement check does nothing while a pull runs, and a pull waits for the check to end.
    """

    def __init__(
        self,
        settings: Settings,
        store: Store,
        stop: threading.Event | None = None,
    ) -> None:
        self._settings = settings
        self._models = store.models
        self._policies = store.policies
        self._stop = stop or threading.Event()
        self._busy = threading.Lock()
        self._failures: dict[str, tuple[int, float]] = {}  # how many in a row, and when the next try may be

    def wanted(self) -> tuple[str, ...]:
        """The models of Ollama that the settings name, then those of the arms of experiments that have not
        ended. Raises SettingsError, StoreError.
        """
        return wanted(self._settings, self._policies.list())

    def pull_missing(self) -> tuple[str, ...]:
        """Pull what the server lacks, and forget what is wanted no more; the models that became ready.

        A model that failed is left alone for a while, longer each time. Raises SettingsError, StoreError.
        """
        with self._busy:
            wanted = self.wanted()
            self._models.keep_only(wanted)
            if not wanted:
                return ()
            server = pulled_models(self._settings)
            if not server.reachable:
                self._all_wait(wanted, server)
                return ()
            sizes = {full_name(model.name).lower(): model.size for model in server.models}
            ready, missing = [], []
            for name in wanted:
                size = sizes.get(full_name(name).lower())
                if size is None:
                    missing.append(name)
                elif self._is_there(name, size):
                    ready.append(name)
            due = [name for name in missing if self._failures.get(name, (0, 0.0))[1] <= time.monotonic()]
            for name in due[1:]:
                self._put(ModelStatus(name, detail=QUEUED))
            for name in due:
                if self._stop.is_set():
                    break
                if self._pull(name):
                    ready.append(name)
            return tuple(ready)

    def check_placement(self) -> Sequence[ModelStatus] | None:
        """Measure where the answering models run; the statuses of those that were measured.

        None when it was not the moment: a pull is being looked at. A model that was measured before is
        not loaded again over another one: on a machine that holds one at a time, that would take it from
        whoever is asking it. Raises SettingsError, StoreError.
        """
        if not self._busy.acquire(blocking=False):
            return None
        try:
            server = ollama_status(self._settings)
            if not server.reachable:
                return ()
            measured: list[ModelStatus] = []
            # Who answers comes last, so that it is the one that stays in memory.
            answering = (*answering_ollama(self._settings), *needed(self._policies.list()))
            for name in reversed(each_once(answering)):
                known = self._models.get(name)
                if known is None or known.state is not ModelState.READY or is_cloud(name):
                    continue
                loaded = [model.name for model in server.running]
                if known.gpu_share is not None and loaded and not among(name, loaded):
                    continue
                if self._stop.is_set():
                    break
                measured.append(self._measure(known))
            return measured
        finally:
            self._busy.release()

    def _is_there(self, name: str, size: int) -> bool:
        """Note a model that the server has; whether that is news."""
        self._failures.pop(name, None)
        known = self._known(name)
        if known.state is ModelState.READY:
            return False
        self._put(replace(known, state=ModelState.READY, completed=size, total=size, detail="", error=""))
        logger.info("model %s: ready", name)
        return True

    def _all_wait(self, wanted: Sequence[str], server: OllamaStatus) -> None:
        if normalised(self._settings.ollama_base_url) is None:
            said = "O endereço em OLLAMA_BASE_URL não é válido. Corrija-o no arquivo .env."
            for name in wanted:
                self._put(replace(self._known(name), state=ModelState.FAILED, detail="", error=said))
            return
        self._failures.clear()  # whatever went wrong, it may be another server that comes back
        for name in wanted:
            known = self._known(name)
            if known.detail != AWAY:
                logger.warning("model %s: waiting for Ollama (%s)", name, server.problem)
            self._put(replace(known, state=ModelState.WAITING, detail=AWAY, error=""))

    def _pull(self, name: str) -> bool:
        logger.info("model %s: pulling", name)
        teller = _Teller(self._put, name)
        try:
            pull(self._settings, name, teller.tell, self._stop)
        except StoppedError:
            self._put(
                replace(teller.status, state=ModelState.WAITING, detail="interrompido; continua depois")
            )
            return False
        except ProviderUnavailableError:
            logger.warning("model %s: Ollama went away", name)
            self._put(replace(teller.status, state=ModelState.WAITING, detail=AWAY))
            return False
        except ProviderError as error:
            wait = self._failed(name, moved=teller.moved)
            logger.warning("model %s: not pulled, next try in %.0f s: %s", name, wait, error)
            self._put(replace(teller.status, state=ModelState.FAILED, detail="", error=str(error)))
            return False
        self._failures.pop(name, None)
        done = replace(teller.status, state=ModelState.READY, detail="")
        self._put(replace(done, completed=done.total))
        logger.info("model %s: pulled, %d bytes", name, done.total)
        return True

    def _failed(self, name: str, *, moved: bool) -> float:
        """Count a failure; the seconds to wait. One that got some bytes on the way counts as the first."""
        count = 1 if moved else self._failures.get(name, (0, 0.0))[0] + 1
        wait = min(_RETRY[0] * 2.0 ** min(count - 1, 10), _RETRY[1])
        # A little less than the schedule's minute, which would else come a moment too early.
        self._failures[name] = (count, time.monotonic() + wait - _RETRY[0] / 2)
        return wait

    def _measure(self, known: ModelStatus) -> ModelStatus:
        try:
            found = measure(self._settings, known.model, self._stop)
        except StoppedError:
            return known
        except ProviderError as error:
            logger.warning("model %s: is there but does not answer", known.model, exc_info=True)
            status = replace(known, error=str(error))
        else:
            status = replace(
                known, gpu_share=found.gpu_share, tokens_per_second=found.tokens_per_second, error=""
            )
            if found.gpu_share != known.gpu_share:
                logger.info(
                    "model %s: GPU share %s, %s tokens/s",
                    known.model,
                    found.gpu_share,
                    found.tokens_per_second,
                )
        self._put(status)
        return status

    def _known(self, name: str) -> ModelStatus:
        return self._models.get(name) or ModelStatus(name)

    def _put(self, status: ModelStatus) -> None:
        self._models.put(replace(status, updated_at=utc_now()))


class _Teller:
    """Writes a pull's progress, but not every line of it."""

    def __init__(self, put: Callable[[ModelStatus], None], name: str) -> None:
        self._put = put
        self._written = float("-inf")
        self._first: int | None = None
        self.status = ModelStatus(name, ModelState.PULLING)

    @property
    def moved(self) -> bool:
        """Whether any byte came."""
        return self._first is not None and self.status.completed > self._first

    def tell(self, progress: PullProgress) -> None:
        """Take note, and write if the last time is long enough ago."""
        self.status = replace(
            self.status, completed=progress.completed, total=progress.total, detail=progress.detail
        )
        if self._first is None and progress.total:
            self._first = progress.completed
        now = time.monotonic()
        if now - self._written < _WRITES:
            return
        self._written = now
        try:
            self._put(self.status)
        except StoreError:
            # A busy database must not cost the download; its end is written with more insistence.
            logger.warning("the progress of %s was not written", self.status.model, exc_info=True)
