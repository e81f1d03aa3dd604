"""One request and its answer on the wire, with the transport faults an answer can have."""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable, MutableMapping
from http import HTTPStatus
from typing import Any

from tollkeeper_server.simulator.recorder import Record
from tollkeeper_server.simulator.reply import HeaderPairs

TRANSPORT = "tollkeeper.simulator.transport"
"""The ASGI extension in which `server.py` passes the connection: `{"transport": …}`."""

Message = MutableMapping[str, Any]  # ASGI's messages are untyped mappings
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


def _phrase(status: int) -> bytes:
    try:
        return HTTPStatus(status).phrase.encode()
    except ValueError:  # a status that HTTP does not define, such as Anthropic's 529
        return b""


class ClientLeftError(Exception):
    """The client closed the connection before its request was complete."""


class Exchange:
    """Reads a request, writes its answer, and notices when the client leaves.

    When the client leaves before the answer's end, the task that writes the answer is cancelled and `left` is
    true. ASGI can't express `drop`, early hints and a body that ends with the connection: these write to the
    connection itself, and need the server of `server.py`.
    """

    def __init__(self, scope: Message, receive: Receive, send: Send, record: Record) -> None:
        self.record = record
        self.left = False
        self._receive = receive
        self._send = send
        self._ending = False
        self._raw = False
        self._watcher: asyncio.Task[None] | None = None
        extension = scope.get("extensions", {}).get(TRANSPORT, {})
        self._transport: asyncio.Transport | None = extension.get("transport")

    async def read_body(self) -> bytes:
        """Return the whole body. Raises `ClientLeftError`."""
        parts: list[bytes] = []
        more = True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientLeftError
            if body := message.get("body"):
                parts.append(body)
            more = message.get("more_body", False)
        return b"".join(parts)

    def watch(self) -> None:
        """Start watching for the client to leave."""
        if self._watcher is None:
            task = asyncio.current_task()
            assert task is not None
            self._watcher = asyncio.create_task(self._watch(task))

    async def _watch(self, task: asyncio.Task[Any]) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        if not self._ending:
            self.left = True
            task.cancel()

    async def pause(self, milliseconds: float) -> None:
        """Wait; the task is cancelled if the client leaves meanwhile."""
        self.watch()
        await asyncio.sleep(milliseconds / 1000)

    async def fall_silent(self) -> None:
        """Send nothing more until the client leaves."""
        self.watch()
        await asyncio.Event().wait()

    def early_hints(self) -> None:
        """Send a 103 before the answer."""
        if self._transport is not None:
            self._transport.write(b"HTTP/1.1 103 Early Hints\r\nlink: </style.css>; rel=preload\r\n\r\n")

    async def start(
        self, status: int, headers: HeaderPairs, *, close_framed: bool = False, no_phrase: bool = False
    ) -> None:
        """Send the head. With `close_framed` or `no_phrase`, the end of the connection ends the body.

        `no_phrase` leaves the text out of the status line, as RFC 9112, section 4 allows.
        """
        self.record.status = status
        if (close_framed or no_phrase) and self._transport is not None:
            self._raw = True
            phrase = b"" if no_phrase else _phrase(status)
            lines = [b"HTTP/1.1 %d " % status + phrase, b"connection: close"]
            lines += [name + b": " + value for name, value in headers if name != b"content-length"]
            self._transport.write(b"\r\n".join(lines) + b"\r\n\r\n")
        else:
            await self._send({"type": "http.response.start", "status": status, "headers": headers})

    async def write(self, data: bytes) -> None:
        """Send a part of the body."""
        if self._raw and self._transport is not None:
            self._transport.write(data)
        else:
            await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def end(self, data: bytes = b"") -> None:
        """Send the last part of the body."""
        self._ending = True
        if self._raw:
            await self.write(data)
            await self.drop()
        else:
            await self._send({"type": "http.response.body", "body": data, "more_body": False})

    async def write_garbage(self) -> None:
        """Send bytes that are not HTTP, and close the connection."""
        if self._transport is not None:
            self._transport.write(b"\x00\x01SIMULATED GARBAGE\xff\xfe\r\n\r\n")
        await self.drop()

    async def drop(self, *, reset: bool = False) -> None:
        """Close the connection; with `reset`, send a reset (RST) and discard unsent bytes."""
        self._ending = True
        if self._transport is None:
            return
        if reset:
            underlying: socket.socket = self._transport.get_extra_info("socket")
            underlying.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._transport.abort()
        else:
            self._transport.close()
        self.watch()
        assert self._watcher is not None
        await self._watcher

    def close(self) -> None:
        """Stop watching; call it once, when the answer has ended or was given up."""
        self._ending = True
        if self._watcher is not None:
            self._watcher.cancel()
