"""Changes within one process."""

import asyncio
import logging

import pytest
from tollkeeper_server.coordination.local import LocalChanges
from tollkeeper_server.coordination.ports import Change
from tollkeeper_server.errors import StoreUnavailableError

from tests.unit.coordination.parts import make_token


async def test_every_subscriber_has_been_told_when_publishing_returns() -> None:
    changes = LocalChanges()
    told: list[tuple[int, Change]] = []

    async def first(change: Change) -> None:
        await asyncio.sleep(0)
        told.append((1, change))

    async def second(change: Change) -> None:
        told.append((2, change))

    changes.subscribe(first)
    changes.subscribe(second)
    change = Change(token=make_token())
    await changes.publish(change)
    assert [(1, change), (2, change)] == told


@pytest.mark.parametrize("error", [ZeroDivisionError(), StoreUnavailableError("the store")])
async def test_a_subscriber_that_fails_is_logged_and_the_others_are_told(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    changes = LocalChanges()
    told: list[Change] = []

    async def fail(change: Change) -> None:
        raise error

    async def listen(change: Change) -> None:
        told.append(change)

    changes.subscribe(fail)
    changes.subscribe(listen)
    with caplog.at_level(logging.WARNING):
        await changes.publish(Change())
    assert [Change()] == told
    assert len(caplog.records) == 1


async def test_a_change_is_told_to_the_end_though_its_author_is_cancelled() -> None:
    changes = LocalChanges()
    begun, go_on, told = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def listen(change: Change) -> None:
        begun.set()
        await go_on.wait()
        told.set()

    changes.subscribe(listen)
    author = asyncio.create_task(changes.publish(Change()))
    await begun.wait()
    author.cancel()
    await asyncio.gather(author, return_exceptions=True)
    go_on.set()
    await changes.close()
    assert told.is_set()
