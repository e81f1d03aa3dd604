"""A test that looks at what is logged sees nothing of what an earlier one left behind."""

import asyncio
import gc

import pytest


class _Circle:
    """What only the garbage collector finds."""

    def __init__(self, task: asyncio.Task[None]) -> None:
        self.task = task
        self.itself = self


async def test_an_error_that_nobody_asks_for_is_left_behind() -> None:
    async def fail() -> None:
        raise ValueError("of an earlier test")

    _Circle(asyncio.create_task(fail()))
    await asyncio.sleep(0)


def test_nothing_of_it_is_seen_in_the_next_test(caplog: pytest.LogCaptureFixture) -> None:
    gc.collect()
    assert caplog.records == []
