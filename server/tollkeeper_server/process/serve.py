"""A server that is built: serving, reading its configuration file again, and ending."""

import asyncio
import contextlib
import logging
from dataclasses import dataclass

from tollkeeper_server.doors.console_listener import ConsoleListener
from tollkeeper_server.doors.grpc import GrpcListener
from tollkeeper_server.doors.listeners import Listeners
from tollkeeper_server.process.configure import ConfigurationFile
from tollkeeper_server.process.demo import Demo
from tollkeeper_server.process.errors import RunError
from tollkeeper_server.process.takeover import Handover, InheritedSockets, Use

_log = logging.getLogger("tollkeeper.app")


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where a server listens, each `HOST:PORT`; `tls` is the console's."""

    data: str
    console: str
    grpc: str
    tls: bool


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
    handover: Handover
    draining: asyncio.Event
    drain_seconds: float
    configuration_file: ConfigurationFile | None
    demo: Demo | None

    async def serve(self, stop: asyncio.Event) -> None:
        """Serve until `stop` is set or another process has taken over, and the drain is over.

        The drain ends with the requests under way, or with its time.
        """
        async with asyncio.TaskGroup() as tasks:
            data = tasks.create_task(self.listeners.serve())
            tasks.create_task(self.console.serve())
            self._begin_handover()
            ends = [tasks.create_task(stop.wait()), tasks.create_task(self.handover.taken_over.wait())]
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            for end in ends:
                end.cancel()
            self.draining.set()
            await self.handover.close()
            if self.handover.taken_over.is_set():
                await self._leave_to_successor()
            else:
                await self._leave(data)

    async def reload(self) -> None:
        """Apply the configuration file again. An error in it is logged, and changes nothing."""
        if self.configuration_file is None:
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
                await self.console.unused()
        left = max(end - loop.time(), 0.0)
        self.console.stop(left)
        await self.grpc.stop(left)
