"""Frames: nothing lost, nothing out of order, nothing withheld during a stall, the stream always closed."""

import asyncio
import contextvars
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from melancia.ui.frames import frames


@given(st.lists(st.integers(), max_size=30), st.sets(st.integers(0, 30)))
@settings(max_examples=30, deadline=None)
def test_every_event_arrives_once_and_in_order(events: list[int], pauses: set[int]) -> None:
    async def stream() -> AsyncGenerator[int, None]:
        for position, event in enumerate(events):
            if position in pauses:
                await asyncio.sleep(0.001)
            yield event

    async def collect() -> list[list[int]]:
        return [frame async for frame in frames(stream(), 0.002)]

    got = asyncio.run(collect())
    assert [event for frame in got for event in frame] == events
    assert all(got)


def test_a_stall_does_not_withhold_what_came_before_and_leaving_closes_the_stream() -> None:
    closed = asyncio.Event()

    async def stalling() -> AsyncGenerator[int, None]:
        try:
            for event in range(5):
                yield event
            await asyncio.Event().wait()
        finally:
            closed.set()

    async def read() -> list[int]:
        seen: list[int] = []
        async with aclosing(frames(stalling(), 0.01)) as drawn:
            async for frame in drawn:
                seen += frame
                if len(seen) == 5:
                    break
        return seen

    assert asyncio.run(read()) == [0, 1, 2, 3, 4]
    assert closed.is_set()


def test_a_failure_of_the_stream_is_not_swallowed() -> None:
    async def failing() -> AsyncGenerator[int, None]:
        yield 1
        raise RuntimeError("broken")

    async def collect() -> None:
        async for _ in frames(failing(), 0.001):
            pass

    with pytest.raises(RuntimeError, match="broken"):
        asyncio.run(collect())


def test_silence_is_told_so_that_a_visitor_who_left_is_noticed() -> None:
    async def silent() -> AsyncGenerator[int, None]:
        yield 1
        await asyncio.Event().wait()

    async def read() -> list[list[int]]:
        seen: list[list[int]] = []
        async with aclosing(frames(silent(), 0.001, silence=0.01)) as drawn:
            async for frame in drawn:
                seen.append(frame)
                if len(seen) == 4:
                    break
        return seen

    assert asyncio.run(read()) == [[1], [], [], []]


def test_what_one_step_sets_holds_for_the_next_and_for_nobody_else() -> None:
    named = contextvars.ContextVar("named", default="")

    async def stream() -> AsyncGenerator[str, None]:
        yield named.get()
        named.set("abc")
        yield named.get()
        await asyncio.sleep(0.01)
        yield named.get()

    async def collect() -> list[str]:
        return [event async for frame in frames(stream(), 0.001) for event in frame]

    assert asyncio.run(collect()) == ["", "abc", "abc"]
    assert named.get() == ""
