"""Where the cache's Chroma collection lives, and how its failures are kept away from answers."""

import fcntl
import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, TypeVar
from urllib.parse import urlsplit

from melancia.errors import IndexLockedError

_PATIENCE = 2.0  # seconds that an answer waits for Chroma to open or, on a server, to reply
_PAUSE = 30.0  # seconds without the cache after a failure

_T = TypeVar("_T")
logger = logging.getLogger(__name__)


class CachePlace:
    """A collection that may fail at any moment. Thread-safe.

    Opened at first use, in a thread: an answer waits for it two seconds at most. After a failure nothing is
    asked of it for half a minute, and the log says so once, until it works again.
    """

    def __init__(
        self, directory: Path, model: str, server: str | None = None, *, pause: float = _PAUSE
    ) -> None:
        """``directory`` belongs to one process at a time; with ``server`` (a URL) it is not used."""
        self._directory = directory
        self._server = server
        self._name = "answers-" + "".join(char if char.isalnum() else "-" for char in model)
        self._pause = pause
        self._state = threading.Lock()
        self._opening: threading.Thread | None = None
        self._collection: Any = None
        self._client: Any = None
        self._lock: IO[str] | None = None
        self._resume = 0.0
        self._complained = False
        self._closed = False

    def use(self, action: Callable[[Any], _T], otherwise: _T) -> _T:
        """``action`` of the collection; ``otherwise`` when there is none or anything goes wrong."""
        collection = self._ready()
        if collection is None:
            return otherwise
        try:
            result = action(collection)
        except Exception as error:  # noqa: BLE001  whatever it is, an answer must not fail for it
            self._failed(error)
            return otherwise
        self._complained = False
        return result

    def ready(self, seconds: float = 60.0) -> bool:
        """Open it now, waiting so long at most; whether it is open."""
        with self._state:
            self._resume = 0.0
        return self._ready(seconds) is not None

    def close(self) -> None:
        """Let go of the database and let another process have it."""
        with self._state:
            self._closed = True
            opening = self._opening
        if opening is not None:
            opening.join(_PATIENCE)
        with self._state:
            self._release()

    def _ready(self, patience: float = _PATIENCE) -> Any:
        with self._state:
            if self._closed or time.monotonic() < self._resume:
                return None
            if self._collection is not None:
                return self._collection
            if self._opening is None:
                self._opening = threading.Thread(target=self._open, name="melancia-cache", daemon=True)
                self._opening.start()
            opening = self._opening
        opening.join(patience)
        if self._opening is opening:
            self._failed(TimeoutError("still opening"))
        return self._collection

    def _open(self) -> None:
        try:
            collection = self._connect().get_or_create_collection(
                self._name,
                embedding_function=None,  # the default would fetch a model from outside
                configuration={
                    "hnsw": {"space": "cosine", "ef_construction": 200, "max_neighbors": 16, "ef_search": 400}
                },
            )
        except Exception as error:  # noqa: BLE001  see use()
            self._failed(error)
            with self._state:
                self._opening = None
                self._release()
            return
        with self._state:
            self._opening = None
            self._collection = collection
            self._resume, self._complained = 0.0, False
            if self._closed:
                self._release()

    def _connect(self) -> Any:
        import chromadb

        settings = chromadb.Settings(anonymized_telemetry=False)
        if self._server is None:
            self._acquire()
            self._client = chromadb.PersistentClient(path=str(self._directory), settings=settings)
            return self._client
        address = urlsplit(self._server)
        client = chromadb.HttpClient(
            host=address.hostname or "",
            port=address.port or (443 if address.scheme == "https" else 80),
            ssl=address.scheme == "https",
            settings=settings,
        )
        # Chroma's own client waits for ever and has no option for it.
        client._server._session.timeout = _PATIENCE
        self._client = client
        return client

    def _acquire(self) -> None:
        """Two processes on one Chroma path lose vectors: the second one goes without a cache."""
        self._directory.mkdir(parents=True, exist_ok=True)
        self._lock = (self._directory.parent / f"{self._directory.name}.lock").open("a+")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise IndexLockedError("O cache de respostas está em uso por outro processo.") from error

    def _release(self) -> None:
        if self._client is not None:
            self._client.close()
        if self._lock is not None:
            self._lock.close()
        self._client = self._collection = self._lock = None

    def _failed(self, error: Exception) -> None:
        with self._state:
            if self._closed:
                return
            self._resume = time.monotonic() + self._pause
            complained, self._complained = self._complained, True
        if not complained:
            logger.warning(
                "the answer cache rests for %.0f s: %s: %s", self._pause, type(error).__name__, error
            )
