"""Running a server as a process: event loop, logs, and failures said plainly."""

import asyncio
import gc
import logging
import os
import sys
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from typing import TypeVar

import uvloop

from tollkeeper_server.doors.sockets import ListenError
from tollkeeper_server.errors import TollkeeperError
from tollkeeper_server.process.app import build
from tollkeeper_server.process.demo import instructions
from tollkeeper_server.process.descriptors import raise_limit
from tollkeeper_server.process.errors import RunError
from tollkeeper_server.process.keys import load_management_token
from tollkeeper_server.process.loop import NamesLoop
from tollkeeper_server.process.orphans import Orphans
from tollkeeper_server.process.serve import Running
from tollkeeper_server.process.signals import Signals
from tollkeeper_server.process.supervision import replace_on_signal, tell_ready
from tollkeeper_server.process.unread import tell_unread
from tollkeeper_server.settings import LogFormat, Settings, SettingsError
from tollkeeper_server.snapshot.compile import CompileError
from tollkeeper_server.store.ports import StoreCorruptError
from tollkeeper_server.store.sealed import UnsealError
from tollkeeper_server.telemetry.logs import set_up_logging

_log = logging.getLogger("tollkeeper.process")
T = TypeVar("T")

# Requests leave hardly any cycles. The usual collection, after each 700 new objects, would search the objects
# of open streams for garbage.
_COLLECT_AFTER = 10_000

# What looks through large bodies runs in threads. The event loop waits for the interpreter once for each of
# its sockets that is ready: by default up to 5 ms each time.
_SWITCH_SECONDS = 0.0002

# Reasons outside the program that can keep a server from starting. Their messages are for people; any other
# error is a fault of the program, and keeps its traceback.
EXPECTED_FAILURES = (
    CompileError,
    ListenError,
    OSError,
    SettingsError,
    StoreCorruptError,
    TollkeeperError,
    UnsealError,
)


def run(settings: Settings, say: Callable[[str], None]) -> None:
    """Run a server until SIGINT or SIGTERM; a second one ends it at once. Raises `RunError`."""
    set_up_process(settings)
    try:
        uvloop.run(_run(settings, say), loop_factory=NamesLoop)
    except KeyboardInterrupt:
        return


def set_up_process(settings: Settings) -> None:
    """Set up logs and limits of this process, and those that it forks."""
    set_up_logging(settings.log_level, as_json=settings.log_format is LogFormat.JSON)
    tell_unread(os.environ, reads_proxies=settings.proxy_from_environment)
    raise_limit()
    sys.setswitchinterval(_SWITCH_SECONDS)


async def _run(settings: Settings, say: Callable[[str], None]) -> None:
    signals, orphans = Signals(), Orphans()
    async with AsyncExitStack() as stack:
        try:
            management_token = load_management_token(settings)
            running = await unless_stopped(build(stack, settings, management_token), signals.stop)
        except EXPECTED_FAILURES as error:
            raise RunError(str(error)) from error
        if running is None:
            _log.info("ended before it was ready, as a signal asked")
            return
        settle_memory()
        replace_on_signal(orphans)
        say(announcement(running, management_token))
        tell_ready()
        signals.on_hangup(running.reload)
        await running.serve(signals.stop)


def settle_memory() -> None:
    """Have what was made at start-up stay: a collection that looked at it all would take 30 ms each time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER)


async def unless_stopped(building: Coroutine[None, None, T], *stops: asyncio.Event) -> T | None:
    """Return what is built, or None if one of the events comes before; then building is broken off."""
    build_task = asyncio.create_task(building)
    stopping = [asyncio.create_task(it.wait()) for it in stops]
    try:
        await asyncio.wait({build_task, *stopping}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for it in stopping:
            it.cancel()
        build_task.cancel()
        await asyncio.wait({build_task})
    return None if build_task.cancelled() else build_task.result()


def announcement(running: Running, management_token: str) -> str:
    """Return what people are told when a server is ready."""
    addresses = running.addresses
    if running.demo is not None:
        return instructions(
            running.demo,
            data=addresses.data,
            console=addresses.console,
            grpc=addresses.grpc,
            management_token=management_token,
            self_signed=running.certificate.self_signed if running.certificate is not None else None,
        )
    return f"Tollkeeper is ready: {addresses.data}/v1, console {addresses.console}, gRPC {addresses.grpc}"
