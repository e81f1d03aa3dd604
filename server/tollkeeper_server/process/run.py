"""Running a server as a process: event loop, logs, and failures said plainly."""

import gc
import os
from collections.abc import Callable
from contextlib import AsyncExitStack

import uvloop

from tollkeeper_server.doors.sockets import ListenError
from tollkeeper_server.errors import TollkeeperError
from tollkeeper_server.process.app import build
from tollkeeper_server.process.demo import instructions
from tollkeeper_server.process.errors import RunError
from tollkeeper_server.process.keys import load_management_token
from tollkeeper_server.process.serve import Running
from tollkeeper_server.process.signals import reload_on_hangup, stop_on_signals
from tollkeeper_server.process.supervision import replace_on_signal, tell_ready
from tollkeeper_server.process.unread import tell_unread
from tollkeeper_server.settings import LogFormat, Settings, SettingsError
from tollkeeper_server.snapshot.compile import CompileError
from tollkeeper_server.store.ports import StoreCorruptError
from tollkeeper_server.store.sealed import UnsealError
from tollkeeper_server.telemetry.logs import set_up_logging

# Requests leave hardly any cycles. The usual collection, after each 700 new objects, would search the objects
# of open streams for garbage.
_COLLECT_AFTER = 10_000

# Reasons outside the program that can keep a server from starting. Their messages are for people; any other
# error is a fault of the program, and keeps its traceback.
_EXPECTED = (
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
    set_up_logging(settings.log_level, as_json=settings.log_format is LogFormat.JSON)
    tell_unread(os.environ)
    try:
        uvloop.run(_run(settings, say))
    except KeyboardInterrupt:
        return


async def _run(settings: Settings, say: Callable[[str], None]) -> None:
    stop = stop_on_signals()
    async with AsyncExitStack() as stack:
        try:
            management_token = load_management_token(settings)
            running = await build(stack, settings, management_token)
        except _EXPECTED as error:
            raise RunError(str(error)) from error
        # Objects made at start-up stay: a collection that looks at all of them holds requests up for 30 ms.
        gc.collect()
        gc.freeze()
        gc.set_threshold(_COLLECT_AFTER)
        reload_on_hangup(running.reload)
        replace_on_signal()
        say(_announcement(running, management_token))
        tell_ready()
        await running.serve(stop)


def _announcement(running: Running, management_token: str) -> str:
    addresses = running.addresses
    console = f"{'https' if addresses.tls else 'http'}://{addresses.console}"
    if running.demo is not None:
        return instructions(
            running.demo,
            data=addresses.data,
            console=console,
            grpc=addresses.grpc,
            management_token=management_token,
        )
    return f"Tollkeeper is ready: http://{addresses.data}/v1, console {console}, gRPC {addresses.grpc}"
