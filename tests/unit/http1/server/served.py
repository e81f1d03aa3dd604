"""A data listener with a small application behind it, and callers that speak to it byte by byte."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tollkeeper_server.dataplane.caller import EXTENSION, App, Caller, Message, Receive, Send
from tollkeeper_server.doors.sockets import bind
from tollkeeper_server.http1.server.limits import TimeLimits
from tollkeeper_server.http1.server.listener import DataListener

PATIENCE_SECONDS = 20.0
GET = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"

Header = tuple[bytes, bytes]


@dataclass(frozen=True)
class Secured:
    """The two sides of TLS: what the listener has, and what trusts it."""

    listening: ssl.SSLContext
    trusting: ssl.SSLContext


@dataclass
class Line:
    """A caller's connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.writer.write(data)

    async def head(self) -> bytes:
        """Read a head, with its blank line."""
        return await self.reader.readuntil(b"\r\n\r\n")

    async def answer(self) -> bytes:
        """Read an answer with a content-length, and returns its body."""
        head = await self.head()
        _, _, rest = head.partition(b"content-length: ")
        return await self.reader.readexactly(int(rest.partition(b"\r\n")[0]))

    async def rest(self) -> bytes:
        """Read until the server closes the connection."""
        return await self.reader.read()

    def leave(self) -> None:
        """Close the connection."""
        self.writer.close()


@dataclass
class Served:
    """A listener that serves, the task it serves in, and its callers."""

    listener: DataListener
    serving: asyncio.Task[None]
    where: tuple[str, int]
    trusting: ssl.SSLContext | None = None
    lines: list[Line] = field(default_factory=list)

    async def connect(self, *, buffer: int | None = None, plain: bool = False) -> Line:
        """Connect; `buffer` bounds the bytes that the kernel and the reader take without being asked.

        With `plain` it does so without TLS, also where that is spoken.
        """
        connected = socket.socket()
        connected.setblocking(False)
        if buffer is not None:
            connected.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        try:
            await asyncio.get_running_loop().sock_connect(connected, self.where)
        except OSError:
            connected.close()
            raise
        trusting = None if plain else self.trusting
        line = Line(
            *await asyncio.open_connection(
                sock=connected,
                limit=buffer or 1 << 20,
                ssl=trusting,
                server_hostname="localhost" if trusting else None,
            )
        )
        self.lines.append(line)
        return line

    async def closed(self) -> None:
        """Return when nothing more is accepted."""
        with contextlib.suppress(ConnectionRefusedError):
            while True:
                (await self.connect()).leave()


@asynccontextmanager
async def served(
    app: App,
    *,
    drain_seconds: float = PATIENCE_SECONDS,
    keep_alive: float = 75.0,
    head_timeout: float = PATIENCE_SECONDS,
    quiet: float = 0.05,
    linger: float = PATIENCE_SECONDS,
    tls: Secured | None = None,
) -> AsyncIterator[Served]:
    """A listener on a port of its own. Every wait within is bounded."""
    bound = bind("127.0.0.1:0", "test", "TEST")
    listener = DataListener(
        app,
        bound,
        name="test",
        drain_seconds=drain_seconds,
        limits=TimeLimits(head=head_timeout, keep_alive=keep_alive, quiet=quiet, linger=linger),
        tls=tls.listening if tls else None,
    )
    serving = asyncio.create_task(listener.serve())
    door = Served(listener, serving, bound.getsockname(), tls.trusting if tls else None)
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            yield door
    finally:
        for line in door.lines:
            line.writer.transport.abort()  # whatever a test that failed left unsent
        listener.stop()
        async with asyncio.timeout(PATIENCE_SECONDS):
            await serving


async def start(send: Send, *headers: Header, status: int = 200) -> None:
    """Send an answer's head."""
    await send({"type": "http.response.start", "status": status, "headers": list(headers)})


async def part(send: Send, body: bytes, *, more: bool = True) -> None:
    """Send a part of an answer's body."""
    await send({"type": "http.response.body", "body": body, "more_body": more})


async def whole(send: Send, body: bytes, *headers: Header, status: int = 200) -> None:
    """Send an answer with its length."""
    await start(send, (b"content-length", b"%d" % len(body)), *headers, status=status)
    await part(send, body, more=False)


async def read_body(receive: Receive) -> bytes:
    """Read a request's body to its end."""
    parts: list[bytes] = []
    while True:
        message = await receive()
        assert message["type"] == "http.request"
        parts.append(message["body"])
        if not message["more_body"]:
            return b"".join(parts)


async def echo(scope: Message, receive: Receive, send: Send) -> None:
    """Answer with the target and the body of the request."""
    target: bytes = scope["raw_path"]
    await whole(send, target + b":" + await read_body(receive))


def caller_of(scope: Message) -> Caller:
    """What the listener tells of the caller beyond ASGI."""
    caller: Caller = scope["extensions"][EXTENSION]
    return caller


def post(body: bytes, *lines: bytes, path: bytes = b"/") -> bytes:
    """A request with a body and its length."""
    head = b"\r\n".join([b"POST %b HTTP/1.1" % path, b"host: a", b"content-length: %d" % len(body), *lines])
    return head + b"\r\n\r\n" + body
