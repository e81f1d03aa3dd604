"""A gateway of several workers whose ledger is in Redis, or whose store is a MongoDB, or both."""

import asyncio
import contextlib
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from tollkeeper_server.domain.usage import UsageEvent, UsageFilter
from tollkeeper_server.store.open import make_store

from tests.faults.crew import CONTROL, crew, kill, replaced
from tests.faults.test_gateway_ends import begun, unstored
from tests.faults.test_workers import AMOUNT, COUNT, OK, REQUESTS, STREAMS, crowd, standing
from tests.faults.traffic import callers
from tests.integration.process import Gateway, Simulator, until

MONGO = pytest.mark.mongo


@pytest.fixture(
    params=[
        pytest.param(("redis",), id="redis"),
        pytest.param(("mongo",), id="mongo", marks=MONGO),
        pytest.param(("mongo", "redis"), id="mongo-redis", marks=MONGO),
    ]
)
def gateway(request: pytest.FixtureRequest, tmp_path: Path, simulator: Simulator) -> Iterator[Gateway]:
    """A gateway with workers, which ends well whatever the test does to it."""
    urls = {name: request.getfixturevalue(f"{name}_url") for name in request.param}
    settings = {"store": urls.get("mongo", "sqlite"), "redis": urls.get("redis", "")}
    with Gateway(tmp_path, "--workers", str(COUNT), **settings) as running:
        running.serve_models(simulator)
        yield running
        assert running.command.stop() == 0
        assert unstored(running) == []


def sockets(pid: int) -> int:
    """Return how many sockets a process has open."""
    found = 0
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            found += str(link.readlink()).startswith("socket:")
    return found


async def kept(gateway: Gateway) -> tuple[list[UsageEvent], int]:
    """Return the events, and what the store says is spent of all budgets."""
    store = make_store(gateway.setting("store"), gateway.directory / "data")
    await store.open()
    events = await store.usage.list(UsageFilter(), limit=1000)
    spent = await store.ledger.spent()
    await store.close()
    return events, sum(it.amount for it in spent)


def test_after_a_worker_is_killed_exactly_the_rest_of_a_budget_can_be_used(gateway: Gateway) -> None:
    """What it had under way is charged what it held: by the ledger, the store and its events alike."""
    minted = gateway.mint(limits=[REQUESTS])
    before = crew(gateway)
    workers = {name: sockets(pid) for name, pid in before.items() if name != CONTROL}

    async def kill_and_use_the_rest() -> int:
        async with callers() as session, AsyncExitStack() as streams:
            for number in range(STREAMS):
                await streams.enter_async_context(
                    begun(session, gateway.data, minted.token, "hang=3", f"stream-{number}")
                )
            busiest = max(workers, key=lambda name: sockets(before[name]) - workers[name])
            kill(before[busiest])
            await asyncio.to_thread(replaced, gateway, busiest, before)
            return (await crowd(gateway, minted, 2 * AMOUNT)).count(OK)

    assert asyncio.run(kill_and_use_the_rest()) == AMOUNT - STREAMS
    assert until(lambda: standing(gateway, minted) == (AMOUNT, 0), 30)

    def all_stored() -> list[UsageEvent]:
        events, spent = asyncio.run(kept(gateway))
        charges = [it.amount for event in events for it in event.charges]
        return events if (spent, sum(charges)) == (AMOUNT, AMOUNT) else []

    events = until(all_stored, 30)
    interrupted = [it.request_id for it in events if it.error_code == "gateway_interrupted"]
    assert interrupted
    assert all(name.startswith("stream-") for name in interrupted)
