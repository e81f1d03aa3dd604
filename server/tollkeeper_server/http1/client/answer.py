"""An upstream's answer while it comes in: what has arrived, and who waits for more."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Protocol

from tollkeeper_server.dataplane.transport import CutError, TransportError
from tollkeeper_server.http1.framing import HELD_BYTES
from tollkeeper_server.snapshot.model import Header


class Source(Protocol):
    """The connection an answer comes from."""

    def pause(self) -> None:
        """Stops reading until `resume`."""

    def resume(self) -> None:
        """Reads on."""

    def drop(self) -> None:
        """Closes the connection at once and forgets the answer."""


class Answer:
    """An `Incoming`, and the iterator over its own body. `status` is 0 until its headers are there."""

    __slots__ = (
        "_ended",
        "_error",
        "_held",
        "_loop",
        "_paused",
        "_size",
        "_source",
        "_waiter",
        "begun",
        "headers",
        "push",
        "status",
    )

    def __init__(self, source: Source, loop: asyncio.AbstractEventLoop) -> None:
        self.status = 0
        self.headers: list[Header] = []
        self.begun = False
        """Whether a byte of it has come."""
        self._source: Source | None = source
        self._loop = loop
        self._held: list[bytes] = []
        self._size = 0
        self._paused = False
        self._ended = False
        self._error: TransportError | None = None
        self.push: Callable[[bytes], bool] | None = None
        """Who is handed what comes, if anybody is; nobody needs to be woken then."""
        self._waiter: asyncio.Future[None] | None = None

    async def head(self) -> None:
        """Returns once status and headers are there. Raises `TransportError`."""
        while self.status == 0:
            if self._error is not None:
                raise self._error
            await self._wait()

    def whole_body(self) -> bytes | None:
        """Takes the body if all of it is there; else None."""
        return self._take_held() if self._ended else None

    def chunks(self) -> AsyncIterator[bytes]:
        """Yields the body's bytes as they arrive, joined if several pieces have."""
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
        """Hands the body's bytes to `take` as they arrive; tells whether they have ended."""
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
                self._source.resume()
        return chunk

    def close(self) -> None:
        """Lets go of the answer; the connection is closed at once unless the body has ended."""
        if self._source is not None:
            self._source.drop()
            self._held.clear()
            self.fail(CutError("the answer was let go of before it had ended"))

    def take(self, piece: bytes) -> None:
        """Adds a piece of the body. `wake` is the caller's to call, once all that came is in."""
        if self.push is not None:
            try:
                if not self.push(piece):
                    self.push = None
            except Exception as error:  # noqa: BLE001 - it is for whoever pours, not for whoever reads
                self.push = None
                waiter, self._waiter = self._waiter, None
                if waiter is not None and not waiter.done():
                    waiter.set_exception(error)
            return
        self._held.append(piece)
        self._size += len(piece)
        if self._size > HELD_BYTES and not self._paused and self._source is not None:
            self._paused = True
            self._source.pause()

    def end(self) -> None:
        """Says that the body is whole; the connection may serve others from now on."""
        self._ended = True
        self._source = None
        self.wake()

    def fail(self, error: TransportError) -> None:
        """Says why no more will come. What has come can still be read."""
        self._error = error
        self._source = None
        self.wake()

    def wake(self) -> None:
        """Lets whoever waits look again."""
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
