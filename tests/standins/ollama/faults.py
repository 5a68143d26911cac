"""Faults that a test can switch on, for good or for the next N requests that they concern."""

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields
from typing import Any, Self


class InvalidFault(ValueError):
    """No such fault, or a value that it cannot take."""


def _seconds(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0


def _count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _switch(value: object) -> bool:
    return value is True


def _switch_or_text(value: object) -> bool:
    return value is True or (isinstance(value, str) and value != "")


def _text(value: object) -> bool:
    return isinstance(value, str) and value != ""


def _switch_or_seconds(value: object) -> bool:
    return value is True or _seconds(value)


_VALID: dict[str, tuple[Callable[[object], bool], str]] = {
    "slow_first_token": (_seconds, "seconds"),
    "stall_after_tokens": (_count, "a number of tokens"),
    "http_500": (_switch_or_text, "true or an error message"),
    "http_429": (_switch_or_seconds, "true or the seconds of Retry-After"),
    "drop_connection_after_tokens": (_count, "a number of tokens"),
    "mid_stream_error": (_switch_or_text, "true or an error message"),
    "missing_model": (_switch, "true"),
    "cpu_fallback": (_switch, "true"),
    "pull_disk_full": (_switch, "true"),
    "pull_stall": (_switch_or_text, 'true, or "aloud"'),
    "pull_error": (_text, "an error message"),
}

GENERATION = (
    "slow_first_token",
    "stall_after_tokens",
    "http_500",
    "http_429",
    "drop_connection_after_tokens",
    "mid_stream_error",
    "missing_model",
)
"""The faults that concern `/api/chat`, `/api/generate` and `/v1/chat/completions`."""
EMBEDDING = ("http_500", "http_429", "missing_model")
"""The faults that concern `/api/embed` and `/api/embeddings`."""
PULL = ("pull_disk_full", "pull_stall", "pull_error", "missing_model")
"""The faults that concern `/api/pull`."""


@dataclass
class Faults:
    """The faults in force; None (or False) is off. Set fields directly, or with `set` to limit them.

    slow_first_token: wait so many seconds before the first token.
    stall_after_tokens: so many tokens, then silence until the client leaves.
    http_500: refuse with 500 (a string is the error message).
    http_429: refuse with 429 (a number is Retry-After in seconds).
    drop_connection_after_tokens: so many tokens, then the connection closes in mid-stream.
    mid_stream_error: two tokens, then an error line (a string is the message).
    missing_model: every model is unknown, and none can be pulled.
    cpu_fallback: `/api/ps` says that nothing of the model is in VRAM.
    pull_disk_full: a pull runs half-way, then the disk is full.
    pull_stall: a pull runs half-way, then silence until the client leaves ("aloud": the same report again
        and again, as Ollama does while no byte comes).
    pull_error: a pull asks the registry, then ends with these words.
    """

    slow_first_token: float | None = None
    stall_after_tokens: int | None = None
    http_500: bool | str | None = None
    http_429: bool | float | None = None
    drop_connection_after_tokens: int | None = None
    mid_stream_error: bool | str | None = None
    missing_model: bool | None = None
    cpu_fallback: bool | None = None
    pull_disk_full: bool | None = None
    pull_stall: bool | str | None = None
    pull_error: str | None = None
    _times: dict[str, int] = field(default_factory=dict, init=False, repr=False, compare=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False, compare=False)

    def set(self, *, times: int | None = None, **values: Any) -> None:
        """Switch faults on (or off, with None or False), for the next `times` requests that they concern."""
        if times is not None and (not _count(times) or times == 0):
            raise InvalidFault(f"times must be a whole number above 0, not {times!r}")
        for name, value in values.items():
            if name not in _VALID:
                raise InvalidFault(f"unknown fault {name!r}; known: {', '.join(_VALID)}")
            valid, expected = _VALID[name]
            if value is not None and value is not False and not valid(value):
                raise InvalidFault(f"{name} takes {expected}, not {value!r}")
        with self._lock:
            for name, value in values.items():
                self._times.pop(name, None)
                # `0` is a value ("after no token"), so only None and False mean off.
                setattr(self, name, None if value is False else value)
                if times is not None and getattr(self, name) is not None:
                    self._times[name] = times

    def clear(self) -> None:
        """Switch all faults off."""
        with self._lock:
            self._times.clear()
            for name in _VALID:
                setattr(self, name, None)

    def take(self, names: Iterable[str]) -> Self:
        """The faults of those named that hit one request, which counts against their `times`."""
        taken = type(self)()
        with self._lock:
            for name in names:
                value = getattr(self, name)
                setattr(taken, name, value)
                if name in self._times:
                    self._times[name] -= 1
                    if self._times[name] == 0:
                        del self._times[name]
                        setattr(self, name, None)
        return taken

    def to_dict(self) -> dict[str, Any]:
        """The faults in force, with what is left of their `times`."""
        with self._lock:
            on = {f.name: getattr(self, f.name) for f in fields(self) if not f.name.startswith("_")}
            return {
                "faults": {
                    name: value for name, value in on.items() if value is not None and value is not False
                },
                "times": dict(self._times),
            }
