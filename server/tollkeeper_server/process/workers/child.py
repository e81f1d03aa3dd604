"""What a process does that the supervisor has forked: it becomes the one that controls, or a worker."""

import asyncio
import contextlib
import logging
import os
import signal
import sys
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import uvloop

from tollkeeper_server.ledger.clock import SteadyClock
from tollkeeper_server.process.app import build
from tollkeeper_server.process.errors import RunError
from tollkeeper_server.process.held_signals import hold_signals
from tollkeeper_server.process.hourly import do_hourly
from tollkeeper_server.process.keys import load_management_token, make_data_dir
from tollkeeper_server.process.loop import NamesLoop
from tollkeeper_server.process.run import (
    EXPECTED_FAILURES,
    announcement,
    settle_memory,
    unless_stopped,
)
from tollkeeper_server.process.signals import Signals
from tollkeeper_server.process.table_keeper import TableKeeper
from tollkeeper_server.process.takeover import InheritedSockets, Ports
from tollkeeper_server.process.workers.control import Control
from tollkeeper_server.process.workers.line import Failed, Line
from tollkeeper_server.process.workers.loads import Loads
from tollkeeper_server.process.workers.remembered import Remembered
from tollkeeper_server.process.workers.supervised import Supervised
from tollkeeper_server.process.workers.worker import build_worker
from tollkeeper_server.settings import Settings

_log = logging.getLogger("tollkeeper.workers")

_SAID_SECONDS = 0.5

CONTROL = 0
"""The number of the process that controls; workers have those that follow."""


@dataclass(frozen=True, slots=True)
class Given:
    """What the supervisor gives to each process that it forks: `expected` is how many share the ledger."""

    settings: Settings
    line: Line
    ports: Ports
    remembered: Remembered
    loads: Loads
    number: int
    expected: int


def run_child(given: Given) -> NoReturn:
    """Be the process of that number until it ends."""
    status = 1
    try:
        signal.set_wakeup_fd(-1)  # the supervisor's
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        hold_signals()
        _name_process("control" if given.number == CONTROL else f"worker-{given.number}")
        uvloop.run(_run(given), loop_factory=NamesLoop)
        status = 0
    except RunError as error:
        given.line.send(Failed(str(error)))
    except BaseException:  # noqa: BLE001 - the process ends here, whatever it was
        _log.exception("a process of this gateway has failed")
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


async def _run(given: Given) -> None:
    supervised = Supervised(given.line, asyncio.Event())
    signals = Signals()
    # A terminal sends SIGINT to all processes, of which the supervisor tells the others.
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, lambda: None)
    leaving = asyncio.create_task(_leave_on(signals.stop, supervised))
    async with AsyncExitStack() as stack:
        stack.callback(leaving.cancel)
        run = _control if given.number == CONTROL else _work
        await run(stack, given, signals, supervised)


def _name_process(name: str) -> None:
    # As ps and top show it, and at most 15 letters long. Other systems have no such file.
    with contextlib.suppress(OSError):
        Path("/proc/self/comm").write_text(f"tk-{name}")


async def _leave_on(signalled: asyncio.Event, supervised: Supervised) -> None:
    """Leave the ports to the other processes when this one alone is told to end.

    Who tells all of them, as systemd does, tells the supervisor, too, which says so at once.
    """
    await signalled.wait()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_SAID_SECONDS):
            await supervised.stop.wait()
            return
    supervised.taken_over.set()


async def _control(stack: AsyncExitStack, given: Given, signals: Signals, supervised: Supervised) -> None:
    settings = given.settings
    try:
        management_token = load_management_token(settings)
        make_data_dir(settings.data_dir)
        keeper = TableKeeper(settings.data_dir, SteadyClock())
        stack.push_async_callback(keeper.close)
        if not settings.redis:
            keeper.open()
            do_hourly(stack, "forgetting what the ledger's table needs no more", keeper.sweep)
        control = Control(
            settings,
            supervised,
            InheritedSockets(None, given.ports),
            given.remembered,
            expected=given.expected,
            buried=keeper.bury,
        )
        running = await unless_stopped(
            build(stack, settings, management_token, control), supervised.stop, supervised.taken_over
        )
    except EXPECTED_FAILURES as error:
        raise RunError(str(error)) from error
    if running is not None:
        settle_memory()
        supervised.announcement = announcement(running, management_token)
        signals.on_hangup(running.reload)
        await running.serve(supervised.stop)


async def _work(stack: AsyncExitStack, given: Given, signals: Signals, supervised: Supervised) -> None:
    # What is to be said of the settings and the machine, the process that controls has said.
    logging.getLogger("tollkeeper.app").setLevel(logging.ERROR)
    inherited = InheritedSockets(None, given.ports)
    building = build_worker(
        stack,
        given.settings,
        supervised,
        inherited,
        loads=given.loads,
        number=given.number,
        expected=given.expected,
    )
    try:
        worker = await unless_stopped(building, supervised.stop, supervised.taken_over)
    except EXPECTED_FAILURES as error:
        raise RunError(str(error)) from error
    if worker is not None:
        settle_memory()
        signals.on_hangup(worker.reload)
        await worker.serve()
