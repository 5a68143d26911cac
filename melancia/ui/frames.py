"""Gathers a fast stream of events into frames, so that the page is not redrawn for each token."""

import asyncio
import contextlib
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
    coming = asyncio.ensure_future(anext(events))
    try:
        while True:
            wait = max(0.0, due - time.monotonic()) if gathered else silence
            await asyncio.wait({coming}, timeout=wait)
            if coming.done():
                try:
                    gathered.append(coming.result())
                except StopAsyncIteration:
                    break
                coming = asyncio.ensure_future(anext(events))
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
        with contextlib.suppress(asyncio.CancelledError, StopAsyncIteration):
            await coming
        await events.aclose()
