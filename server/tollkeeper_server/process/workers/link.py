"""A worker's connection to the process that controls, which may be another one from time to time."""

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable

from tollkeeper_server.ledger.shared.frames import Frames
from tollkeeper_server.process.core import Core
from tollkeeper_server.process.workers.hints import Hints
from tollkeeper_server.process.workers.messages import (
    Applied,
    Asked,
    FromWorker,
    Pushed,
    Report,
    ToWorker,
    decode_to_worker,
    encode,
)

_log = logging.getLogger("tollkeeper.workers")
_REPORT_SECONDS = 1.0


class Link:
    """Puts into effect what the controlling process tells, and reports to it."""

    def __init__(self) -> None:
        self._core: Core | None = None
        self._hints: Hints | None = None
        self._report: Callable[[int], Awaitable[Report]] | None = None
        self._frames: Frames | None = None
        self._early: list[ToWorker] = []
        self._tasks: set[asyncio.Task[None]] = set()

    def take(self, connected: socket.socket) -> None:
        """Use a connection from now on, in place of any other."""
        self._run(self._connect(connected))

    async def begin(self, core: Core, report: Callable[[int], Awaitable[Report]]) -> None:
        """Put changes into effect from now on, and report now and then."""
        self._core, self._report = core, report
        self._hints = Hints(core.data_plane.health, core.data_plane.ip_limits, self.send)
        early, self._early = self._early, []
        for message in early:
            self._handle(core, message)
        self._run(self._report_on())

    async def report(self, number: int = 0) -> None:
        """Report, in answer to a question of that number."""
        if self._report is not None and self._frames is not None:
            self.send(await self._report(number))

    def send(self, message: FromWorker) -> None:
        """Tell the controlling process something, if there is one."""
        if self._frames is not None:
            self._frames.write(encode(message))

    async def close(self) -> None:
        """Give the connection up."""
        if self._hints is not None:
            self._hints.close()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        if self._frames is not None:
            self._frames.end()

    def _run(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connect(self, connected: socket.socket) -> None:
        frames = Frames(lambda _, message: self._received(message), lambda: self._lost(frames))
        before, self._frames = self._frames, frames
        if before is not None:
            before.close()
        await asyncio.get_running_loop().create_unix_connection(lambda: frames, sock=connected)
        if self._core is not None:
            self._core.coordination.sweep()  # what was pushed meanwhile did not come here
            await self.report()

    def _lost(self, frames: Frames) -> None:
        if self._frames is frames:
            self._frames = None

    def _received(self, data: bytes) -> None:
        message = decode_to_worker(data)
        if self._core is None:
            self._early.append(message)
        else:
            self._handle(self._core, message)

    def _handle(self, core: Core, message: ToWorker) -> None:
        if isinstance(message, Pushed):
            self._run(self._apply(core, message))
        elif isinstance(message, Asked):
            self._run(self.report(message.number))
        elif self._hints is not None:
            self._hints.hear(message)

    async def _apply(self, core: Core, pushed: Pushed) -> None:
        await core.coordination.receive(pushed.change)
        self.send(Applied(pushed.number))

    async def _report_on(self) -> None:
        while True:
            await self.report()
            await asyncio.sleep(_REPORT_SECONDS)
