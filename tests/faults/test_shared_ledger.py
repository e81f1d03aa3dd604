"""Several gateways on one store and one Redis keep limits and budgets as one gateway does."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import aiohttp
import httpx2
import msgspec
import pytest
import redis
from tollkeeper import BudgetNotice, Client, LimitMeasure, LimitPeriod, LimitScope, MintedToken
from tollkeeper import Limit as ApiLimit
from tollkeeper_server.domain.limit import Limit, Measure
from tollkeeper_server.domain.period import Period
from tollkeeper_server.domain.usage import UsageFilter
from tollkeeper_server.store.sqlite.store import SqliteStore

from tests.faults.processes import POLL, gateways, own_redis
from tests.faults.test_gateway_ends import begun
from tests.faults.traffic import Answer, ask, callers, code_in, headers_of, send
from tests.integration.process import Gateway, Simulator, until
from tests.servers.redis import RedisServer

COUNT = 3
AMOUNT = 50
REQUESTS = Limit(measure=Measure.REQUESTS, amount=AMOUNT, period=Period.TOTAL)
TOKENS = Limit(measure=Measure.TOKENS, amount=10**9, period=Period.MONTH, zone="Pacific/Auckland")
SLOTS = Limit(measure=Measure.CONCURRENT, amount=4)
BURST = 10
RATE = Limit(measure=Measure.REQUEST_RATE, amount=1, burst=BURST)
CALLERS = 40
REFUSED = 429


@dataclass(frozen=True, slots=True)
class Shared:
    """Gateways that share a store and a Redis."""

    gateways: list[Gateway]
    redis: RedisServer
    redis_url: str
    store: Path

    def minted(self, *limits: Limit) -> MintedToken:
        """Mint a token with these limits, which every gateway knows."""
        minted = self.gateways[0].mint()
        asyncio.run(self._limit(minted, limits))
        for gateway in self.gateways:
            until(partial(knows, gateway, minted, len(limits)))
        return minted

    async def _limit(self, minted: MintedToken, limits: tuple[Limit, ...]) -> None:
        store = SqliteStore(self.store)
        await store.open()
        token = await store.tokens.get(minted.id)
        assert token is not None
        limited = msgspec.structs.replace(token, limits=limits, revision=token.revision + 1)
        assert await store.tokens.replace(limited, expected=token.revision)
        await store.close()

    def used(self, minted: MintedToken) -> set[int]:
        """Return the requests that each gateway says are used, once nothing is held of any limit."""

        def settled() -> list[dict[str, tuple[int, int]]]:
            found = [standing(gateway, minted) for gateway in self.gateways]
            return found if all(held == 0 for told in found for _, held in told.values()) else []

        return {told["requests"][0] for told in until(settled)}

    def charged(self, minted: MintedToken) -> int:
        """Return the requests that the stored events of a token are charged."""
        return asyncio.run(self._charged(minted))

    async def _charged(self, minted: MintedToken) -> int:
        store = SqliteStore(self.store)
        await store.open()
        events = await store.usage.list(UsageFilter(), limit=10_000)
        await store.close()
        charges = [charge for event in events if event.token_id == minted.id for charge in event.charges]
        return sum(charge.amount for charge in charges if charge.key.startswith("requests:"))

    def flush(self) -> None:
        """Have Redis lose all it has."""
        with redis.Redis.from_url(self.redis_url) as client:
            client.flushall()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, simulator: Simulator) -> Iterator[Shared]:
    """Three gateways on one SQLite file and one Redis."""
    directory = tmp_path_factory.mktemp("shared-ledger")
    with own_redis(directory / "redis") as server:
        store, url = directory / "shared.db", server.new_url()
        settings = {"store": f"sqlite:///{store}", "redis": url, **POLL}
        with gateways(directory, *[settings] * COUNT) as running:
            running[0].serve_models(simulator)
            yield Shared(running, server, url, store)
            assert [gateway.command.stop() for gateway in running] == [0] * COUNT


def standing(gateway: Gateway, minted: MintedToken) -> dict[str, tuple[int, int]]:
    """Return what is used and held of each measure, as the caller is told."""
    answer = httpx2.get(f"{gateway.base_url}/tollkeeper/limits", headers=headers_of(minted.token))
    return {it["measure"]: (it.get("used", 0), it.get("held", 0)) for it in answer.json()["data"]}


async def crowd(running: Sequence[Gateway], minted: MintedToken, callers_each: int = CALLERS) -> list[Answer]:
    """Have so many callers of each gateway ask once, all at the same time."""
    async with callers() as session:
        return await asyncio.gather(
            *(send(session, gateway, minted.token) for _ in range(callers_each) for gateway in running)
        )


def passed(answers: Sequence[Answer], *, alone: bool = False) -> int:
    """Return how many got an answer; the others were told that their budget is used up, or nothing.

    Those of gateways that are `alone` may have been told to try again, as only a share is used up.
    """
    refusals = {(REFUSED, "insufficient_quota")} | ({(503, "store_unavailable")} if alone else set())
    for answer in answers:
        if answer.whole and answer.status != 200:
            assert (answer.status, code_in(answer.body)) in refusals
    return sum(answer.whole and answer.status == 200 for answer in answers)


def test_a_hundred_and_twenty_callers_against_a_budget_for_fifty(shared: Shared) -> None:
    minted = shared.minted(REQUESTS, TOKENS)
    answers = asyncio.run(crowd(shared.gateways, minted))
    assert passed(answers) == AMOUNT
    assert all(answer.whole for answer in answers)
    assert shared.used(minted) == {AMOUNT}
    assert until(lambda: shared.charged(minted) == AMOUNT)


def test_every_gateway_tells_how_all_stand_and_one_has_told_of_the_threshold(shared: Shared) -> None:
    # No day ends meanwhile where it is noon.
    zone = f"Etc/GMT{datetime.now(UTC).hour - 12:+d}"
    minted = shared.minted(Limit(measure=Measure.REQUESTS, amount=AMOUNT, period=Period.DAY, zone=zone))
    answers = asyncio.run(crowd(shared.gateways, minted, AMOUNT // COUNT))
    used = passed(answers)
    assert shared.used(minted) == {used}
    for gateway in shared.gateways:
        with gateway.management() as client:
            (told,) = client.limits.standings(LimitScope.TOKEN, minted.id).standings
            assert (told.used, told.reserved, told.left) == (used, 0, AMOUNT - used)
            assert told.thresholds == (80, 95)
            assert minted.id in {it.scope_id for it in client.limits.standings().standings}
    with shared.gateways[0].management() as client:
        notices = until(lambda: _notices(client, minted, 95))
    assert [it.percent for it in notices] in ([95], [95, 80])


def _notices(client: Client, minted: MintedToken, percent: int) -> list[BudgetNotice]:
    found = [it for it in client.limits.notices() if it.scope_id == minted.id]
    return found if percent in {it.percent for it in found} else []


def test_slots_are_shared(shared: Shared) -> None:
    """What one gateway's callers hold, no other's get; what is given back, any may take."""
    minted = shared.minted(SLOTS)

    async def occupy() -> None:
        async with callers() as session, AsyncExitStack() as streams:
            for number in range(SLOTS.amount):
                gateway = shared.gateways[number % COUNT]
                await streams.enter_async_context(
                    begun(session, gateway.data, minted.token, "hang=2", f"slot-{number}")
                )
            for gateway in shared.gateways:
                assert (await send(session, gateway, minted.token)).status == REFUSED
                assert (await asyncio.to_thread(standing, gateway, minted))[SLOTS.measure] == (
                    0,
                    SLOTS.amount,
                )
        async with callers() as session:
            for gateway in shared.gateways:
                await free(session, gateway)

    async def free(session: aiohttp.ClientSession, gateway: Gateway) -> None:
        async with asyncio.timeout(15):
            while (await send(session, gateway, minted.token)).status != 200:
                pass

    asyncio.run(occupy())
    for gateway in shared.gateways:
        until(partial(is_free, gateway, minted))


def test_a_rate_is_shared(shared: Shared) -> None:
    minted = shared.minted(RATE)
    began = time.monotonic()
    answers = asyncio.run(crowd(shared.gateways, minted, 10))
    earned = int((time.monotonic() - began) * RATE.amount / 60)
    assert BURST <= sum(answer.status == 200 for answer in answers) <= BURST + earned
    assert {answer.status for answer in answers} == {200, REFUSED}


def test_after_a_kill_exactly_the_rest_can_be_used(shared: Shared) -> None:
    """What the dead process had under way is charged what it held, by others' counts at once."""
    minted = shared.minted(REQUESTS, TOKENS)
    dead, *others = shared.gateways
    streams_under_way = 3

    async def use_and_kill() -> int:
        async with callers() as session, AsyncExitStack() as streams:
            for number in range(streams_under_way):
                await streams.enter_async_context(
                    begun(session, dead.data, minted.token, "hang=3", f"killed-{number}")
                )
            before = passed(await crowd(shared.gateways, minted, 5))
            dead.command.kill()
        return before

    used = asyncio.run(use_and_kill()) + streams_under_way
    assert passed(asyncio.run(crowd(others, minted))) == AMOUNT - used
    dead.start()
    until(lambda: shared.charged(minted) == AMOUNT)
    assert passed(asyncio.run(crowd(shared.gateways, minted, 3))) == 0
    shared.flush()
    assert passed(asyncio.run(crowd(shared.gateways, minted, 3))) == 0
    assert shared.used(minted) == {AMOUNT}


