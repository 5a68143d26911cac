"""What the endpoints share, and the generation that all of them go through."""

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Literal

from starlette.requests import Request

from tests.standins.ollama.backends import Backend, Call, Finish, Piece
from tests.standins.ollama.faults import GENERATION, Faults
from tests.standins.ollama.library import Library, Model
from tests.standins.ollama.prompt import Message, fit
from tests.standins.ollama.records import RequestLog, RequestRecord
from tests.standins.ollama.wire import ApiError, Drop, get, not_found, option_int

# After how many tokens `mid_stream_error` strikes.
TOKENS_BEFORE_ERROR = 2


class Hold:
    """Answers that began under it say no more than ``tokens`` tokens, until that is raised or None."""

    def __init__(self, tokens: int | None) -> None:
        self.tokens = tokens

    def release(self) -> None:
        """Let them go on to their ends."""
        self.tokens = None

    async def passed(self, sent: int) -> None:
        """Wait until another token than the ``sent`` ones, or the end, may follow."""
        while self.tokens is not None and sent >= self.tokens:  # noqa: ASYNC110  told from another thread
            await asyncio.sleep(0.02)


@dataclass
class State:
    """The server's state; one per app."""

    backend: Backend
    library: Library
    faults: Faults = field(default_factory=Faults)
    log: RequestLog = field(default_factory=RequestLog)
    hold: Hold = field(default_factory=lambda: Hold(None))
    default_num_ctx: int = 4096
    pull_step_seconds: float = 0.0
    partial: dict[str, int] = field(default_factory=dict)
    """By layer, the step that a pull which did not end has reached."""


@dataclass(frozen=True)
class Summary:
    """The end of a generation, with the durations in nanoseconds."""

    reason: Literal["stop", "length"]
    prompt_tokens: int
    completion_tokens: int
    total_duration: int
    load_duration: int
    prompt_eval_duration: int
    eval_duration: int

    def metrics(self) -> dict[str, int]:
        """The fields of the last object of a stream."""
        return {
            "total_duration": self.total_duration,
            "load_duration": self.load_duration,
            "prompt_eval_count": self.prompt_tokens,
            "prompt_eval_duration": self.prompt_eval_duration,
            "eval_count": self.completion_tokens,
            "eval_duration": self.eval_duration,
        }


def state_of(request: Request) -> State:
    """The state of the app that serves this request."""
    state: State = request.app.state.standin
    return state


def record_of(request: Request) -> RequestRecord:
    """The log's record of this request."""
    record: RequestRecord = request.scope["standin.record"]
    return record


def admit(faults: Faults, name: str) -> None:
    """Refuse the request if a fault says so."""
    if faults.http_429:
        after = 1 if faults.http_429 is True else faults.http_429
        raise ApiError(429, "too many requests, please try again later", {"retry-after": f"{after:g}"})
    if faults.http_500:
        raise ApiError(
            500,
            faults.http_500 if isinstance(faults.http_500, str) else "llama runner process has terminated",
        )
    if faults.missing_model:
        raise not_found(name)


class Generation:
    """One request for an answer: from the model's name to the last token."""

    def __init__(self, request: Request, name: str) -> None:
        self._started = time.perf_counter_ns()
        self._state = state_of(request)
        self._record = record_of(request)
        self._name = name
        self.faults = self._state.faults.take(GENERATION)
        self._hold = self._state.hold
        admit(self.faults, name)

    def find(self) -> Model:
        """The model, or 404."""
        model = self._state.library.find(self._name)
        if model is None:
            raise not_found(self._name)
        return model

    def load(self, model: Model, options: Mapping[str, Any], keep_alive: float | None) -> int:
        """Load the model; the result is its context window."""
        wanted = max(4, option_int(options, "num_ctx", self._state.default_num_ctx))
        num_ctx = min(wanted, self._state.backend.context_length)
        self._state.library.load(model, num_ctx, keep_alive)
        return num_ctx

    async def run(
        self,
        model: Model,
        messages: Sequence[Message],
        body: Mapping[str, Any],
        keep_alive: float | None = None,
    ) -> AsyncGenerator[str | Summary, None]:
        """The answer in pieces, then the summary. `body` gives `options`, `truncate` and `shift`."""
        options = get(body, "options", dict, {})
        # A stay of 0 starts after the answer; until then the model is in memory.
        num_ctx = self.load(model, options, keep_alive or None)
        backend = self._state.backend
        tokens = [await backend.tokenize(message.content) for message in messages]
        seen, prompt_tokens = fit(messages, tokens, num_ctx, backend.template_tokens, backend.template_base)
        if not get(body, "truncate", bool, True) and seen != list(messages):
            raise ApiError(400, "the input length exceeds the context length")
        self._state.log.update(self._record, seen=seen)

        limits = [option_int(options, "num_predict", -1)]
        if not get(body, "shift", bool, True):
            limits.append(max(1, num_ctx - prompt_tokens))
        stop = options.get("stop") or []
        call = Call(
            model=self._name,
            messages=seen,
            prompt_tokens=prompt_tokens,
            max_tokens=min((limit for limit in limits if limit > 0), default=None),
            stop=[stop] if isinstance(stop, str) else stop,
            options=options,
        )
        try:
            async with aclosing(self._generate(call)) as events:
                async for event in events:
                    yield event
        finally:
            # As in Ollama, the stay in memory counts from the end of the answer, and 0 ends it at once.
            if keep_alive == 0:
                self._state.library.unload(model)
            else:
                self._state.library.load(model, num_ctx, keep_alive)

    async def _generate(self, call: Call) -> AsyncGenerator[str | Summary, None]:
        loaded = first = time.perf_counter_ns()
        sent = 0
        if self.faults.slow_first_token:
            await asyncio.sleep(self.faults.slow_first_token)
        stream = self._state.backend.stream(call)
        try:
            async for event in stream:
                await self._hold.passed(sent)
                await self._strike(sent, last=isinstance(event, Finish))
                if sent == 0:
                    first = time.perf_counter_ns()
                if isinstance(event, Piece):
                    yield event.text
                    sent += 1
                    self._state.log.update(self._record, tokens_sent=sent)
                else:
                    yield self._summary(event, loaded, first)
        except (ApiError, Drop):
            raise
        except (
            Exception
        ) as error:  # a script or llama.cpp failed, which a client sees as an error of the runner
            raise ApiError(500, str(error) or type(error).__name__) from error
        finally:
            if isinstance(stream, AsyncGenerator):
                await stream.aclose()

    async def _strike(self, sent: int, last: bool) -> None:
        """Apply the faults that are due after `sent` tokens; at the latest before the end of the answer."""

        def due(after: int | None) -> bool:
            return after is not None and (last or sent >= after)

        if due(self.faults.drop_connection_after_tokens):
            raise Drop
        if due(self.faults.stall_after_tokens):
            await asyncio.Event().wait()
        error = self.faults.mid_stream_error
        if error and due(TOKENS_BEFORE_ERROR):
            raise ApiError(
                500, error if isinstance(error, str) else "an error was encountered while running the model"
            )

    def _summary(self, finish: Finish, loaded: int, first: int) -> Summary:
        now = time.perf_counter_ns()
        # Go leaves out a duration of 0, and no real one ever is.
        return Summary(
            reason=finish.reason,
            prompt_tokens=finish.prompt_tokens,
            completion_tokens=finish.completion_tokens,
            total_duration=max(1, now - self._started),
            load_duration=max(1, loaded - self._started),
            prompt_eval_duration=max(1, first - loaded),
            eval_duration=max(1, now - first),
        )
