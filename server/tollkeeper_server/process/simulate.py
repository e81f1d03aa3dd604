"""Running the provider simulator, by itself or for the demo."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import uvloop

from tollkeeper_server.process.errors import RunError
from tollkeeper_server.process.signals import stop_on_signals
from tollkeeper_server.simulator.config import SimulatorConfig
from tollkeeper_server.simulator.server import serve
from tollkeeper_server.telemetry.logs import set_up_logging


def run_simulator(host: str, port: int, config: SimulatorConfig, say: Callable[[str], None]) -> None:
    """Run a simulator until SIGINT or SIGTERM. Raises `RunError` if it can't listen."""
    set_up_logging("info", as_json=False)

    async def main() -> None:
        stop = stop_on_signals()
        async with running_simulator(host, port, config) as address:
            say(f"The simulator serves OpenAI's and Anthropic's APIs at http://{address}/v1")
            await stop.wait()

    uvloop.run(main())


@contextlib.asynccontextmanager
async def running_simulator(host: str, port: int, config: SimulatorConfig) -> AsyncIterator[str]:
    """Run a simulator for as long as the context lasts; give its `HOST:PORT`. Raises `RunError`."""
    ready: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(serve(host, port, config, ready.set_result))
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