def test_after_a_kill_under_load_the_books_are_equal(shared: Shared) -> None:
    """What the dead one was granted and had not heard of counts until the next epoch, and no longer."""
    minted = shared.minted(REQUESTS, TOKENS)
    dead = shared.gateways[1]

    async def load_and_kill() -> list[Answer]:
        async with callers() as session, asyncio.TaskGroup() as tasks:
            asked = [
                tasks.create_task(send(session, gateway, minted.token, "latency=300"))
                for _ in range(8)
                for gateway in shared.gateways
            ]
            await asyncio.wait(asked[:1])
            more = tasks.create_task(crowd(shared.gateways, minted, 3))
            await asyncio.sleep(0)
            dead.command.process.kill()
        return [*(it.result() for it in asked), *more.result()]

    answered = passed(asyncio.run(load_and_kill()))
    dead.command.kill()
    assert answered <= AMOUNT
    answered += passed(asyncio.run(crowd([shared.gateways[0], shared.gateways[2]], minted)))
    dead.start()
    until(lambda: shared.charged(minted) >= answered)
    shared.flush()
    answered += passed(asyncio.run(crowd(shared.gateways, minted)))
    assert answered <= AMOUNT
    assert shared.used(minted) == {AMOUNT}
    until(lambda: shared.charged(minted) == AMOUNT)


