"""An upstream's answer of which other parts are passed on than arrive."""

from collections.abc import AsyncIterator, Callable

from tollkeeper_server.dataplane.transport import Incoming
from tollkeeper_server.snapshot.model import Header


class Remade:
    """An `Incoming` of parts that are made as it is read. Its headers are those of the answer, or others."""

    __slots__ = ("_incoming", "_parts", "headers", "status")

    def __init__(
        self, incoming: Incoming, parts: AsyncIterator[bytes], headers: list[Header] | None = None
    ) -> None:
        self.status: int = incoming.status
        self.headers: list[Header] = incoming.headers if headers is None else headers
        self._incoming = incoming
        self._parts = parts

    def whole_body(self) -> bytes | None:
        """Return None: its parts are made as it is read."""
        return None

    def chunks(self) -> AsyncIterator[bytes]:
        """Yield what is made of what arrives. Raises `TransportError`."""
        return self._parts

    def rest(self) -> None:
        self._incoming.rest()

    def go_on(self) -> None:
        self._incoming.go_on()

    async def pour(self, take: Callable[[bytes], bool]) -> bool:
        """Hand over what is made of what arrives."""
        async for part in self._parts:
            if not take(part):
                return False
        return True

    def close(self) -> None:
        """Give the answer up."""
        self._incoming.close()
