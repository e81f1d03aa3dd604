"""The supervisor: it has the listening sockets, and keeps the processes running that serve by them.

It forks them, so that one that replaces another runs the same code, at once. It forks while its event loop
stands still, and has no threads. A process hears by the end of its line that the supervisor is gone.
"""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from functools import partial

from tollkeeper_server.doors.sockets import ListenError, name_of
from tollkeeper_server.process.errors import RunError
from tollkeeper_server.process.keys import make_data_dir
from tollkeeper_server.process.orphans import Orphans
from tollkeeper_server.process.ports import bind_port, inherit_sockets
from tollkeeper_server.process.run import set_up_process
from tollkeeper_server.process.signals import Signals
from tollkeeper_server.process.supervision import replace_on_signal, tell_ready
from tollkeeper_server.process.takeover import Handover, InheritedSockets, Port, Ports, Use
from tollkeeper_server.process.workers.child import CONTROL, Given, run_child
from tollkeeper_server.process.workers.children import Child, Place, introduce
from tollkeeper_server.process.workers.line import (
    Closed,
    Failed,
    Message,
    Opened,
    Ready,
    Stop,
    pair,
)
from tollkeeper_server.process.workers.loads import Loads
from tollkeeper_server.process.workers.remembered import Remembered
from tollkeeper_server.settings import Settings, SettingsError

_log = logging.getLogger("tollkeeper.workers")


