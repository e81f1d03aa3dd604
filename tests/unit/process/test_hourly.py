"""What is done each hour goes on whatever becomes of it, and ends with the process."""

import asyncio
from contextlib import AsyncExitStack

import pytest
from tollkeeper_server.errors import StoreUnavailableError
from tollkeeper_server.process.hourly import do_hourly

DEADLINE = 20.0


async def test_it_goes_on_after_each_failure_and_says_only_what_nobody_else_does(
    caplog: pytest.LogCaptureFixture,
) -> None:
    results: list[Exception | None] = [StoreUnavailableError("the store"), ValueError("broken"), None, None]
    done = asyncio.Event()

    async def do() -> None:
        result = results.pop(0) if results else None
        if not results:
            done.set()
        if result is not None:
            raise result

    async with AsyncExitStack() as stack:
        do_hourly(stack, "counting the hours", do, seconds=0.001)
        async with asyncio.timeout(DEADLINE):
            await done.wait()
    assert [it.getMessage() for it in caplog.records] == ["counting the hours failed"]
    assert asyncio.all_tasks() == {asyncio.current_task()}
