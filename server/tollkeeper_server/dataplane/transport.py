"""The seam to upstreams: send a request, get status and raw headers, then chunks as they arrive."""

from collections.abc import AsyncIterator, Callable
from typing import Protocol

from msgspec import Struct

from tollkeeper_server.domain.upstream import Timeouts
from tollkeeper_server.snapshot.model import Dial, Header

NO_DIAL = Dial()
"""Connect directly, and trust the system's authorities."""


class Outgoing(Struct, frozen=True):
    """A request to an upstream. Header names are lower case; host and framing are the transport's.

    `length` is the size of a streamed body, None if it is not known. `dial` says how to connect.
    """

    method: str
    url: str
    headers: list[Header]
    body: bytes | AsyncIterator[bytes]
    timeouts: Timeouts
    length: int | None = None
    dial: Dial = NO_DIAL

    def __repr__(self) -> str:
        """Leave out the parts that may hold secrets."""
        return f"Outgoing({self.method!r}, {self.url!r})"


class Incoming(Protocol):
    """An upstream's answer, its body not read yet."""

    status: int
    headers: list[Header]

    def whole_body(self) -> bytes | None:
        """Take the body if all of it has arrived and nothing of it was read; else None."""

    def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body's bytes as they arrive, joined if several pieces have. Raises `TransportError`."""

    async def pour(self, take: Callable[[bytes], bool]) -> bool:
        """Hand the body's bytes to `take` as soon as they arrive, until it returns False or they end.

        Return whether they have ended. `take` is called where the bytes are read from the upstream, which
        saves a switch of tasks for each chunk; it must not block. Raises `TransportError`.
        """

    def close(self) -> None:
        """Let go of the answer. The connection is closed at once unless the body has ended."""


class Transport(Protocol):
    """Opens requests. Cancelling `open` or the reading of chunks closes the connection at once."""

    async def open(self, request: Outgoing) -> Incoming:
        """Send a request, and return the answer once its headers have arrived.

        Raises `TransportError`; `ConnectError` also for a dial that can't be used.
        """

    async def close(self) -> None:
        """Close every connection."""


class TransportError(Exception):
    """An upstream could not be spoken to. The message says how, without addresses or secrets."""


class ConnectError(TransportError):
    """No connection came about: refused, unresolvable, untrusted, timed out."""


class TimeoutExpiredError(TransportError):
    """The upstream was silent for too long, or took too long in all."""


class CutError(TransportError):
    """The upstream closed the connection before its answer had ended."""


class GarbageError(TransportError):
    """What the upstream sent is not HTTP."""
