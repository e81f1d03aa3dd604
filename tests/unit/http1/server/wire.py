"""A caller's connection without a network: what the server does is noted."""

import asyncio
import socket

from tollkeeper_server.dataplane.caller import Message, Receive, Send
from tollkeeper_server.http1.server.connection import CallerConnection
from tollkeeper_server.http1.server.limits import TimeLimits
from tollkeeper_server.http1.server.listener import DataListener

from tests.unit.http1.server.served import caller_of

LIMITS = TimeLimits(head=10, keep_alive=75, quiet=5, linger=3)


class Wire(asyncio.Transport):
    """The loop's end of a connection, without a network: notes what is sent, and how it ends."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []
        self.reads = True
        self.unsent = 0
        self.socket, self.peer = socket.socketpair()

    def get_write_buffer_size(self) -> int:
        """Return how much the caller has not taken."""
        return self.unsent

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Take it."""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Note the answer: its body, or its status if it is a refusal."""
        head, _, body = bytes(data).partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200 "):
            body = head.split(b" ")[1]
        self.said.append(body.decode())

    def writelines(self, list_of_data: object) -> None:
        """Note the answer."""
        assert isinstance(list_of_data, tuple)
        self.write(b"".join(list_of_data))

    def pause_reading(self) -> None:
        """Note it."""
        assert self.reads
        self.reads = False

    def resume_reading(self) -> None:
        """Note it."""
        assert not self.reads
        self.reads = True

    def can_write_eof(self) -> bool:
        """Return that it can, as TCP."""
        return True

    def write_eof(self) -> None:
        """Note it."""
        self.said.append("eof")

    def close(self) -> None:
        """Note it."""
        self.said.append("close")

    def abort(self) -> None:
        """Note it."""
        self.said.append("abort")

    def get_extra_info(self, name: str, default: object = None) -> object:
        """Return a socket on which nothing has come in."""
        return self.socket if name == "socket" else default

    def is_closing(self) -> bool:
        """Whether the server closed it."""
        return "close" in self.said or "abort" in self.said


class Case:
    """A connection on such a wire."""

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None, limits: TimeLimits = LIMITS) -> None:
        self.listener = DataListener(self.app, socket.socket(), drain_seconds=1.0, limits=limits)
        self.listener.loop = loop or asyncio.get_running_loop()
        self.wire = Wire()
        self.connection = CallerConnection(self.listener)
        self.connection.connection_made(self.wire)

    async def app(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer with the path, in a while."""
        assert len(self.listener.tasks) == 1
        await asyncio.sleep(0)
        path = scope["raw_path"]
        headers = [(b"content-length", b"%d" % len(path))]
        if path == b"/close":
            headers.append((b"connection", b"close"))
        caller_of(scope).answer(200, headers, path)

    def feed(self, data: bytes) -> None:
        """Let bytes come in."""
        buffer = self.connection.get_buffer(-1)
        buffer[: len(data)] = data
        self.connection.buffer_updated(len(data))

    def ask(self, path: str) -> None:
        """Let a request come in."""
        self.feed(b"GET %b HTTP/1.1\r\nhost: a\r\n\r\n" % path.encode())

    async def idle(self) -> None:
        """Return when every request that may be answered is, and every turn was taken."""
        while self.listener.tasks or self.connection._waits:
            await asyncio.gather(*self.listener.tasks)
            await asyncio.sleep(0)

    def end(self) -> None:
        """Let the caller leave."""
        self.connection.connection_lost(None)
        for one in (self.wire.socket, self.wire.peer, self.listener.bound):
            one.close()
