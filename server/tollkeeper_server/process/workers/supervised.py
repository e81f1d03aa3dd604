"""A process's side of its line to the supervisor."""

import asyncio
import socket
from collections.abc import Callable, Sequence

from tollkeeper_server.process.workers.line import Line, Message, Ready, Stop

Hear = Callable[[Message, Sequence[socket.socket]], None]


class Supervised:
    """Tells the supervisor that this process is ready, and hears from it.

    `stop` is set when the gateway ends, `taken_over` when another process is to take this one's place.
    """

    def __init__(self, line: Line, stop: asyncio.Event) -> None:
        self.line = line
        self.announcement = ""
        """What people are told when all is ready."""
        self.stop = stop
        self.taken_over = asyncio.Event()

    def listen(self, hear: Hear) -> None:
        """Hear the supervisor from now on. `hear` is called with what is not for this process as a whole."""

        def take(message: Message, sockets: Sequence[socket.socket]) -> None:
            if isinstance(message, Stop):
                self.stop.set()
            else:
                hear(message, sockets)

        self.line.start(take, self.taken_over.set)

    def start(self, inherited: socket.socket | None) -> None:  # noqa: ARG002 - the supervisor has that one
        """Say that this process is ready."""
        self.line.send(Ready(self.announcement))

    async def close(self) -> None:
        """Do nothing: the supervisor hears when this process has ended."""
