"""Budgets over several gateways on one MongoDB: exact with Redis, and without it each counts by itself."""

import asyncio
from functools import partial
from pathlib import Path

import pytest
from tollkeeper_server.domain.usage import UsageFilter
from tollkeeper_server.store.open import make_store

from tests.faults.processes import POLL, gateways
from tests.faults.test_budgets import LIMITS, REQUESTS, standing
from tests.faults.test_shared_ledger import crowd, passed
from tests.faults.traffic import MODEL, models_of
from tests.integration.process import Gateway, Simulator, until

pytestmark = pytest.mark.mongo

COUNT = 3


def knows(gateway: Gateway, secret: str) -> bool:
    """Return whether a gateway knows a token with its limits, and what it may ask for."""
    return len(standing(gateway, secret)) == len(LIMITS) and MODEL in models_of(gateway, secret)


def used(gateway: Gateway, secret: str) -> int:
    """Return the requests that a gateway says are used, once none is held."""

    def settled() -> tuple[int, ...]:
        count, held = standing(gateway, secret)["requests"]
        return () if held else (count,)

    return until(settled)[0]


async def charged(url: str, token_id: str) -> tuple[int, int]:
    """Return what the store's sums and its events say that requests were charged."""
    store = make_store(url, Path())
    await store.open()
    spent = await store.ledger.spent()
    events = [it for it in await store.usage.list(UsageFilter(), limit=10_000) if it.token_id == token_id]
    await store.close()
    of_events = sum(it.amount for event in events for it in event.charges if it.key.startswith("requests:"))
    return sum(it.amount for it in spent if it.key.startswith("requests:") and token_id in it.key), of_events


@pytest.mark.parametrize("has_redis", [True, False])
def test_over_three_gateways(
    tmp_path: Path, simulator: Simulator, mongo_url: str, request: pytest.FixtureRequest, has_redis: bool
) -> None:
    """With Redis the budget is one. Without it each has it once; who starts knows what all have used."""
    redis = request.getfixturevalue("redis_url") if has_redis else ""
    settings = {"store": mongo_url, "redis": redis, **POLL}
    with gateways(tmp_path, *[settings] * COUNT) as running:
        running[0].serve_models(simulator)
        minted = running[0].mint(limits=LIMITS)
        for gateway in running:
            until(partial(knows, gateway, minted.token))
        granted = passed(asyncio.run(crowd(running, minted, REQUESTS + 5)))
        assert granted == REQUESTS * (1 if has_redis else COUNT)
        for gateway in running:
            assert used(gateway, minted.token) == REQUESTS
        until(lambda: asyncio.run(charged(mongo_url, minted.id)) == (granted, granted))
        running[1].command.kill()
        running[1].start()
        until(partial(knows, running[1], minted.token))
        assert used(running[1], minted.token) == granted
        assert passed(asyncio.run(crowd(running, minted, 3))) == 0
