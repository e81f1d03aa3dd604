"""Accepting callers that speak TLS: a task for each handshake, which takes its time and no more."""

import asyncio
import logging
import socket
import ssl
from collections import Counter
from collections.abc import Callable
from functools import partial

from tollkeeper_server.domain.networks import network_of
from tollkeeper_server.domain.shortage import Shortage
from tollkeeper_server.http1 import descriptors
from tollkeeper_server.http1.server.acceptor import Factory
from tollkeeper_server.http1.server.round_robin import RoundRobin
from tollkeeper_server.telemetry.once_a_minute import OnceAMinute
from tollkeeper_server.telemetry.shortages import shortages

_log = logging.getLogger("tollkeeper.http")
# How many begin in a turn of the event loop. Each takes a millisecond or two of it at once.
_BEGIN_AT_ONCE = 1
# How long a caller may take to confirm that a connection ends.
_SHUTDOWN_SECONDS = 5.0
# The first byte of a handshake (RFC 8446, 5.1): no method of HTTP begins with it.
_HANDSHAKE = b"\x16"


class Handshakes:
    """Gives each accepted caller a protocol once its handshake is done.

    A caller that begins with anything but a handshake gets a protocol of the factory `plain`. One whose
    handshake fails is let go: that is the caller's affair, counted, and told at the log level debug. When too
    many are under way, the oldest are broken off of the address that has most: honest callers take
    milliseconds.
    """

    def __init__(
        self,
        context: ssl.SSLContext,
        *,
        secured: Factory,
        plain: Factory,
        seconds: Callable[[], float],
        failed: Callable[[], None],
        has_room: Callable[[int], bool] = descriptors.is_for_callers,
    ) -> None:
        """`seconds` is asked how long a handshake may take, from connecting; `failed` is told of failures.

        `has_room` is asked whether a connection may have its descriptor.
        """
        self._loop = asyncio.get_running_loop()
        self._context = context
        self._secured = secured
        self._plain = plain
        self._seconds = seconds
        self._under_way: dict[asyncio.Task[None], str] = {}
        self._by_network: Counter[str] = Counter()
        self._turns = RoundRobin(_BEGIN_AT_ONCE)
        self._has_room = has_room
        self._most = descriptors.most_handshakes()
        self._failed = failed
        self._telling = OnceAMinute(self._loop.time)

    def take(self, connected: socket.socket, address: str | None) -> None:
        """Take a caller's socket."""
        if not self._has_room(connected.fileno()):
            shortages.note(Shortage.DESCRIPTORS, "a caller's connection was refused")
            connected.close()
            return
        task = self._loop.create_task(self._begin(connected, address))
        network = network_of(address)
        self._under_way[task] = network
        self._by_network[network] += 1
        task.add_done_callback(self._ended)
        if len(self._under_way) > self._most:
            self._break_off_oldest()

    async def finish(self, seconds: float) -> None:
        """Return when no handshake is under way; those that take longer are broken off."""
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=seconds)
        for task in self._under_way:
            task.cancel()
        if self._under_way:
            await asyncio.wait(self._under_way)

    def _ended(self, task: asyncio.Task[None]) -> None:
        network = self._under_way.pop(task)
        self._by_network[network] -= 1
        if not self._by_network[network]:
            del self._by_network[network]

    def _break_off_oldest(self) -> None:
        [(most, _)] = self._by_network.most_common(1)
        oldest = next(task for task, network in self._under_way.items() if network == most)
        # It is told the loop's next turn: until then, it must not be the oldest again.
        self._under_way[oldest] = self._under_way.pop(oldest)
        oldest.cancel()
        self._failed()
        if self._telling.is_due():
            _log.warning("more than %d handshakes are under way; the oldest are broken off", self._most)

    async def _begin(self, connected: socket.socket, address: str | None) -> None:
        connect = self._loop.connect_accepted_socket
        try:
            async with asyncio.timeout(self._seconds()):
                first = await self._first_byte(connected, address)
                # Once it is given to `connect`, the socket is the loop's to close.
                if first == _HANDSHAKE:
                    ending = {"ssl_shutdown_timeout": _SHUTDOWN_SECONDS}
                    await connect(self._secured, connected, ssl=self._context, **ending)
                elif first:
                    await connect(self._plain, connected)
        except OSError as error:  # errors of TLS and of time are such errors, too
            self._failed()
            _log.debug("a handshake failed: %s", str(error) or "it took too long")

    async def _first_byte(self, connected: socket.socket, address: str | None) -> bytes:
        """Return the first byte in its turn, and leave it to be read; close the socket of who has left."""
        readable, number = self._loop.create_future(), connected.fileno()
        self._loop.add_reader(number, _settle, readable)
        first = b""
        try:
            await readable
            self._loop.remove_reader(number)
            turn = self._loop.create_future()
            self._turns.join(address, partial(_settle, turn), self._loop)
            await turn
            first = connected.recv(1, socket.MSG_PEEK)
        finally:
            if not first:
                self._loop.remove_reader(number)
                connected.close()
        return first


def _settle(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
