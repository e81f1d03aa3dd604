"""An upstream's answer while it comes in: the part that has arrived, and the reader that waits for more."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Protocol

from tollkeeper_server.dataplane.transport import CutError, TransportError
from tollkeeper_server.snapshot.model import Header

HELD_BYTES = 64 * 1024
"""How much of a body is held for a slow reader before the upstream is made to wait: a token may have many."""


class Source(Protocol):
    """The connection that an answer comes from (connection.py)."""

    def pause_reading(self) -> None: ...
    def rest(self) -> None: ...
    def resume_reading(self) -> None: ...
    def drop(self) -> None: ...


class Answer:
    """An `Incoming`, and the iterator over its own body. `status` is 0 until the headers have arrived."""

    __slots__ = (
        "_ended", "_error", "_held", "_loop", "_paused", "_size", "_source", "_waiter", "headers", "push",
        "status",
    )  # fmt: skip

    def __init__(self, source: Source, loop: asyncio.AbstractEventLoop) -> None:
        self.status = 0
        self.headers: list[Header] = []
        self._source: Source | None = source
        self._loop = loop
        self._held: list[bytes] = []
        self._size = 0
        self._paused = False
        self._ended = False
        self._error: TransportError | None = None
        self.push: Callable[[bytes], bool] | None = None
        """Takes the body's bytes as they arrive, if set. Nothing waits for them then."""
        self._waiter: asyncio.Future[None] | None = None

    async def head(self) -> None:
        """Return once status and headers have arrived. Raises `TransportError`."""
        while self.status == 0:
            if self._error is not None:
                raise self._error
            await self._wait()

    async def beginning(self, size: int) -> bytes:
        """Return the body, which can still be read, once it has ended or so many bytes of it are here."""
        while not self._ended and self._error is None and self._size < size:
            await self._wait()
        return b"".join(self._held)

    def rest(self) -> None:
        if self._source is not None and not self._paused:
            self._paused = True
            self._source.rest()

    def go_on(self) -> None:
        if self._paused and self._size <= HELD_BYTES:
            self._paused = False
            if self._source is not None:
                self._source.resume_reading()

    def whole_body(self) -> bytes | None:
        return self._take_held() if self._ended else None

    def chunks(self) -> AsyncIterator[bytes]:
        return self

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        held = self._held
        while not held:
            if self._ended:
                raise StopAsyncIteration
            if self._error is not None:
                raise self._error
            await self._wait()
        return self._take_held()

    async def pour(self, take: Callable[[bytes], bool]) -> bool:
        while True:
            if self._held and not take(self._take_held()):
                return False
            if self._ended:
                return True
            if self._error is not None:
                raise self._error
            self.push = take
            try:
                await self._wait()
            finally:
                stopped, self.push = self.push is None, None
            if stopped:
                return False

    def _take_held(self) -> bytes:
        held = self._held
        chunk = held[0] if len(held) == 1 else b"".join(held)
        held.clear()
        self._size = 0
        if self._paused:
            self._paused = False
            if self._source is not None:
                self._source.resume_reading()
        return chunk

    def close(self) -> None:
        if self._source is not None:
            self._source.drop()
            self._held.clear()
            self.fail(CutError("the answer was given up before it had ended"))

    def take(self, piece: bytes) -> None:
        """Add a piece of the body. The connection calls `wake` once all that arrived is in."""
        if self.push is not None:
            try:
                if not self.push(piece):
                    self.push = None
            except Exception as error:  # noqa: BLE001 - it is for the reader that pours, not for the connection
                self.push = None
                waiter, self._waiter = self._waiter, None
                if waiter is not None and not waiter.done():
                    waiter.set_exception(error)
            return
        self._held.append(piece)
        self._size += len(piece)
        if self._size > HELD_BYTES and not self._paused and self._source is not None:
            self._paused = True
            self._source.pause_reading()

    def end(self) -> None:
        """Record that the body is whole. The connection may serve other requests from now on."""
        self._ended = True
        self._source = None
        self.wake()

    def fail(self, error: TransportError) -> None:
        """Record why no more will come. The bytes that have arrived can still be read."""
        self._error = error
        self._source = None
        self.wake()

    def wake(self) -> None:
        """Have the reader look again."""
        waiter = self._waiter
        if waiter is not None:
            self._waiter = None
            if not waiter.done():
                waiter.set_result(None)

    async def _wait(self) -> None:
        self._waiter = waiter = self._loop.create_future()
        try:
            await waiter
        except asyncio.CancelledError:
            self.close()
            raise