@pytest.mark.parametrize("round_", range(3))
def test_a_redis_that_loses_all_under_load_lets_nobody_use_more(shared: Shared, round_: int) -> None:
    del round_
    minted = shared.minted(REQUESTS, TOKENS)

    async def flush_under_load() -> list[Answer]:
        asking = asyncio.create_task(crowd(shared.gateways, minted, 60))
        while not asking.done():
            await asyncio.to_thread(shared.flush)
            await asyncio.wait([asking], timeout=0.5)
        return await asking

    answers = asyncio.run(flush_under_load())
    assert passed(answers) == AMOUNT
    assert shared.used(minted) == {AMOUNT}


def test_without_redis_each_goes_on_with_its_share(shared: Shared) -> None:
    minted = shared.minted(REQUESTS, TOKENS)
    answers = asyncio.run(crowd(shared.gateways, minted, 3))
    shared.redis.stop()
    try:
        for gateway in shared.gateways:
            until(partial(says, gateway, "share"))
            assert metric(gateway) == 0
        alone = asyncio.run(crowd(shared.gateways, minted))
    finally:
        shared.redis.start()
    before = passed(answers)
    assert 0 < passed(alone, alone=True) <= AMOUNT - before + COUNT
    for gateway in shared.gateways:
        until(partial(says, gateway, "ok"), 30)
        assert metric(gateway) == 1
    used = before + passed(alone, alone=True)
    until(lambda: shared.used(minted) == {used})


