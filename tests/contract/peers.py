"""Upstreams by hand, for transports: what they do on the wire is the test's to say."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from tollkeeper_server.dataplane.transport import NO_DIAL, Incoming, Outgoing
from tollkeeper_server.domain.upstream import Timeouts
from tollkeeper_server.snapshot.model import Dial, Header

DEADLINE = 20.0
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
NO_CERTIFICATE = "No required SSL certificate was sent"
STREAM_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"

Reader = asyncio.StreamReader
Writer = asyncio.StreamWriter
Handler = Callable[["Peer", Reader, Writer], Awaitable[None]]


@dataclass
class Peer:
    """An upstream by hand: what it received, and what the other side did."""

    port: int = 0
    base: str = ""
    """Its URL, without a path."""
    connections: int = 0
    requests: list[bytes] = field(default_factory=list)
    left: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the other side closed a connection that was being waited on."""
    go: asyncio.Event = field(default_factory=asyncio.Event)
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a connection was closed from this side."""

    async def read(self, reader: Reader) -> bytes:
        """Read one request, its body by length or in chunks."""
        head = await reader.readuntil(b"\r\n\r\n")
        lower = head.lower()
        body = b""
        if b"transfer-encoding: chunked" in lower:
            while not body.endswith(b"0\r\n\r\n"):
                piece = await reader.read(65536)
                if not piece:
                    raise EOFError
                body += piece
        elif b"content-length: " in lower:
            body = await reader.readexactly(int(lower.partition(b"content-length: ")[2].split(b"\r\n")[0]))
        self.requests.append(head + body)
        return head + body

    async def wait_for_eof(self, reader: Reader) -> None:
        """Wait until the other side closes."""
        try:
            while await reader.read(65536):
                pass
        except ConnectionError:
            pass
        self.left.set()


def saying(answer: bytes) -> Handler:
    """Return what answers a connection's first request so, and waits until the other side closes."""

    async def handler(peer: Peer, reader: Reader, writer: Writer) -> None:
        await peer.read(reader)
        writer.write(answer)
        await peer.wait_for_eof(reader)

    return handler


def nginx_refuses(
    title: str = NO_CERTIFICATE,
    *,
    status: int = 400,
    server: str = "nginx",
    signed: str = "nginx",
    end: str = "close",
) -> bytes:
    """Return the answer by which nginx refuses a client certificate after the handshake."""
    page = (
        f"<html>\r\n<head><title>400 {title}</title></head>\r\n<body>\r\n"
        f"<center><h1>400 Bad Request</h1></center>\r\n<center>{title}</center>\r\n"
        f"<hr><center>{signed}</center>\r\n</body>\r\n</html>\r\n"
    )
    return (
        f"HTTP/1.1 {status} Bad Request\r\nServer: {server}\r\nContent-Type: text/html\r\n"
        f"Content-Length: {len(page)}\r\nConnection: {end}\r\n\r\n{page}"
    ).encode()


@asynccontextmanager
async def listening(
    handler: Handler, *, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None
) -> AsyncIterator[Peer]:
    """An upstream that handles each connection with `handler`, until the end of the `with`."""
    peer = Peer()
    tasks: set[asyncio.Task[Any]] = set()

    async def serve(reader: Reader, writer: Writer) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        peer.connections += 1
        try:
            await handler(peer, reader, writer)
        except (EOFError, ConnectionError):
            pass
        finally:
            writer.close()
            peer.closed.set()

    server = await asyncio.start_server(serve, host, 0, ssl=tls)
    peer.port = server.sockets[0].getsockname()[1]
    peer.base = f"{'https' if tls else 'http'}://{f'[{host}]' if ':' in host else host}:{peer.port}"
    try:
        async with asyncio.timeout(DEADLINE):
            yield peer
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def request_to(
    peer: Peer,
    method: str = "POST",
    path: str = "/v1/x",
    body: bytes | AsyncIterator[bytes] = b"{}",
    headers: list[Header] | None = None,
    length: int | None = None,
    dial: Dial = NO_DIAL,
    **timeouts: float,
) -> Outgoing:
    """A request to the peer, with time limits that no test should come to."""
    return Outgoing(
        method,
        f"{peer.base}{path}",
        headers if headers is not None else [(b"content-type", b"application/json")],
        body,
        Timeouts(**{"connect": 5.0, "first_byte": 15.0, "idle": 15.0, "total": 15.0, **timeouts}),
        length,
        dial,
    )


async def read_all(incoming: Incoming) -> bytes:
    """The rest of an answer's body; the answer is let go of."""
    try:
        return b"".join([chunk async for chunk in incoming.chunks()])
    finally:
        incoming.close()


def answers(*pieces: bytes) -> Handler:
    """Answer the first request with these pieces, and closes."""

    async def handler(peer: Peer, reader: Reader, writer: Writer) -> None:
        await peer.read(reader)
        for piece in pieces:
            writer.write(piece)
            await writer.drain()

    return handler


def keeps_answering(*answers: bytes) -> Handler:
    """Answer one request after the other on a connection."""

    async def handler(peer: Peer, reader: Reader, writer: Writer) -> None:
        for answer in answers:
            await peer.read(reader)
            writer.write(answer)
        await peer.wait_for_eof(reader)

    return handler


async def hangs(peer: Peer, reader: Reader, writer: Writer) -> None:
    """Take a request and says nothing."""
    await peer.read(reader)
    peer.go.set()
    await peer.wait_for_eof(reader)


async def hangs_after_headers(peer: Peer, reader: Reader, writer: Writer) -> None:
    """Begin an answer and does not go on."""
    await peer.read(reader)
    writer.write(STREAM_HEAD + b"2\r\nok\r\n")
    await peer.wait_for_eof(reader)
