"""A worker: it serves callers of the data plane, and nothing else."""

import asyncio
import logging
import socket
from collections.abc import Sequence
from contextlib import AsyncExitStack

from tollkeeper_server.dataplane.call.upstream_status import status_of
from tollkeeper_server.doors.sockets import name_of
from tollkeeper_server.http1.server.bounds import CallerBounds
from tollkeeper_server.process.core import Core, Duties, build_core, open_store, start_renewal
from tollkeeper_server.process.descriptors import Share, shares
from tollkeeper_server.process.gauges import gauges_of
from tollkeeper_server.process.observer import journal_status
from tollkeeper_server.process.ports import bind_port
from tollkeeper_server.process.table_keeper import table_of
from tollkeeper_server.process.takeover import InheritedSockets, Use
from tollkeeper_server.process.workers.line import Closed, Linked, Message, Opened
from tollkeeper_server.process.workers.link import Link
from tollkeeper_server.process.workers.loads import Loads, ToldLimit
from tollkeeper_server.process.workers.messages import Report
from tollkeeper_server.process.workers.ports import GivenPorts
from tollkeeper_server.process.workers.supervised import Supervised
from tollkeeper_server.settings import Settings
from tollkeeper_server.telemetry.sums import sums_of

_log = logging.getLogger("tollkeeper.workers")


class Worker:
    """A worker with all its parts."""

    def __init__(
        self, core: Core, supervised: Supervised, link: Link, ports: GivenPorts, loads: Loads, number: int
    ) -> None:
        self.certificate = core.certificate
        self._core = core
        self._supervised = supervised
        self._link = link
        self._ports = ports
        self._loads = loads
        self._number = number
        self._name = f"{socket.gethostname()}-{number}"
        ports.came, ports.went = core.listeners.look_again, core.listeners.release

    async def serve(self) -> None:
        """Serve until the gateway ends or another process takes this one's place, and the drain is over."""
        core, supervised = self._core, self._supervised
        await self._link.begin(core, self.report)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(core.listeners.serve())
            self._loads.tell(self._number, 0)
            supervised.start(None)
            ends = [tasks.create_task(it.wait()) for it in (supervised.stop, supervised.taken_over)]
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            for end in ends:
                end.cancel()
            self._ports.close()
            self._loads.leave(self._number)
            core.listeners.stop(shared=supervised.taken_over.is_set())
        await self._link.report()

    async def report(self, number: int) -> Report:
        """Return how this worker is."""
        core = self._core
        health = core.data_plane.health
        seen = (status_of(health, name, self._name) for name in health.used())
        return Report(
            number=number,
            sums=sums_of(core.metrics),
            gauges=gauges_of(core),
            upstreams=tuple(it for it in seen if it is not None),
            journal=await journal_status(core),
        )

    async def reload(self) -> None:
        """Read the certificate again."""
        if self.certificate is not None:
            await self.certificate.look(asked=True)


async def build_worker(
    stack: AsyncExitStack,
    settings: Settings,
    supervised: Supervised,
    inherited: InheritedSockets,
    *,
    loads: Loads,
    number: int,
    expected: int,
) -> Worker:
    """Return a worker that serves nobody yet. `expected` is how many processes share the ledger."""
    ports, link = GivenPorts(), Link()

    def hear(message: Message, sockets: Sequence[socket.socket]) -> None:
        if isinstance(message, Opened):
            ports.give(message.address, sockets[0])
        elif isinstance(message, Closed):
            ports.take_away(message.address)
        elif isinstance(message, Linked):
            link.take(sockets[0])

    def bounds(callers: Share) -> CallerBounds:
        limit = ToldLimit(
            "the data plane", loads, number, in_all=callers.in_all, per_address=callers.per_address
        )
        return CallerBounds(limit, has_enough=lambda: loads.is_ahead(number))

    supervised.listen(hear)
    stack.push_async_callback(link.close)
    most = shares(settings)
    certificate = await start_renewal(stack, settings)
    data = bind_port(stack, inherited, Use.DATA, settings.data_address, "data plane")
    for bound in inherited.take_listeners():
        ports.give(name_of(bound), bound)
    inherited.close()
    core = await build_core(
        stack,
        settings,
        Duties(
            background=False,
            table=None if settings.redis else table_of(settings.data_dir),
            expected=expected,
            binding=ports,
            bounds=bounds,
        ),
        certificate=certificate,
        store=await open_store(stack, settings),
        data=data,
        inherited=(),
        callers=most.data,
        stored=lambda: None,
    )
    core.watch.subscribe(core.listeners.follow)
    return Worker(core, supervised, link, ports, loads, number)
