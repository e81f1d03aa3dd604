"""Running a server as a process: event loop, logs, and failures said plainly."""

import contextlib
import gc
import secrets
from collections.abc import Callable

import uvloop

from tollkeeper_server.doors.sockets import ListenError
from tollkeeper_server.errors import TollkeeperError
from tollkeeper_server.process.app import Addresses, Server
from tollkeeper_server.process.certificate import CertificateError
from tollkeeper_server.process.demo import describe, uses_simulator
from tollkeeper_server.process.keys import make_data_dir
from tollkeeper_server.process.signals import RunError, reload_on_hangup, stop_on_signals
from tollkeeper_server.process.supervision import replace_on_signal, tell_ready
from tollkeeper_server.process.takeover import TakeoverError
from tollkeeper_server.settings import ENV_PREFIX, LogFormat, Settings, SettingsError
from tollkeeper_server.snapshot.compile import CompileError
from tollkeeper_server.store.key_file import KeyFileError, keep
from tollkeeper_server.store.ports import StoreCorruptError
from tollkeeper_server.store.sealed import UnsealError
from tollkeeper_server.telemetry.logs import set_up_logging

_MANAGEMENT_TOKEN_FILE = "management-token"  # noqa: S105 - a file's name
_NO_MANAGEMENT_TOKEN = (
    f"{ENV_PREFIX}MANAGEMENT_TOKEN is not set, and without it nobody could manage this gateway. "
    f'Make one and keep it: export {ENV_PREFIX}MANAGEMENT_TOKEN="$(openssl rand -base64 32)"'
)

# Requests leave hardly any cycles: collecting at each 700 objects more, as is usual, looks for
# garbage in what streams under way hold.
_COLLECT_AFTER = 10_000

# What can keep a server from starting for a reason that lies with its surroundings. Their messages
# are meant for people; anything else is a fault of ours, and keeps its traceback.
_EXPECTED = (
    CertificateError,
    CompileError,
    KeyFileError,
    ListenError,
    StoreCorruptError,
    TollkeeperError,
    TakeoverError,
    UnsealError,
    OSError,
    SettingsError,
)


def run(settings: Settings, say: Callable[[str], None]) -> None:
    """Runs a server until SIGINT or SIGTERM; a second one ends it at once. Raises `RunError`."""
    set_up_logging(settings.log_level, as_json=settings.log_format is LogFormat.JSON)
    try:
        token = _management_token(settings)
        uvloop.run(_run(settings, token, say))
    except KeyboardInterrupt:
        return


async def _run(settings: Settings, management_token: str, say: Callable[[str], None]) -> None:
    stop = stop_on_signals()
    async with contextlib.AsyncExitStack() as parts:
        simulator: str | None = None
        if settings.demo and uses_simulator():
            # The simulator's server takes long to import; who has providers does not wait for it.
            from tollkeeper_server.process.simulate import running_simulator
            from tollkeeper_server.simulator.config import SimulatorConfig

            config = SimulatorConfig(token_interval_ms=20)
            simulator = await parts.enter_async_context(running_simulator("127.0.0.1", 0, config))
        server = Server(settings, management_token=management_token, simulator=simulator)
        parts.push_async_callback(server.close)
        try:
            addresses = await server.start()
        except _EXPECTED as error:
            raise RunError(str(error)) from error
        # What start-up made stays. A collection that looks at all of it holds every request up for 30 ms.
        gc.collect()
        gc.freeze()
        gc.set_threshold(_COLLECT_AFTER)
        reload_on_hangup(server.reload)
        replace_on_signal()
        say(_announcement(server, addresses, management_token))
        tell_ready()
        await server.serve(stop)


def _announcement(server: Server, addresses: Addresses, management_token: str) -> str:
    console = f"{'https' if addresses.tls else 'http'}://{addresses.console}"
    if server.demo is not None:
        return describe(
            server.demo,
            data=addresses.data,
            console=console,
            grpc=addresses.grpc,
            management_token=management_token,
        )
    return f"Tollkeeper is ready: http://{addresses.data}/v1, console {console}, gRPC {addresses.grpc}"


def _management_token(settings: Settings) -> str:
    if settings.management_token is not None:
        return settings.management_token.get_secret_value()
    if not settings.demo:
        raise RunError(_NO_MANAGEMENT_TOKEN)
    try:
        make_data_dir(settings.data_dir)
        token, _ = keep(settings.data_dir / _MANAGEMENT_TOKEN_FILE, lambda: secrets.token_urlsafe(32))
    except (KeyFileError, SettingsError) as error:
        raise RunError(str(error)) from error
    return token