def test_what_one_has_granted_alone_counts_though_it_died_before_redis_was_told(shared: Shared) -> None:
    minted = shared.minted(REQUESTS, TOKENS)
    before = passed(asyncio.run(crowd(shared.gateways, minted, 3)))
    dead, *others = shared.gateways
    shared.redis.freeze()
    try:
        until(partial(says, dead, "share"))
        alone = passed(asyncio.run(crowd([dead], minted, 8)), alone=True)
        until(lambda: shared.charged(minted) == before + alone)
        dead.command.kill()
    finally:
        shared.redis.thaw()
    assert alone > 0
    for gateway in others:
        until(partial(says, gateway, "ok"), 30)
    dead.start()
    until(lambda: shared.used(minted) == {before + alone})
    assert passed(asyncio.run(crowd(shared.gateways, minted))) == AMOUNT - before - alone


def knows(gateway: Gateway, minted: MintedToken, count: int) -> bool:
    """Return whether a gateway knows of so many limits."""
    return len(standing(gateway, minted)) == count


def is_free(gateway: Gateway, minted: MintedToken) -> bool:
    """Return whether no slot is held."""
    return standing(gateway, minted)[SLOTS.measure] == (0, 0)


def says(gateway: Gateway, words: str) -> bool:
    """Return whether these words are said of Redis."""
    return words in ready(gateway)


def ready(gateway: Gateway) -> str:
    """Return what is said of Redis."""
    found: str = httpx2.get(f"{gateway.console}/ready").json()["checks"]["redis"]
    return found


def metric(gateway: Gateway) -> float:
    """Return whether the ledger is shared, as the metrics have it."""
    lines = httpx2.get(f"{gateway.console}/metrics").text.splitlines()
    (line,) = [it for it in lines if it.startswith("tollkeeper_ledger_is_shared ")]
    return float(line.split()[1])


def test_a_redis_that_evicts_is_told_of(tmp_path: Path) -> None:
    with own_redis(tmp_path / "redis") as server:
        url = server.new_url()
        with redis.Redis.from_url(url) as client:
            client.config_set("maxmemory", "100mb")
            client.config_set("maxmemory-policy", "allkeys-lru")
        with Gateway(tmp_path / "gateway", redis=url) as gateway:
            assert "maxmemory-policy is allkeys-lru" in ready(gateway)
            assert "maxmemory-policy is allkeys-lru" in gateway.command.said()


def test_a_start_without_redis_refuses_what_has_limits_until_it_is_there(
    tmp_path: Path, simulator: Simulator
) -> None:
    """Nobody knows what is left; what has no limits is served."""
    with own_redis(tmp_path / "redis") as server:
        server.stop()
        with Gateway(tmp_path / "gateway", redis=server.new_url()) as gateway:
            gateway.serve_models(simulator)
            assert ask(gateway, gateway.new_token()).status_code == 200
            with gateway.management() as client:
                limits = [ApiLimit(LimitMeasure.REQUESTS, 2, period=LimitPeriod.TOTAL)]
                project = client.projects.create(name="limited")
                secret = client.tokens.create(project_id=project.id, limits=limits).token
            assert ask(gateway, secret).status_code == 503
            server.start()
            until(partial(says, gateway, "ok"), 30)
            assert [ask(gateway, secret).status_code for _ in range(3)] == [200, 200, REFUSED]
