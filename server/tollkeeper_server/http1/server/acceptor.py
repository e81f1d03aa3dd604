"""Accepting callers on a listening socket: many in a turn of the event loop, for others wait behind them."""

import asyncio
import logging
import socket
from collections.abc import Callable
from typing import Protocol

from tollkeeper_server.domain.shortage import shortage_in
from tollkeeper_server.telemetry.shortages import shortages

_log = logging.getLogger("tollkeeper.http")

BACKLOG = 2048
"""How many connections the kernel holds for a listener until it accepts them."""

# What follows is cheap until a caller's bytes are looked at. The loop itself would accept one in each turn.
_AT_ONCE = 32
# Of several processes that accept on one socket each takes a few, and who has enough waits for the others.
_IN_TURN = 2
_TURN_SECONDS = 0.002
# How long nobody is accepted after this machine could not give a connection what it needs.
_PAUSE_SECONDS = 1.0

Factory = Callable[[], asyncio.BaseProtocol]


class Arrivals(Protocol):
    """What makes connections of accepted sockets (`PlainArrivals`, `Handshakes`)."""

    def take(self, connected: socket.socket, address: str | None) -> None: ...
    async def finish(self, seconds: float) -> None: ...


class Acceptor:
    """Accepts callers on a listening socket, which it closes in the end. `arrivals` takes each one.

    Where other processes accept on it, too, `has_enough` returns whether they should go first.
    """

    def __init__(
        self, bound: socket.socket, arrivals: Arrivals, has_enough: Callable[[], bool] | None = None
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._bound = bound
        self._arrivals = arrivals
        self._pause: asyncio.TimerHandle | None = None
        self._is_closed = False
        self._has_enough = has_enough
        self._has_waited = False

    def open(self) -> None:
        """Begin to accept."""
        self._pause = None
        self._loop.add_reader(self._bound.fileno(), self._accept)

    def accept_rest(self) -> None:
        """Accept everybody who has connected: closing the socket would reset their connections."""
        self._has_enough = None
        while self._accept():
            pass

    def close(self) -> None:
        """Accept nobody more, and close the socket."""
        self._is_closed = True
        if self._pause is not None:
            self._pause.cancel()
        self._loop.remove_reader(self._bound.fileno())
        self._bound.close()

    def _accept(self) -> bool:
        """Accept some of those who have connected, and return whether there may be more."""
        if self._has_enough is not None and not self._has_waited and self._has_enough():
            self._has_waited = True
            self._hold(_TURN_SECONDS)
            return False
        self._has_waited = False
        for _ in range(_AT_ONCE if self._has_enough is None else _IN_TURN):
            try:
                connected, address = self._bound.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return False
            except OSError as error:
                if (shortage := shortage_in(error)) is None:
                    raise
                shortages.note(shortage, "callers wait to be accepted")
                self._hold(_PAUSE_SECONDS)
                return False
            connected.setblocking(False)
            self._arrivals.take(connected, address[0] if isinstance(address, tuple) else None)
        return True

    def _hold(self, seconds: float) -> None:
        self._loop.remove_reader(self._bound.fileno())
        if not self._is_closed:
            self._pause = self._loop.call_later(seconds, self.open)


class PlainArrivals:
    """Gives each accepted caller a protocol at once."""

    def __init__(self, factory: Factory) -> None:
        self._loop = asyncio.get_running_loop()
        self._factory = factory
        self._under_way: set[asyncio.Task[None]] = set()

    def take(self, connected: socket.socket, _address: str | None) -> None:
        """Take a caller's socket."""
        self._under_way.add(self._loop.create_task(self._connect(connected)))

    async def finish(self, seconds: float) -> None:
        """Return when all have their protocols."""
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=seconds)

    async def _connect(self, connected: socket.socket) -> None:
        task = asyncio.current_task()
        assert task is not None
        try:
            await self._loop.connect_accepted_socket(self._factory, connected)
        except OSError as error:
            _log.debug("a caller has left again: %s", error)
        finally:
            self._under_way.discard(task)