class Supervisor:
    """Keeps one process that controls, and the workers."""

    def __init__(self, settings: Settings, say: Callable[[str], None]) -> None:
        self._settings = settings
        self._say = say
        self._places = {number: Place() for number in range(settings.workers + 1)}
        self._stack = AsyncExitStack()
        self._remembered = Remembered()
        self._loads = Loads(settings.workers)
        self._data: dict[str, socket.socket] = {}
        self._console: socket.socket
        self._grpc: socket.socket
        self._inherited: InheritedSockets
        self._handover: Handover
        self._orphans: Orphans
        self._is_ready = False
        self._announcement = ""
        self._is_ending = False
        self._changed = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self.problem: str | None = None
        """Why it could not begin, None if it could."""

    async def open(self) -> None:
        """Take the ports, and begin to hear signals. Raises `ListenError` and `TakeoverError`."""
        settings, loop = self._settings, asyncio.get_running_loop()
        signals = Signals(self._kill_all)
        self._orphans = Orphans()
        loop.add_signal_handler(signal.SIGCHLD, self._collect)
        make_data_dir(settings.data_dir)
        self._inherited = inherited = await inherit_sockets(self._stack, settings)
        own = bind_port(self._stack, inherited, Use.DATA, settings.data_address, "data plane")
        self._console = bind_port(self._stack, inherited, Use.CONSOLE, settings.console_address, "console")
        self._grpc = bind_port(self._stack, inherited, Use.GRPC, settings.grpc_address, "gRPC listener")
        self._data = {name_of(it): it for it in (own, *inherited.take_listeners())}
        self._handover = Handover(settings.data_dir, self.ports)
        signals.on_hangup(self._reload)
        self._tasks = [
            asyncio.create_task(self._end_on(signals.stop, self._stop)),
            asyncio.create_task(self._end_on(self._handover.taken_over, self._leave)),
        ]

    async def close(self) -> None:
        """Close the ports."""
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)
        await self._handover.close()
        self._close_data()
        await self._stack.aclose()

    def ports(self) -> Ports:
        """Return the ports, the gateway's own first."""
        own, *others = self._data.values()
        return [
            (Port(Use.DATA, self._settings.data_address), own),
            (Port(Use.CONSOLE, self._settings.console_address), self._console),
            (Port(Use.GRPC, self._settings.grpc_address), self._grpc),
            *((Port(Use.LISTENER), bound) for bound in others),
        ]

    async def next(self) -> int | None:
        """Return the number of the process that is to be started, None once all have ended."""
        while True:
            self._changed.clear()
            if self._is_ending and not any(it.child for it in self._places.values()):
                return None
            due = None if self._is_ending else self._next_due()
            if due is not None and due[0] <= time.monotonic():
                return due[1]
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(None if due is None else due[0] - time.monotonic()):
                    await self._changed.wait()

    def start(self, number: int) -> None:
        """Fork the process of that number. The event loop must stand still."""
        ours, theirs = pair()
        expected = 1 + sum(it.child is not None for it in self._places.values())
        ports = self.ports()
        pid = os.fork()
        if pid == 0:
            ours.abandon()
            self._abandon()
            run_child(Given(self._settings, theirs, ports, self._remembered, self._loads, number, expected))
        theirs.abandon()
        self._orphans.spare(pid)
        self._places[number].child = Child(number, pid, ours, time.monotonic())

    async def started(self, number: int) -> None:
        """Begin to hear the process of that number, and tell it of the others."""
        child = self._places[number].child
        if child is None or child.line is None:  # it has ended already
            return
        child.line.start(partial(self._take, child), partial(self._hung_up, child))
        others = [it.child for it in self._places.values() if it.child is not None and it.child is not child]
        if number == CONTROL:
            for worker in others:
                introduce(worker, child)
        else:
            for control in others:
                if control.number == CONTROL:
                    introduce(child, control)

    # -- what happens

    def _next_due(self) -> tuple[float, int] | None:
        """Return the place to be filled next, and when. The one that controls begins before the others."""
        empty = [(it.due, number) for number, it in self._places.items() if it.child is None]
        control = self._places[CONTROL]
        if not self._announcement and control.child is not None:
            return None
        if not self._announcement:
            return control.due, CONTROL
        return min(empty, default=None)

    def _take(self, child: Child, message: Message, sockets: Sequence[socket.socket]) -> None:
        if isinstance(message, Ready):
            child.is_ready = True
            self._announcement = message.announcement or self._announcement
            if not self._is_ready and all(it.child and it.child.is_ready for it in self._places.values()):
                self._begin()
        elif isinstance(message, Failed):
            child.problem = message.reason
        elif isinstance(message, Opened):
            (self._data[message.address],) = sockets
            self._tell_workers(message, *sockets)
        elif isinstance(message, Closed):
            bound = self._data.pop(message.address, None)
            if bound is not None:
                bound.close()
            self._tell_workers(message)
        self._changed.set()

    def _begin(self) -> None:
        self._is_ready = True
        waiting = self._inherited.take(Use.TAKEOVER)
        self._inherited.confirm()
        self._inherited.close()
        self._handover.start(waiting)
        replace_on_signal(self._orphans)
        self._say(self._announcement)
        tell_ready()

    def _hung_up(self, child: Child) -> None:
        child.line = None

    def _collect(self) -> None:
        """Take note of the processes that have ended."""
        for number, place in self._places.items():
            child = place.child
            if child is None:
                continue
            pid, status = os.waitpid(child.pid, os.WNOHANG)
            if pid:
                self._orphans.collected(pid)
                self._ended(number, place, child, os.waitstatus_to_exitcode(status))
        self._orphans.collect()
        self._changed.set()

    def _ended(self, number: int, place: Place, child: Child, status: int) -> None:
        if child.line is not None:
            child.line.close()
        place.empty()
        if number != CONTROL:
            self._loads.leave(number)
        if self._is_ending:
            return
        if not self._is_ready and not child.is_ready:
            self.problem = child.problem or f"{child.name} has failed at its start; see the log"
            self._stop()
            return
        why = f" ({child.problem})" if child.problem else ""
        _log.error("%s, process %d, has ended with %d%s; it is replaced", child.name, child.pid, status, why)

    async def _end_on(self, event: asyncio.Event, end: Callable[[], None]) -> None:
        await event.wait()
        end()

    def _stop(self) -> None:
        """End all that is under way here."""
        self._is_ending = True
        self._close_data()
        for child in self._children():
            child.send(Stop())
        self._changed.set()

    def _leave(self) -> None:
        """Leave the ports to another process. What is under way may end."""
        _log.info("another process has taken over; requests under way here may end")
        self._is_ending = True
        for child in self._children():
            if child.line is not None:
                child.line.close()
                child.line = None
        self._changed.set()

    def _kill_all(self) -> None:
        for child in self._children():
            child.signal(signal.SIGKILL)

    async def _reload(self) -> None:
        for child in self._children():
            child.signal(signal.SIGHUP)

    def _children(self) -> list[Child]:
        return [it.child for it in self._places.values() if it.child is not None]

    def _tell_workers(self, message: Message, *sockets: socket.socket) -> None:
        for child in self._children():
            if child.number != CONTROL:
                child.send(message, *sockets)

    def _close_data(self) -> None:
        for bound in self._data.values():
            bound.close()

    def _abandon(self) -> None:
        """Close in a forked process what is the supervisor's alone."""
        for child in self._children():
            if child.line is not None:
                child.line.abandon()
        self._handover.abandon()


def supervise(settings: Settings, say: Callable[[str], None]) -> None:
    """Run a gateway of several processes until SIGINT or SIGTERM; a second one ends it at once.

    Raises `RunError`.
    """
    set_up_process(settings)
    with asyncio.Runner() as runner:
        supervisor = Supervisor(settings, say)
        try:
            runner.run(supervisor.open())
        except (ListenError, OSError, SettingsError) as error:
            raise RunError(str(error)) from error
        try:
            while (number := runner.run(supervisor.next())) is not None:
                supervisor.start(number)
                runner.run(supervisor.started(number))
        finally:
            runner.run(supervisor.close())
    if supervisor.problem is not None:
        raise RunError(supervisor.problem)
