"""Runs the stand-in in a thread, for tests."""

from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Self

from tests.standins.ollama.backends import Backend, Script, Scripted
from tests.standins.ollama.faults import Faults
from tests.standins.ollama.records import RequestRecord
from tests.standins.ollama.server import create_app
from tests.standins.ollama.state import Hold, State
from tests.standins.serving import ThreadServer


class OllamaStandin:
    """A running stand-in on a free port of the loopback interface; a context manager."""

    def __init__(
        self,
        backend: Backend | None = None,
        models: Iterable[str] = ("llama3.2:3b",),
        *,
        default_num_ctx: int = 4096,
        pull_step_seconds: float = 0.0,
    ) -> None:
        self.backend: Backend = backend or Scripted()
        app = create_app(
            self.backend, models, default_num_ctx=default_num_ctx, pull_step_seconds=pull_step_seconds
        )
        self._state: State = app.state.standin
        self._server = ThreadServer(app, "ollama-standin")

    @property
    def url(self) -> str:
        """The base address, as `OLLAMA_HOST` takes it."""
        return f"http://127.0.0.1:{self._server.port}"

    @property
    def openai_url(self) -> str:
        """The base address for OpenAI's clients."""
        return f"{self.url}/v1"

    @property
    def faults(self) -> Faults:
        """The switches."""
        return self._state.faults

    @property
    def requests(self) -> list[RequestRecord]:
        """The requests so far, oldest first."""
        return self._state.log.snapshot()

    @property
    def models(self) -> list[str]:
        """The names of the installed models."""
        return [model.name for model in self._state.library.installed()]

    def wait_for(self, predicate: Callable[[RequestRecord], bool], timeout: float = 60.0) -> RequestRecord:
        """The first request that satisfies `predicate`, as soon as there is one."""
        return self._state.log.wait_for(predicate, timeout)

    def hold(self, tokens: int | None) -> Hold:
        """From now on, answers stop after so many tokens until the test, which has looked, lets them go on.

        An answer obeys the hold under which it was asked for. None: nothing is held.
        """
        self._state.hold = Hold(tokens)
        return self._state.hold

    def set_script(self, script: Script, model: str | None = None) -> None:
        """Change what the scripted model answers: to everybody, or under one model name."""
        if not isinstance(self.backend, Scripted):
            raise TypeError("only the scripted backend has a script")
        self.backend.set_script(script, model)

    def reset(self) -> None:
        """No faults, nothing held, an empty log, the default script: for fixtures that share one server."""
        self.faults.clear()
        self.hold(None)
        self._state.log.clear()
        if isinstance(self.backend, Scripted):
            self.backend.set_script(Scripted().script)

    def start(self) -> Self:
        """Start serving; returns when the server is up."""
        self._server.start()
        return self

    def stop(self) -> None:
        """Stop serving; open connections are closed."""
        self._server.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
