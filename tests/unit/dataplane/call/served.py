"""An upstream that the gateway calls by itself."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tollkeeper_server.http1.client.transport import Http1Transport


class Upstream:
    """A server of its own: it answers with `answer`, or not at all while that is empty.

    `answers` go before it, by path.
    """

    def __init__(self) -> None:
        self.answer = b""
        self.answers: dict[bytes, bytes] = {}
        self.requests: asyncio.Queue[bytes] = asyncio.Queue()
        self.left: asyncio.Queue[None] = asyncio.Queue()
        self.server: asyncio.Server

    def status(self, status: int) -> None:
        """Let it answer with this status."""
        self.answer = b"HTTP/1.1 %d X\r\nContent-Length: 2\r\n\r\n{}" % status

    @property
    def url(self) -> str:
        """Its base URL."""
        host, port = self.server.sockets[0].getsockname()
        return f"http://{host}:{port}/v1"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                self.requests.put_nowait(head)
                writer.write(self.answers.get(head.split(b" ")[1], self.answer))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            self.left.put_nowait(None)
        finally:
            writer.close()


@asynccontextmanager
async def serving() -> AsyncIterator[tuple[Upstream, Http1Transport]]:
    """Run an upstream, and a transport to call it by."""
    upstream = Upstream()
    upstream.server = await asyncio.start_server(upstream.serve, "127.0.0.1", 0)
    transport = Http1Transport()
    try:
        yield upstream, transport
    finally:
        await transport.close()
        upstream.server.close()
        await upstream.server.wait_closed()
