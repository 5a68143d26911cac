"""Gathers a fast stream of events into frames, so that the page is not redrawn for each token."""

import asyncio
import contextlib
import contextvars
import time
from collections.abc import AsyncGenerator
from typing import TypeVar

T = TypeVar("T")


async def frames(
    events: AsyncGenerator[T, None], seconds: float, silence: float | None = None
) -> AsyncGenerator[list[T], None]:
    """The events in lists: at most one list in ``seconds``, none withheld for longer. Closes ``events``.

    A frame is sent when it is due even if the stream has stalled, so that what was said can be read. With
    ``silence``, an empty list comes whenever nothing has for so many seconds: Gradio notices that somebody
    has left only between two updates.
    """
    gathered: list[T] = []
    due = 0.0
    # One context for all steps: what a step says of its log lines holds for those after it.
    context = contextvars.copy_context()
    coming = _step(events, context)
    try:
        while True:
            wait = max(0.0, due - time.monotonic()) if gathered else silence
            await asyncio.wait({coming}, timeout=wait)
            if coming.done():
                if not (event := coming.result()):
                    break
                gathered += event
                coming = _step(events, context)
            elif not gathered:
                yield []
            if gathered and time.monotonic() >= due:
                due = time.monotonic() + seconds
                yield gathered
                gathered = []
        if gathered:
            yield gathered
    finally:
        coming.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await coming
        await events.aclose()


def _step(events: AsyncGenerator[T, None], context: contextvars.Context) -> asyncio.Task[list[T]]:
    """The next event, alone in a list; an empty one at the end."""

    async def step() -> list[T]:
        try:
            return [await anext(events)]
        except StopAsyncIteration:
            return []

    return asyncio.get_running_loop().create_task(step(), context=context)
