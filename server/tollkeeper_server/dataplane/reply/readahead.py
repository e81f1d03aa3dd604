"""Reading the beginning of an upstream's answer before any of it is passed on."""

from collections.abc import AsyncIterator, Callable

from tollkeeper_server.dataplane.transport import Incoming, TransportError
from tollkeeper_server.snapshot.model import Header


class ReadAhead:
    """An answer whose beginning, `held`, was read already: an `Incoming` that begins with it."""

    __slots__ = ("_ended", "_error", "_incoming", "_rest", "headers", "held", "status")

    def __init__(self, incoming: Incoming) -> None:
        self.status: int = incoming.status
        self.headers: list[Header] = incoming.headers
        self.held = b""
        self._incoming = incoming
        self._rest = incoming.chunks()
        self._ended = False
        self._error: TransportError | None = None

    @property
    def ended(self) -> bool:
        """Whether all of the answer was read."""
        return self._ended

    async def read(self, limit: int, enough: Callable[[bytes], bool]) -> None:
        """Read until `enough` of the answer has arrived, it has ended, or `limit` bytes are held.

        Raises `TransportError`. What had arrived before that, or before the task is cancelled, is held.
        """
        try:
            async for chunk in self._rest:
                self.held += chunk
                if len(self.held) >= limit or enough(self.held):
                    return
        except TransportError as error:
            self._error = error  # for who goes on with what had arrived
            raise
        self._ended = True

    async def read_on(self, limit: int) -> None:
        """Read on until the answer has ended, or `limit` bytes are held. Raises `TransportError`."""
        parts = [self.held]
        size = len(self.held)
        while size < limit and not self._ended:
            chunk = await anext(self._rest, None)
            if chunk is None:
                self._ended = True
            else:
                parts.append(chunk)
                size += len(chunk)
        self.held = b"".join(parts)

    def whole_body(self) -> bytes | None:
        """Return the answer and forget it, if all of it was read; else None."""
        if not self._ended:
            return None
        held, self.held = self.held, b""
        return held

    def chunks(self) -> AsyncIterator[bytes]:
        """Yield the beginning, then the rest as it arrives."""
        return self

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        held, self.held = self.held, b""
        if held:
            return held
        if self._ended:
            raise StopAsyncIteration
        if self._error is not None:
            raise self._error
        return await anext(self._rest)

    def rest(self) -> None:
        self._incoming.rest()

    def go_on(self) -> None:
        self._incoming.go_on()

    async def pour(self, take: Callable[[bytes], bool]) -> bool:
        """Hand over the beginning, then the rest as it arrives."""
        held, self.held = self.held, b""
        if held and not take(held):
            return False
        return self._ended or await self._incoming.pour(take)

    def close(self) -> None:
        """Give the answer up."""
        self._incoming.close()


async def read_ahead(incoming: Incoming, limit: int, enough: Callable[[bytes], bool]) -> ReadAhead:
    """Read until `enough` of the answer has arrived, it has ended, or `limit` bytes were read.

    Raises `TransportError`.
    """
    answer = ReadAhead(incoming)
    await answer.read(limit, enough)
    return answer
