"""Serves an ASGI app in a thread, on a free port of the loopback interface: what every stand-in does."""

import socket
import threading
from typing import Any

import uvicorn

# Long, for a machine that has much else to do: each wait ends with its event.
START_SECONDS = 60.0
STOP_SECONDS = 60.0


class _Server(uvicorn.Server):
    """A uvicorn server that says when it is up."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.up.set()


class ThreadServer:
    """Serves ``app`` once it is started; ``port`` is 0 until then."""

    def __init__(self, app: Any, name: str) -> None:
        # Stalled answers never end by themselves, so stopping does not wait for them.
        # asyncio, because timers of uvloop may fire early.
        config = uvicorn.Config(
            app,
            interface="asgi3",  # not recognised in a bound method
            loop="asyncio",
            http="h11",
            log_level="critical",
            lifespan="off",
            timeout_graceful_shutdown=0,
            # The servers that are imitated keep idle connections. uvicorn's 5 s are also httpx's: a client
            # that asks again after just that long would find its connection closed under its hands.
            timeout_keep_alive=3600,
        )
        self._name = name
        self._server = _Server(config)
        self._thread: threading.Thread | None = None
        self.port = 0

    def start(self) -> None:
        """Start serving; returns when the server is up."""
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        self.port = listener.getsockname()[1]
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [listener]}, name=self._name, daemon=True
        )
        self._thread.start()
        if not self._server.up.wait(START_SECONDS):
            raise RuntimeError("the stand-in did not start")

    def stop(self) -> None:
        """Stop serving; open connections are closed."""
        if self._thread is None:
            return
        self._server.should_exit = True
        self._thread.join(STOP_SECONDS)
        if self._thread.is_alive():
            raise RuntimeError("the stand-in did not stop")
        self._thread = None
