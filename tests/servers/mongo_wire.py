"""What stands between a store and its MongoDB, and cuts or holds the connection at a chosen command."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import bson

_HEADER = 16
_OP_MSG = 2013
_COMMANDS = {"aggregate", "find", "insert", "update", "delete", "getMore"}
# A store whose connection is cut is told so: nothing is tried again.
_OPTIONS = "serverSelectionTimeoutMS=30000&retryReads=false&retryWrites=false"


class MongoWire:
    """Passes commands on, and counts those that read or write documents."""

    def __init__(self, url: str) -> None:
        """Take the URL of a database."""
        self._behind = urlsplit(url)
        self._connections: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._count = 0
        self._stop_at = 0
        self._is_cut = False
        self._delivers = False
        self._holds = False
        self.url = ""
        self._reached = asyncio.Event()
        self.release = asyncio.Event()
        """To be set to pass it on."""
        self.left = asyncio.Event()
        """Is set when the store closes the connection of the command that is held."""
        self.held: dict[str, Any] = {}
        """The command that is held."""

    def cut_at(self, number: int, *, delivered: bool) -> None:
        """Cut every connection at the command of that number from now on, before it or before its answer."""
        self._count, self._stop_at, self._delivers = 0, number, delivered

    def hold_at(self, number: int) -> None:
        """Hold the command of that number from now on."""
        self._count, self._stop_at, self._holds = 0, number, True

    async def comes_to_hold(self, work: asyncio.Future[Any]) -> bool:
        """Return True when the command to hold is there, False if `work` is done without it."""
        reached = asyncio.ensure_future(self._reached.wait())
        ends: list[asyncio.Future[Any]] = [work, reached]
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        if reached.done():
            return True
        reached.cancel()
        return False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Relay one connection until an end closes it, or all are cut."""
        task = asyncio.current_task()
        assert task
        self._tasks.add(task)
        if self._is_cut:
            writer.close()
            return
        behind_reader, behind = await asyncio.open_connection(self._behind.hostname, self._behind.port)
        self._connections |= {writer, behind}
        cuts = False
        try:
            while True:
                command = await _message(reader)
                cuts = await self._cuts_at(command, reader)
                if cuts and not self._delivers:
                    break
                behind.write(command)
                answer = await _message(behind_reader)
                if cuts:
                    break
                writer.write(answer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            for end in (writer, behind):
                end.close()
            if cuts:
                self.cut()

    def cut(self) -> None:
        """Close every connection; further ones are closed as they come."""
        self._is_cut = True
        for writer in self._connections:
            writer.close()

    async def close(self) -> None:
        """End everything."""
        self.cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _cuts_at(self, command: bytes, reader: asyncio.StreamReader) -> bool:
        """Hold the command if it is the one to hold; return whether it is the one to cut at."""
        if _name(command) not in _COMMANDS:
            return False
        self._count += 1
        if self._count != self._stop_at:
            return False
        if self._holds:
            self.held = _document(command)
            self._reached.set()
            # Nothing more comes of a connection before it has its answer.
            ends = [asyncio.ensure_future(end) for end in (self.release.wait(), reader.read(1))]
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            for end in ends:
                end.cancel()
            if not self.release.is_set():
                self.left.set()
        return not self._holds


@asynccontextmanager
async def wire_to(url: str) -> AsyncIterator[MongoWire]:
    """A wire to the database of that URL; `MongoWire.url` leads through it."""
    wire = MongoWire(url)
    server = await asyncio.start_server(wire.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    wire.url = urlsplit(url)._replace(netloc=f"127.0.0.1:{port}", query=_OPTIONS).geturl()
    try:
        yield wire
    finally:
        server.close()
        await wire.close()


async def _message(reader: asyncio.StreamReader) -> bytes:
    header = await reader.readexactly(_HEADER)
    return header + await reader.readexactly(int.from_bytes(header[:4], "little") - _HEADER)


def _name(message: bytes) -> str:
    """Return the name of the command in an OP_MSG, empty for other messages."""
    if int.from_bytes(message[12:16], "little") != _OP_MSG:
        return ""
    return next(iter(_document(message)))


def _document(message: bytes) -> dict[str, Any]:
    body = message[_HEADER + 4 + 1 :]
    return bson.decode(body[: int.from_bytes(body[:4], "little")])
