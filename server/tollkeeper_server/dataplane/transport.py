"""The seam to upstreams: send a request, get status and raw headers, then chunks as they arrive."""

from collections.abc import AsyncIterator, Callable
from typing import Protocol

from msgspec import Struct

from tollkeeper_server.domain.connect_failure import ConnectProblem, ConnectStage
from tollkeeper_server.domain.shortage import Shortage
from tollkeeper_server.domain.upstream import Timeouts
from tollkeeper_server.snapshot.model import Dial, Header

NO_DIAL = Dial()
"""Connect directly, and trust the system's authorities."""


class Parts(Struct, frozen=True):
    """A body that is sent in parts: a changed one has those that stayed in common with the one it was."""

    parts: tuple[bytes | memoryview, ...]

    def __len__(self) -> int:
        """Return how many bytes it has."""
        return sum(map(len, self.parts))


Whole = bytes | Parts
"""A body that does not stream. That a value is one is asked of each request: this makes the union once."""


class Outgoing(Struct, frozen=True):
    """A request to an upstream. Header names are lower case; host and framing are the transport's.

    `length` is the size of a streamed body, None if it is not known. `dial` says how to connect.
    """

    method: str
    url: str
    headers: list[Header]
    body: bytes | Parts | AsyncIterator[bytes]
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

    def rest(self) -> None:
        """Read no more of the body until `go_on`: the answer is not passed on for a while."""

    def go_on(self) -> None:
        """Read the body again."""

    async def pour(self, take: Callable[[bytes], bool]) -> bool:
        """Hand the body's bytes to `take` as soon as they arrive, until it returns False or they end.

        Return whether they have ended. `take` is called where the bytes are read from the upstream, which
        saves a switch of tasks for each chunk; it must not block. Raises `TransportError`.
        """

    def close(self) -> None:
        """Give the answer up. The connection is closed at once unless the body has ended."""


class Transport(Protocol):
    """Opens requests. Cancelling `open` or the reading of chunks closes the connection at once."""

    async def open(self, request: Outgoing) -> Incoming:
        """Send a request, and return the answer once its headers have arrived.

        Raises `TransportError`; `ConnectError` also for a dial that can't be used.
        """

    async def close(self) -> None:
        """Close every connection."""


class TransportError(Exception):
    """An upstream could not be spoken to. The message says how, without addresses or secrets.

    `problem` is why a connection failed, None if one was established, or was not wanted any more.
    """

    def __init__(self, message: str, problem: ConnectProblem | None = None) -> None:
        super().__init__(message)
        self.problem = problem


class ConnectError(TransportError):
    """No connection came about: refused, unresolvable, untrusted, timed out."""


class LocalShortageError(ConnectError):
    """This machine lacks what a connection takes; the upstream was asked nothing."""

    def __init__(self, shortage: Shortage) -> None:
        super().__init__(f"the gateway's machine has no {shortage.text} left")
        self.shortage = shortage


class TimeoutExpiredError(TransportError):
    """The upstream was silent for too long, or took too long in all."""


class CutError(TransportError):
    """The upstream closed the connection before its answer had ended."""


class GarbageError(TransportError):
    """What the upstream sent is not HTTP."""


class Stage(Struct, frozen=True, kw_only=True):
    """A stage of connecting, to the outbound proxy or to the upstream itself."""

    stage: ConnectStage
    at_proxy: bool
    seconds: float


class Dialled(Struct, frozen=True, kw_only=True):
    """The stages that were come to, in order. `error` is how the last one failed, None if it did not."""

    stages: tuple[Stage, ...]
    error: ConnectError | None


class Dialler(Protocol):
    """Connects to an upstream, sends nothing, and closes the connection."""

    async def dial(self, url: str, dial: Dial, seconds: float) -> Dialled:
        """Connect to where a URL leads, within `seconds`, and return how far that came."""
