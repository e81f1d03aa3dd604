"""What processes that share a store, and a Redis if there is one, promise together about placements."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest
from redis.asyncio import Redis
from tollkeeper_server.coordination.placements import RENEWED, PlacementCache
from tollkeeper_server.coordination.redis.link import RedisLink
from tollkeeper_server.coordination.redis.placements import LIFETIME, RedisPlacements
from tollkeeper_server.coordination.redis.primary import TAG
from tollkeeper_server.domain.placement import Placement
from tollkeeper_server.errors import StoreUnavailableError

from tests.contract.entities import an_event
from tests.servers.redis import RedisServer
from tests.unit.coordination.parts import WatchedStore, owned, pending_of, upstream_of

PATIENT = 30.0


class Process:
    """One process: its own connections to the store and to Redis, and its own memory."""

    def __init__(self, file: Path, redis_url: str) -> None:
        self.store = WatchedStore(file)
        self.link = RedisLink(redis_url, timeout=PATIENT) if redis_url else None
        self.shared = RedisPlacements(self.link) if self.link else None
        self.placements = PlacementCache(self.store.placements, self.shared)

    async def __aenter__(self) -> "Process":
        await self.store.open()
        if self.link:
            await self.link.open()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.placements.close()
        if self.link:
            await self.link.close()
        await self.store.close()


Start = Callable[[], Awaitable[Process]]


@pytest.fixture(params=[True, False], ids=["redis", "no redis"])
def with_redis(request: pytest.FixtureRequest) -> bool:
    """Whether there is a Redis."""
    return bool(request.param)


@pytest.fixture
async def start(tmp_path: Path, redis_url: str, with_redis: bool) -> AsyncIterator[Start]:
    """Starts another process on the same store and Redis."""
    async with AsyncExitStack() as stack:

        async def start() -> Process:
            process = Process(tmp_path / "store.db", redis_url if with_redis else "")
            return await stack.enter_async_context(process)

        yield start


async def test_what_one_process_remembers_the_others_find_at_once(start: Start) -> None:
    first, second = await start(), await start()
    for number in range(20):
        await first.placements.remember(f"file-{number}", "a", "prj_1")
        assert await upstream_of(second.placements, f"file-{number}") == "a"
    late = await start()
    assert await upstream_of(late.placements, "file-0") == "a"
    assert await upstream_of(late.placements, "file") is None


async def test_what_was_asked_for_before_it_was_made_is_found_once_it_is(start: Start) -> None:
    """No answer that nobody knows it outlives the moment: its owner may ask any process."""
    first, second = await start(), await start()
    asking = asyncio.Event()

    async def ask() -> None:
        while not asking.is_set():
            await second.placements.find_many(["file-1"])
            await second.placements.find_many(["file-1", "file-2"])
            await asyncio.sleep(0)

    others = [asyncio.create_task(ask()) for _ in range(3)]
    for _ in range(20):
        assert await upstream_of(second.placements, "file-1") is None
    await first.placements.remember("file-1", "a", "prj_1")
    assert await upstream_of(second.placements, "file-1") == "a"
    asking.set()
    await asyncio.gather(*others)


async def test_no_process_gives_a_project_what_another_has(start: Start) -> None:
    first, second, third = await start(), await start(), await start()
    await first.placements.remember("file-1", "a", "prj_1")
    await second.placements.remember("file-1", "b", "prj_2")
    await second.placements.learn(["file-1", "file-2"], "b", "prj_2")
    for process in (first, second, third):
        assert await owned(process.placements, "prj_1", ["file-1", "file-2"]) == {"file-1"}
        assert await owned(process.placements, "prj_2", ["file-1", "file-2"]) == {"file-2"}
        assert await upstream_of(process.placements, "file-1") == "a"


@pytest.mark.parametrize("with_redis", [True])
async def test_redis_spares_the_store(start: Start) -> None:
    first, second, third = await start(), await start(), await start()
    await first.placements.remember("file-1", "a", "prj_1")
    second.store.away = True
    assert await upstream_of(second.placements, "file-1") == "a"
    assert second.store.asked == []

    now = datetime.now(UTC)
    await third.store.placements.add([Placement(id="file-2", upstream="b", project_id="prj_1", used_at=now)])
    assert await upstream_of(third.placements, "file-2") == "b"
    assert await upstream_of(second.placements, "file-2") == "b"


@pytest.mark.parametrize("with_redis", [True])
async def test_redis_away_the_store_answers(start: Start, redis_server: RedisServer) -> None:
    first, second = await start(), await start()
    await first.placements.remember("before", "a", "prj_1")
    redis_server.stop()
    assert await upstream_of(second.placements, "before") == "a"
    await second.placements.remember("after", "b", "prj_1")
    assert await upstream_of(first.placements, "after") == "b"
    assert await upstream_of(first.placements, "never") is None
    second.store.away = True
    assert await upstream_of(second.placements, "before") == "a"
    with pytest.raises(StoreUnavailableError):
        await upstream_of(second.placements, "other")


@pytest.mark.parametrize("with_redis", [True])
async def test_the_store_away_redis_tells_the_others(start: Start) -> None:
    first, second = await start(), await start()
    first.store.away = second.store.away = True
    with pytest.raises(StoreUnavailableError):
        await first.placements.remember("file-1", "a", "prj_1")
    assert await upstream_of(second.placements, "file-1") == "a"
    with pytest.raises(StoreUnavailableError):
        await upstream_of(second.placements, "file-2")


@pytest.mark.parametrize("with_redis", [True])
async def test_entries_have_a_bounded_life_and_names_of_one_length(start: Start, redis_url: str) -> None:
    first = await start()
    for placement_id in ("f", "file-größe " * 1000):
        await first.placements.remember(placement_id, "a", "prj_1")
    async with Redis.from_url(redis_url) as redis:
        keys = [key async for key in redis.scan_iter("{tollkeeper}:placement:*")]
        assert {len(key) for key in keys} == {len("{tollkeeper}:placement:") + 64}
        assert len(keys) == 2
        assert all([0 < await redis.ttl(key) <= LIFETIME for key in keys])


@pytest.mark.parametrize("with_redis", [True])
@pytest.mark.parametrize("value", [b"", b"{", b"{}", b"\xff\x00", b"other"])
async def test_an_entry_that_can_not_be_read_counts_as_none_and_is_replaced(
    start: Start, redis_url: str, value: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    first, second, third = await start(), await start(), await start()
    await first.placements.remember("file-1", "a", "prj_1")
    await first.placements.remember("file-2", "b", "prj_1")
    async with Redis.from_url(redis_url) as redis:
        keys = [f"{TAG}:placement:{hashlib.sha256(one).hexdigest()}" for one in (b"file-1", b"file-2")]
        other = await redis.get(keys[1])
        assert isinstance(other, bytes)
        await redis.set(keys[0], other if value == b"other" else value)
    assert await upstream_of(second.placements, "file-1") == "a"
    assert "a placement in Redis that can't be read" in caplog.text
    third.store.away = True
    assert await upstream_of(third.placements, "file-1") == "a"


async def test_use_in_any_process_keeps_it(start: Start) -> None:
    first, second = await start(), await start()
    old = datetime.now(UTC) - 2 * RENEWED
    await first.store.placements.add([Placement(id="file-1", upstream="a", project_id="prj_1", used_at=old)])
    assert await upstream_of(second.placements, "file-1") == "a"
    assert await upstream_of(second.placements, "file-1") == "a"
    await second.placements.close()
    assert await first.store.placements.delete_before(datetime.now(UTC) - RENEWED, limit=10) == 0


async def test_what_waits_for_an_end_is_known_everywhere_and_settled_once(start: Start) -> None:
    """However many processes settle it; those that come later are not told to."""
    first, second, third = await start(), await start(), await start()
    event = an_event()
    await first.placements.remember("resp-1", "a", "prj_1", event)
    assert [await pending_of(process.placements, "resp-1") for process in (first, second)] == [event, event]

    settled: list[str] = []
    for process in (first, second):
        for _ in range(3):
            process.placements.settle("resp-1", lambda: settled.append("once"))
    for process in (first, second):
        assert await pending_of(process.placements, "resp-1") is None
        await process.placements.close()
    assert settled == ["once"]
    assert await pending_of(third.placements, "resp-1") is None
    assert await upstream_of(third.placements, "resp-1") == "a"
    assert await pending_of(third.placements, "resp-2") is None
