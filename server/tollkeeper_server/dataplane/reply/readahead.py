"""Reading the beginning of an upstream's answer before any of it is passed on."""

from collections.abc import AsyncIterator, Callable

from tollkeeper_server.dataplane.transport import Incoming
from tollkeeper_server.snapshot.model import Header


class ReadAhead:
    """An answer whose beginning, `held`, was read already: an `Incoming` that begins with it."""

    __slots__ = ("_ended", "_incoming", "_rest", "headers", "held", "status")

    def __init__(self, incoming: Incoming) -> None:
        self.status: int = incoming.status
        self.headers: list[Header] = incoming.headers
        self.held = b""
        self._incoming = incoming
        self._rest = incoming.chunks()
        self._ended = False

    @property
    def ended(self) -> bool:
        """Whether all of the answer was read."""
        return self._ended

    async def read(self, limit: int, enough: Callable[[bytes], bool]) -> None:
        """Read until `enough` of the answer has arrived, it has ended, or `limit` bytes are held.

        Raises `TransportError`. What had arrived before that, or before the task is cancelled, is held.
        """
        async for chunk in self._rest:
            self.held += chunk
            if len(self.held) >= limit or enough(self.held):
                return
        self._ended = True

    def whole_body(self) -> bytes | None:
        """Return the answer if all of it was read, and hold it no longer; else None."""
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
        return await anext(self._rest)

    async def pour(self, take: Callable[[bytes], bool]) -> bool:
        """Hand over the beginning, then the rest as it arrives."""
        held, self.held = self.held, b""
        if held and not take(held):
            return False
        return self._ended or await self._incoming.pour(take)

    def close(self) -> None:
        """Let go of the answer."""
        self._incoming.close()


async def read_ahead(incoming: Incoming, limit: int, enough: Callable[[bytes], bool]) -> ReadAhead:
    """Read until `enough` of the answer has arrived, it has ended, or `limit` bytes were read.

    Raises `TransportError`.
    """
    answer = ReadAhead(incoming)
    await answer.read(limit, enough)
    return answer
