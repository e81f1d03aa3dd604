"""A simulator on a real socket, and clients of it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx2
import pytest
from openai import AsyncOpenAI
from tollkeeper_server.simulator import SimulatorConfig, serve

from tests.unit.simulator.running import Running

Start = Callable[..., Awaitable[Running]]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Starts simulators with the configuration given by keyword; they end with the test."""
    async with contextlib.AsyncExitStack() as stack:

        async def _start(**settings: object) -> Running:
            ready: asyncio.Future[int] = asyncio.get_running_loop().create_future()
            config = SimulatorConfig(**settings)  # type: ignore[arg-type] # the test names the fields
            task = asyncio.create_task(serve("127.0.0.1", 0, config, ready.set_result))

            async def stop() -> None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task

            stack.push_async_callback(stop)
            return Running(await ready, task)

        yield _start


@pytest.fixture
async def simulator(start: Start) -> Running:
    """A simulator that answers at once."""
    return await start()


@pytest.fixture
async def http(simulator: Running) -> AsyncIterator[httpx2.AsyncClient]:
    """An HTTP client of `simulator`."""
    async with httpx2.AsyncClient(base_url=simulator.url, timeout=10) as client:
        yield client


@pytest.fixture
async def openai(simulator: Running) -> AsyncIterator[AsyncOpenAI]:
    """OpenAI's client of `simulator`; it does not retry."""
    async with AsyncOpenAI(base_url=f"{simulator.url}/v1", api_key="sk-any", max_retries=0) as client:
        yield client
