"""A server that is built: serving, reading its configuration file again, and ending."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from tollkeeper_server.doors.console_listener import ConsoleListener
from tollkeeper_server.doors.grpc import GrpcListener
from tollkeeper_server.doors.listeners import Listeners
from tollkeeper_server.management.chain.streams import Streams
from tollkeeper_server.process.configure import ConfigurationFile
from tollkeeper_server.process.demo import Demo
from tollkeeper_server.process.errors import RunError
from tollkeeper_server.process.renewal import CertificateWatch
from tollkeeper_server.process.takeover import InheritedSockets, Use

_log = logging.getLogger("tollkeeper.app")


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where a server listens: URLs without a path, and the `HOST:PORT` of gRPC."""

    data: str
    console: str
    grpc: str


class Offer(Protocol):
    """Tells of this process to those who may take its place.

    `taken_over` is set when one serves its ports.
    """

    taken_over: asyncio.Event

    def start(self, inherited: socket.socket | None) -> None:
        """Begin, at a UNIX socket that a process taken over from has handed on, if there is one."""

    async def close(self) -> None:
        """Tell nobody any more."""


@dataclass(frozen=True, slots=True)
class Running:
    """A server with all its parts. `draining` is set when it begins to end.

    `inherited` are the sockets of the process that it takes over from, `drain_seconds` how long requests
    under way may go on at the end.
    """

    addresses: Addresses
    listeners: Listeners
    console: ConsoleListener
    grpc: GrpcListener
    inherited: InheritedSockets
    handover: Offer
    streams: Streams
    draining: asyncio.Event
    drain_seconds: float
    configuration_file: ConfigurationFile | None
    certificate: CertificateWatch | None
    demo: Demo | None
    workers_gone: Callable[[], Awaitable[None]] | None = None
    """Returns when those that serve callers have ended; None if this process does."""

    async def serve(self, stop: asyncio.Event) -> None:
        """Serve until `stop` is set or another process has taken over, and the drain is over.

        The drain ends with the requests under way, or with its time. Raises `ListenError`.
        """
        await self.grpc.start()
        async with asyncio.TaskGroup() as tasks:
            data = tasks.create_task(self.listeners.serve())
            tasks.create_task(self.console.serve())
            self._begin_handover()
            ends = [tasks.create_task(stop.wait()), tasks.create_task(self.handover.taken_over.wait())]
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            for end in ends:
                end.cancel()
            self.draining.set()
            self.streams.end()
            await self.handover.close()
            if self.handover.taken_over.is_set():
                await self._leave_to_successor()
            else:
                await self._leave(data)

    async def reload(self) -> None:
        """Read the certificate and apply the configuration file again.

        An error in one of them is logged, and changes nothing of it.
        """
        if self.certificate is not None:
            await self.certificate.look(asked=True)
        if self.configuration_file is None:
            if self.certificate is None:
                _log.warning("there is no configuration file to apply again; --config names one")
            return
        try:
            await self.configuration_file.apply()
        except RunError as error:
            _log.error("nothing was changed: %s", error)

    def _begin_handover(self) -> None:
        waiting = self.inherited.take(Use.TAKEOVER)
        self.inherited.confirm()
        self.inherited.close()
        self.handover.start(waiting)

    async def _leave_to_successor(self) -> None:
        _log.info("another process has taken over; requests under way here may end")
        self.listeners.stop(shared=True)
        self.console.stop()
        await self.grpc.stop(self.drain_seconds)

    async def _leave(self, data: asyncio.Task[None]) -> None:
        """End the data plane first: until then load balancers read at the console that it ends."""
        loop = asyncio.get_running_loop()
        end = loop.time() + self.drain_seconds
        self.listeners.stop()
        self.console.leave()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(end):
                await asyncio.wait({data})
                if self.workers_gone is not None:
                    await self.workers_gone()
                await self.console.unused()
        left = max(end - loop.time(), 0.0)
        self.console.stop(left)
        await self.grpc.stop(left)
