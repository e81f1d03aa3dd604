"""The callers of the gRPC port: accepted here, within bounds, and passed on to gRPC byte by byte.

gRPC takes no sockets, and asks nobody before it accepts one. So it listens behind this port, at a socket of
this process (`grpc_socket.py`). Its calls wait in one queue, which one caller could keep full: who has shown
no token begins calls at a pace (`grpc_ends.py`).
"""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable
from functools import partial
from typing import cast

from tollkeeper_server.domain.shortage import Shortage, shortage_in
from tollkeeper_server.doors.grpc_ends import Caller, GrpcEnd
from tollkeeper_server.doors.grpc_socket import peer_name
from tollkeeper_server.doors.pace import Pace
from tollkeeper_server.doors.sockets import name_of
from tollkeeper_server.http1 import descriptors
from tollkeeper_server.http1.server.acceptor import Acceptor, Arrivals, PlainArrivals
from tollkeeper_server.http1.server.connection_limit import ConnectionLimit
from tollkeeper_server.http1.server.handshake import Handshakes
from tollkeeper_server.telemetry.shortages import shortages

_HANDSHAKE_SECONDS = 10.0
# A caller whom gRPC has not greeted takes its end for a failure, and not for a reason to connect again.
_GREETING_SECONDS = 1.0
_MANY = 10_000

Connect = Callable[[], socket.socket]


class GrpcCallers:
    """Accepts on a bound socket, with a context over TLS, and connects each caller to gRPC."""

    def __init__(
        self, bound: socket.socket, *, limit: ConnectionLimit | None = None, tls: ssl.SSLContext | None = None
    ) -> None:
        self.bound = bound
        self.address = name_of(bound)
        """Where it listens, `HOST:PORT`."""
        self.limit = limit or ConnectionLimit("gRPC", in_all=_MANY, per_address=_MANY)
        self.loop: asyncio.AbstractEventLoop
        self.pace: Pace
        """What the callers of each address do without a token."""
        self._tls = tls
        self._handshakes = 0
        self._connect: Connect
        self._arrivals: Arrivals | None = None
        self._acceptor: Acceptor | None = None
        self._connecting: set[asyncio.Task[None]] = set()
        self._open: set[Caller] = set()
        self._named: dict[str, Caller] = {}
        self._empty = asyncio.Event()
        self._empty.set()
        self._new: set[Caller] = set()
        self._all_greeted = asyncio.Event()
        self._all_greeted.set()

    async def open(self, connect: Connect) -> None:
        """Begin to accept; `connect` returns a connection to gRPC."""
        self.loop, self._connect = asyncio.get_running_loop(), connect
        self.pace = Pace(self.loop.time)
        self._arrivals = self._arrivals_by(self._tls)
        self._acceptor = Acceptor(self.bound, self._arrivals)
        self._acceptor.open()

    async def stop(self) -> None:
        """Accept nobody more, and return once gRPC has greeted who was accepted, or they say nothing.

        Callers that are made to wait are broken off, others go on.
        """
        acceptor, self._acceptor = self._acceptor, None
        if acceptor is None or self._arrivals is None:
            return
        acceptor.close()
        await self._arrivals.finish(_GREETING_SECONDS)
        for caller in list(self._open):
            if caller.is_waiting:
                caller.abort()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_GREETING_SECONDS):
                await self._all_greeted.wait()

    async def close(self) -> None:
        """End connections, once callers have taken what gRPC said."""
        for task in list(self._connecting):
            task.cancel()
        if self._connecting:
            await asyncio.wait(self._connecting)
        for caller in list(self._open):
            caller.close()
        await self._empty.wait()

    def refused(self) -> dict[str, int]:
        """Return how many connections were refused, by reason."""
        return {
            **{str(bound): count for bound, count in self.limit.refused.items()},
            "handshake": self._handshakes,
        }

    def known(self, peer: str) -> None:
        """Record that who makes calls by the connection that gRPC calls `peer` has shown a token."""
        caller = self._named.get(peer)
        if caller is not None:
            caller.is_known = True

    def address_of(self, peer: str) -> str:
        """Return the address of who calls by the connection that gRPC calls `peer`, empty if unknown."""
        caller = self._named.get(peer)
        return caller.address or "" if caller is not None else ""

    def _arrivals_by(self, tls: ssl.SSLContext | None) -> Arrivals:
        make = partial(Caller, self)
        if tls is None:
            return PlainArrivals(make)
        return Handshakes(
            tls,
            secured=make,
            plain=partial(_Unsecured, self._count_handshake),
            seconds=lambda: _HANDSHAKE_SECONDS,
            failed=self._count_handshake,
            has_room=descriptors.is_for_console,
        )

    def _count_handshake(self) -> None:
        self._handshakes += 1

    # The side of the connections.

    def admit(self, caller: Caller, descriptor: int) -> bool:
        """Return whether a caller may stay."""
        if not descriptors.is_for_console(descriptor):
            shortages.note(Shortage.DESCRIPTORS, "a connection to gRPC was refused")
            return False
        if not self.limit.admit(caller.address):
            return False
        self._open.add(caller)
        self._empty.clear()
        self._new.add(caller)
        self._all_greeted.clear()
        return True

    def greeted(self, caller: Caller) -> None:
        """Record that gRPC has said something to a caller."""
        self._new.discard(caller)
        if not self._new:
            self._all_greeted.set()

    def left(self, caller: Caller) -> None:
        """Record that a caller who was admitted has left."""
        self.limit.left(caller.address)
        self._named.pop(caller.name, None)
        self._open.discard(caller)
        self.greeted(caller)
        if not self._open:
            self._empty.set()

    def connect(self, caller: Caller) -> None:
        """Have a caller joined with gRPC."""
        task = self.loop.create_task(self._join(caller))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    async def _join(self, caller: Caller) -> None:
        try:
            connected = self._connect()
            caller.name = peer_name(connected)
            self._named[caller.name] = caller
            await self.loop.create_unix_connection(partial(GrpcEnd, caller), sock=connected)
        except OSError as error:
            if (shortage := shortage_in(error)) is not None:
                shortages.note(shortage, "a connection to gRPC was refused")
            caller.abort()


class _Unsecured(asyncio.Protocol):
    """A caller who speaks no TLS where it is spoken."""

    def __init__(self, failed: Callable[[], None]) -> None:
        self._failed = failed

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._failed()
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, _data: bytes) -> None:
        self._transport.close()  # with everything read: what is left would reset the connection
