"""A response that starts with its first chunk, stops when the client leaves, and can break off."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from tests.standins.ollama.wire import ApiError, Drop


class Reply(Response):
    """Streams chunks.

    Starlette's StreamingResponse sends the head at once; Ollama sends it with the first token, and a status
    of 500 is still possible until then. `refuse` makes the response for an error before the first chunk,
    `error_chunk` the chunk for one after it.
    """

    def __init__(
        self,
        chunks: AsyncGenerator[bytes, None],
        media_type: str,
        refuse: Callable[[ApiError], Response],
        error_chunk: Callable[[ApiError], bytes],
    ) -> None:
        super().__init__(media_type=media_type)
        del self.headers["content-length"]
        self._chunks = chunks
        self._refuse = refuse
        self._error_chunk = error_chunk

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Produce and watch the client at the same time: a stalled answer must notice that it left."""
        producer = asyncio.create_task(self._produce(scope, receive, send))
        watcher = asyncio.create_task(_until_disconnect(receive))
        try:
            await asyncio.wait({producer, watcher}, return_when=asyncio.FIRST_COMPLETED)
            if producer.done():
                producer.result()
        finally:
            producer.cancel()
            watcher.cancel()
            await asyncio.gather(producer, watcher, return_exceptions=True)

    async def _produce(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def emit(chunk: bytes) -> None:
            nonlocal started
            if not started:
                started = True
                await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            await send({"type": "http.response.body", "body": chunk, "more_body": True})

        try:
            async with aclosing(self._chunks) as chunks:
                async for chunk in chunks:
                    await emit(chunk)
        except Drop:
            # Returning with the body unfinished makes uvicorn close the connection.
            await emit(b"")
            return
        except ApiError as error:
            if not started:
                await self._refuse(error)(scope, receive, send)
                return
            await emit(self._error_chunk(error))
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _until_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
