"""One exchange on a connection to an upstream, without a network."""

import asyncio
from dataclasses import dataclass, field
from itertools import pairwise
from math import inf

from tollkeeper_server.dataplane.transport import Outgoing, TransportError
from tollkeeper_server.domain.upstream import Timeouts
from tollkeeper_server.http1.client.answer import Answer
from tollkeeper_server.http1.client.connection import UpstreamConnection
from tollkeeper_server.http1.pace import ReadPace
from tollkeeper_server.snapshot.model import Header

REQUEST = Outgoing("POST", "", [], b"", Timeouts())


class Wire(asyncio.Transport):
    """The loop's end of a connection, without a network."""

    def __init__(self) -> None:
        super().__init__()
        self.closed = False
        self.paused = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Drop what is sent."""

    def abort(self) -> None:
        """Take note."""
        self.closed = True

    def is_closing(self) -> bool:
        """Whether it was closed."""
        return self.closed

    def pause_reading(self) -> None:
        """Take note."""
        assert not self.paused
        self.paused = True

    def resume_reading(self) -> None:
        """Take note."""
        assert self.paused
        self.paused = False


@dataclass
class Owner:
    """Who is given connections back."""

    kept: list[UpstreamConnection] = field(default_factory=list)

    def give_back(self, connection: UpstreamConnection) -> None:
        """Take note."""
        self.kept.append(connection)

    def lost(self, connection: UpstreamConnection) -> None:
        """Nothing to do."""


class Case:
    """A connection on which a request was just sent."""

    def __init__(
        self, request: Outgoing = REQUEST, total: float = inf, loop: asyncio.AbstractEventLoop | None = None
    ) -> None:
        self.owner = Owner()
        self.wire = Wire()
        loop = loop or asyncio.get_running_loop()
        self.connection = UpstreamConnection(self.owner, loop, ReadPace())
        self.connection.connection_made(self.wire)
        self.answer: Answer = self.connection.begin(request, b"", loop.time(), loop.time() + total)

    def feed(self, data: bytes) -> None:
        """Let bytes arrive, unless the connection was closed."""
        if not self.wire.closed:
            self.connection.data_received(data)

    def end(self) -> None:
        """Let the upstream close."""
        if not self.wire.closed:
            self.connection.eof_received()
        self.connection.connection_lost(None)


def split(data: bytes, cuts: list[int]) -> list[bytes]:
    """Return the pieces of bytes between cuts."""
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[start:end] for start, end in pairwise(places) if start < end]


async def read(answer: Answer) -> tuple[int, list[Header], bytes, str]:
    """Return status, headers, body and the error that ended it, empty for none."""
    body = b""
    problem = ""
    try:
        await answer.head()
        async for chunk in answer.chunks():
            body += chunk
    except TransportError as error:
        problem = f"{type(error).__name__}: {error}"
    return answer.status, answer.headers, body, problem


async def outcome(pieces: list[bytes]) -> tuple[int, list[Header], bytes, str, int]:
    """Return what `read` does if these bytes arrive and then the end, and how many connections were kept."""
    case = Case()
    for piece in pieces:
        case.feed(piece)
    kept = len(case.owner.kept)
    case.end()
    return (*await read(case.answer), kept)
