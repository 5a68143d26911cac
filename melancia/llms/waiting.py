"""Waits for a server without being deaf to a wish to stop."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

_POLL = 0.5  # seconds between two looks at whether one shall stop
T = TypeVar("T")


class StoppedError(Exception):
    """Whoever asked for it wants it no more."""


async def while_wanted(
    work: Coroutine[Any, Any, T], stop: threading.Event, look: Callable[[], None] | None = None
) -> T:
    """Await ``work``, calling ``look`` now and then. Raises StoppedError once ``stop`` is set."""
    task = asyncio.create_task(work)
    try:
        while not task.done():
            await asyncio.wait({task}, timeout=_POLL)
            if stop.is_set():
                raise StoppedError
            if look is not None and not task.done():
                look()
        return task.result()
    finally:
        if not task.done():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
