"""The line between the supervisor and one of its processes: messages, some with sockets, over a socket pair.

Its end tells each of them that the other has ended.
"""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable, Sequence

import msgspec

_log = logging.getLogger("tollkeeper.workers")
_MAX_MESSAGE = 64 * 1024
_MOST_SOCKETS = 1


class Ready(msgspec.Struct, frozen=True, tag=True):
    """A process serves. What it has to say is for people."""

    announcement: str = ""


class Opened(msgspec.Struct, frozen=True, tag=True):
    """A port of the data plane is open; its socket comes with this."""

    address: str


class Closed(msgspec.Struct, frozen=True, tag=True):
    """A port of the data plane is to be closed by everybody."""

    address: str


class Failed(msgspec.Struct, frozen=True, tag=True):
    """A process can't start, for a reason that people can mend."""

    reason: str


class Linked(msgspec.Struct, frozen=True, tag=True):
    """A connection between a worker and the process that controls, which comes with this."""

    worker: int


class Stop(msgspec.Struct, frozen=True, tag=True):
    """The gateway ends: serve what is under way, and end."""


Message = Ready | Failed | Opened | Closed | Linked | Stop
Take = Callable[[Message, Sequence[socket.socket]], None]
_decode = msgspec.json.Decoder(Message).decode


class Line:
    """One end of a line. `take` is called with each message and its sockets, `lost` once at its end."""

    def __init__(self, connected: socket.socket) -> None:
        connected.setblocking(False)
        self._connected = connected
        self._loop: asyncio.AbstractEventLoop | None = None
        self._take: Take
        self._lost: Callable[[], None]

    def start(self, take: Take, lost: Callable[[], None]) -> None:
        """Listen to the other end. Needs a running loop."""
        self._take, self._lost = take, lost
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._connected.fileno(), self._read)

    def send(self, message: Message, *sockets: socket.socket) -> None:
        """Send a message; it is harmless if the other end is gone. One that does not read is given up."""
        try:
            socket.send_fds(self._connected, [msgspec.json.encode(message)], [it.fileno() for it in sockets])
        except BlockingIOError:
            _log.error("a process of this gateway does not read what it is told, and is given up")
            self._end()
        except OSError as error:
            _log.debug("a process of this gateway is gone: %s", error)

    def abandon(self) -> None:
        """Close this end in a process that was forked, whose parent goes on with it."""
        self._connected.close()

    def close(self) -> None:
        """Close this end; `lost` is not called."""
        if self._loop is not None and self._connected.fileno() >= 0:
            self._loop.remove_reader(self._connected.fileno())
        self._connected.close()

    def _read(self) -> None:
        while self._connected.fileno() >= 0:
            try:
                data, fds, _, _ = socket.recv_fds(self._connected, _MAX_MESSAGE, _MOST_SOCKETS)
            except BlockingIOError:
                return
            except OSError:
                data, fds = b"", []
            sockets = [socket.socket(fileno=fd) for fd in fds]
            if not data:
                self._end()
                return
            for it in sockets:
                it.set_inheritable(False)
                it.setblocking(False)
            self._take(_decode(data), sockets)

    def _end(self) -> None:
        self.close()
        with contextlib.suppress(AttributeError):  # it was never started
            self._lost()


def pair() -> tuple[Line, Line]:
    """Return both ends of a new line."""
    first, second = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    return Line(first), Line(second)
