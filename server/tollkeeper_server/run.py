"""Running a server or a simulator as a process: event loop, logs, signals, and failures said plainly."""

import asyncio
import contextlib
import secrets
import signal
from collections.abc import AsyncIterator, Callable

import uvloop

from tollkeeper_server.app import Addresses, Server
from tollkeeper_server.demo import describe, uses_simulator
from tollkeeper_server.doors.sockets import ListenError
from tollkeeper_server.doors.tls import CertificateError
from tollkeeper_server.errors import TollkeeperError
from tollkeeper_server.settings import ENV_PREFIX, LogFormat, Settings, SettingsError
from tollkeeper_server.simulator.config import SimulatorConfig
from tollkeeper_server.simulator.server import serve as serve_simulator
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

# What can keep a server from starting for a reason that lies with its surroundings. Their messages
# are meant for people; anything else is a fault of ours, and keeps its traceback.
_EXPECTED = (
    CertificateError,
    CompileError,
    KeyFileError,
    ListenError,
    StoreCorruptError,
    TollkeeperError,
    UnsealError,
    OSError,
    SettingsError,
)


class RunError(Exception):
    """The process can't run; the message says why and what to do."""


def run(settings: Settings, say: Callable[[str], None]) -> None:
    """Runs a server until SIGINT or SIGTERM; a second one ends it at once. Raises `RunError`."""
    set_up_logging(settings.log_level, as_json=settings.log_format is LogFormat.JSON)
    try:
        token = _management_token(settings)
        uvloop.run(_run(settings, token, say))
    except KeyboardInterrupt:
        return


def run_simulator(host: str, port: int, config: SimulatorConfig, say: Callable[[str], None]) -> None:
    """Runs a simulator until SIGINT or SIGTERM. Raises `RunError` if it can't listen."""
    set_up_logging("info", as_json=False)

    async def main() -> None:
        stop = _stop_on_signals()
        async with _simulator(host, port, config) as address:
            say(f"The simulator serves OpenAI's and Anthropic's APIs at http://{address}/v1")
            await stop.wait()

    uvloop.run(main())


async def _run(settings: Settings, management_token: str, say: Callable[[str], None]) -> None:
    stop = _stop_on_signals()
    async with contextlib.AsyncExitStack() as parts:
        simulator: str | None = None
        if settings.demo and uses_simulator():
            config = SimulatorConfig(token_interval_ms=20)
            simulator = await parts.enter_async_context(_simulator("127.0.0.1", 0, config))
        server = Server(settings, management_token=management_token, simulator=simulator)
        parts.push_async_callback(server.close)
        try:
            addresses = await server.start()
        except _EXPECTED as error:
            raise RunError(str(error)) from error
        say(_announcement(server, addresses, management_token))
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
        settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        token, _ = keep(settings.data_dir / _MANAGEMENT_TOKEN_FILE, lambda: secrets.token_urlsafe(32))
    except (KeyFileError, OSError) as error:
        raise RunError(str(error)) from error
    return token


def _stop_on_signals() -> asyncio.Event:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_signal(number: signal.Signals) -> None:
        if stop.is_set():  # asked twice: whoever asks does not want to wait
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, on_signal, number)
    return stop


@contextlib.asynccontextmanager
async def _simulator(host: str, port: int, config: SimulatorConfig) -> AsyncIterator[str]:
    ready: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(serve_simulator(host, port, config, ready.set_result))
    task.add_done_callback(lambda _: ready.cancel())
    try:
        try:
            real_port = await ready
        except asyncio.CancelledError:
            if not task.done():
                raise
            raise RunError(f"the simulator can't listen on {host}:{port}: {task.exception()}") from None
        yield f"{host}:{real_port}"
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
