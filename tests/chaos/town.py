"""The processes that chaos happens to: gateways on one store and one Redis, and their provider."""

import asyncio
import resource
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from redis import Redis
from tollkeeper import Limit, LimitMeasure, LimitPeriod, MintedToken
from tollkeeper_server.domain.usage import UsageEvent, UsageFilter
from tollkeeper_server.store.open import make_store

from tests.faults.processes import POLL, gateways, own_mongo, own_redis
from tests.faults.test_budgets import standing
from tests.faults.traffic import MODEL, callers, models_of, send
from tests.integration.process import Gateway, Simulator, until
from tests.servers.mongo import MongoServer
from tests.servers.redis import RedisServer

_WARM = 40
"""Requests after which the journal of a gateway is larger than its log, which no limit on files may touch."""
_PATIENCE = 60.0


@dataclass(frozen=True, slots=True)
class Town:
    """Gateways that share a store and a Redis, which keeps its file from one start to the next.

    The store is the SQLite file at `store`, unless there is a `mongo`.
    """

    gateways: list[Gateway]
    redis: RedisServer
    redis_url: str
    store: Path
    mongo: MongoServer | None
    store_url: str
    simulator: Simulator

    @property
    def snapshot(self) -> Path:
        """The file that Redis reads at its start, if it is there."""
        return self.redis.directory / "dump.rdb"

    def client(self) -> Redis:
        """Return a connection to Redis, to be closed."""
        return Redis.from_url(self.redis_url)

    def mint(self, requests: int) -> MintedToken:
        """Return a token with a budget of so many requests, and one of tokens, that every gateway knows."""
        limits = [
            Limit(LimitMeasure.REQUESTS, requests, period=LimitPeriod.TOTAL),
            Limit(LimitMeasure.TOKENS, 10**9, period=LimitPeriod.MONTH, zone="Pacific/Auckland"),
        ]
        minted = self.gateways[0].mint(limits=limits)
        for gateway in self.gateways:
            until(partial(_knows, gateway, minted.token, len(limits)), _PATIENCE)
        return minted

    def used(self, minted: MintedToken) -> set[int]:
        """Return how many requests each gateway says are used, once none holds any."""

        def settled() -> list[tuple[int, int]]:
            found = [standing(gateway, minted.token).get("requests", (0, 1)) for gateway in self.gateways]
            return found if all(held == 0 for _, held in found) else []

        return {used for used, _ in until(settled, _PATIENCE)}

    async def stored(self) -> tuple[list[UsageEvent], dict[str, int]]:
        """Return all events, and what is spent by key."""
        store = make_store(self.store_url, self.store.parent)
        await store.open()
        try:
            events = await store.usage.list(UsageFilter(), limit=1_000_000)
            return events, {charge.key: charge.amount for charge in await store.ledger.spent()}
        finally:
            await store.close()

    def let_files_grow(self, gateway: Gateway, size: int = resource.RLIM_INFINITY) -> None:
        """Let the files of a gateway grow up to `size` bytes, as a full disk does."""
        limit = (size, resource.RLIM_INFINITY)
        resource.prlimit(gateway.command.process.pid, resource.RLIMIT_FSIZE, limit)


@contextmanager
def town(directory: Path, count: int, *, on_mongo: bool = False) -> Iterator[Town]:
    """Run a town with so many gateways, whose journals must take what a crash may not lose."""
    store = directory / "shared.db"
    with ExitStack() as stack:
        server = stack.enter_context(own_redis(directory / "redis"))
        simulator = stack.enter_context(Simulator(_made(directory / "simulator")))
        mongo = stack.enter_context(own_mongo(directory / "mongo")) if on_mongo else None
        url = server.new_url()
        store_url = f"sqlite:///{store}" if mongo is None else mongo.new_url()
        settings = {"store": store_url, "redis": url, "disk_full": "refuse", **POLL}
        running = stack.enter_context(gateways(directory, *[settings] * count))
        running[0].serve_models(simulator)
        made = Town(running, server, url, store, mongo, store_url, simulator)
        warm = made.mint(count * _WARM)
        asyncio.run(_warm(made, warm.token))
        yield made
        assert [gateway.command.stop() for gateway in running] == [0] * count


async def _warm(made: Town, secret: str) -> None:
    async with callers() as session:
        for _ in range(_WARM):
            await asyncio.gather(*(send(session, gateway, secret) for gateway in made.gateways))


def _knows(gateway: Gateway, secret: str, limits: int) -> bool:
    return len(standing(gateway, secret)) == limits and MODEL in models_of(gateway, secret)


def _made(directory: Path) -> Path:
    directory.mkdir(parents=True)
    return directory
