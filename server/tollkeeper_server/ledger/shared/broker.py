"""The table behind a UNIX socket, for the processes of one machine.

The table lives as long as its process: after that another process has another table, and the members begin
a new epoch in it.
"""

import asyncio
import secrets
import socket
from collections.abc import Callable

from tollkeeper_server.ledger.shared.frames import Frames
from tollkeeper_server.ledger.shared.ledger import Connect, Connection
from tollkeeper_server.ledger.shared.messages import Message, decode, encode
from tollkeeper_server.ledger.shared.slots_held import SlotsHeld
from tollkeeper_server.ledger.shared.sweep import forget
from tollkeeper_server.ledger.shared.table import Table


class Broker:
    """Answers the members of a machine. `clock` is microseconds since 1970, and never goes back."""

    def __init__(self, clock: Callable[[], int]) -> None:
        self.table = Table(run=secrets.token_hex(16))
        self._clock = clock
        self._slots = SlotsHeld()
        self._connections: set[Frames] = set()

    async def take(self, connected: socket.socket) -> None:
        """Answer a member at the other end of a socket, which is closed with the broker."""
        await asyncio.get_running_loop().connect_accepted_socket(self._accept, connected)

    def close(self) -> None:
        """Answer nobody any more."""
        for connection in list(self._connections):
            connection.close()

    def bury(self, name: str) -> None:
        """Give back the slots that a dead member holds. What it held of budgets is spent in time."""
        self._slots.give_back(name, self.table)

    def sweep(self) -> None:
        """Forget what the table needs no more."""
        forget(self.table, self._clock())

    def _accept(self) -> Frames:
        def lost() -> None:
            self._connections.discard(connection)

        connection = Frames(self._answer, lost)
        self._connections.add(connection)
        return connection

    def _answer(self, connection: Frames, request: bytes) -> None:
        message = decode(request)
        reply = self.table.answer(message, self._clock())
        self._slots.follow(message, reply)
        connection.write(encode(reply))


class _Asking:
    """A member's connection."""

    def __init__(self, frames: Frames) -> None:
        self._frames = frames

    def send(self, request: Message) -> None:
        """Send a request."""
        self._frames.write(encode(request))

    def close(self) -> None:
        """Give the connection up."""
        self._frames.close()


def by_socket(connect: Callable[[], socket.socket]) -> Connect:
    """Return what connects to a broker by a socket that `connect` returns, or raises OSError."""

    async def asking(received: Callable[[bytes], None], lost: Callable[[], None]) -> Connection:
        _, frames = await asyncio.get_running_loop().create_unix_connection(
            lambda: Frames(lambda _, reply: received(reply), lost), sock=connect()
        )
        return _Asking(frames)

    return asking
