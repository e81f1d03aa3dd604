"""What processes that share a store and a Redis promise together."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from tollkeeper_server.coordination.open import Coordination
from tollkeeper_server.coordination.ports import Change, Unknown
from tollkeeper_server.coordination.redis.link import RedisLink
from tollkeeper_server.coordination.redis.tokens import RedisSharedTokens
from tollkeeper_server.coordination.tokens import TokenCache
from tollkeeper_server.domain.token import Token
from tollkeeper_server.errors import StoreUnavailableError

from tests.servers.redis import RedisServer
from tests.unit.clock import Clock
from tests.unit.coordination.parts import (
    LIFETIME,
    UNKNOWN_LIFETIME,
    WatchedStore,
    eventually,
    make_token,
)

PATIENT = 30.0
FAST = 0.02
NEVER = 3600.0


class Process:
    """One process: its own connections to the store and to Redis, and its own memory."""

    def __init__(self, file: Path, redis_url: str, interval: float) -> None:
        self.store = WatchedStore(file)
        self.reloads = 0
        self.revision: int | None = None
        self.told = asyncio.Event()
        self.coordination = Coordination(
            self.store.tokens,
            self.store.placements,
            self.store.configuration,
            self._reload,
            self._confirm,
            redis_url=redis_url,
            lifetime=LIFETIME,
            unknown_lifetime=UNKNOWN_LIFETIME,
            poll_interval=interval,
            redis_timeout=PATIENT,
        )
        self.coordination.changes.subscribe(self._listen)
        self.tokens = self.coordination.tokens

    async def _reload(self) -> None:
        self.reloads += 1
        self.revision = await self.store.configuration.revision()

    def _confirm(self, revision: int) -> bool:
        return revision == self.revision

    async def _listen(self, change: Change) -> None:
        self.told.set()

    async def edit(self, token: Token, **fields: object) -> Token:
        """Do what the management plane does: writes, then tells."""
        newer = await self.store.edit(token, **fields)
        retired = token.digest if newer.digest != token.digest else ""
        await self.coordination.changes.publish(Change(token=newer, retired_digest=retired))
        return newer

    async def __aenter__(self) -> "Process":
        await self.store.open()
        await self.coordination.open()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.coordination.close()
        await self.store.close()


class House:
    """Makes processes on one store and one Redis."""

    def __init__(self, stack: AsyncExitStack, file: Path, redis_url: str) -> None:
        self._stack = stack
        self._file = file
        self._redis_url = redis_url

    async def process(self, *, interval: float = NEVER, redis: bool = True) -> Process:
        """Return another process, listening to changes."""
        process = Process(self._file, self._redis_url if redis else "", interval)
        await self._stack.enter_async_context(process)
        if process.coordination.redis_answers:
            await process.coordination._changes.subscribed.wait()  # type: ignore[union-attr]  # it has Redis
        return process


@pytest.fixture
async def house(tmp_path: Path, redis_url: str) -> AsyncIterator[House]:
    async with AsyncExitStack() as stack:
        yield House(stack, tmp_path / "store.db", redis_url)


class Pair:
    """Two token caches on one watched store and one Redis, with a clock that the test moves."""

    def __init__(self, store: WatchedStore, redis_url: str) -> None:
        self.store = store
        self.clock = Clock(1000.0)
        self.links = [RedisLink(redis_url, timeout=PATIENT, pause=0.02) for _ in range(2)]
        self.shared = [
            RedisSharedTokens(
                link, lifetime=LIFETIME, unknown_lifetime=UNKNOWN_LIFETIME, lead_seconds=PATIENT
            )
            for link in self.links
        ]
        self.first, self.second = (
            TokenCache(
                store.tokens,
                shared,
                lifetime=LIFETIME,
                unknown_lifetime=UNKNOWN_LIFETIME,
                capacity=1000,
                clock=self.clock,
                patience=PATIENT,
                seconds=PATIENT,
            )
            for shared in self.shared
        )


@pytest.fixture
async def pair(tmp_path: Path, redis_url: str) -> AsyncIterator[Pair]:
    store = WatchedStore(tmp_path / "store.db")
    await store.open()
    pair = Pair(store, redis_url)
    yield pair
    for cache, link in zip((pair.first, pair.second), pair.links, strict=True):
        await cache.close()
        await link.close()
    await store.close()


@pytest.mark.parametrize("exists", [True, False])
async def test_a_thousand_askers_in_two_processes_cost_one_query(pair: Pair, exists: bool) -> None:
    token = make_token()
    if exists:
        await pair.store.tokens.add(token)
    askers = [cache.find(token.digest) for cache in (pair.first, pair.second) for _ in range(500)]
    assert [token if exists else None] * 1000 == await asyncio.gather(*askers)
    assert [token.digest] == pair.store.asked


async def test_who_leads_and_fails_lets_the_other_ask(pair: Pair) -> None:
    token = make_token()
    await pair.store.tokens.add(token)
    pair.store.away = True
    with pytest.raises(StoreUnavailableError):
        await pair.first.find(token.digest)
    assert await pair.shared[1].lead(token.digest)
    await pair.shared[1].resign(token.digest)
    pair.store.away = False
    assert token == await pair.second.find(token.digest)


async def test_what_one_process_found_the_other_has_without_the_store(pair: Pair) -> None:
    token = make_token()
    await pair.store.tokens.add(token)
    await pair.first.find(token.digest)
    pair.store.away = True
    assert token == await pair.second.find(token.digest)


async def test_redis_away_the_store_answers(pair: Pair, redis_server: RedisServer) -> None:
    token, other = make_token(), make_token()
    await pair.store.tokens.add(token)
    await pair.store.tokens.add(other)
    await pair.first.find(token.digest)
    redis_server.stop()
    assert token == await pair.first.find(token.digest)
    assert other == await pair.first.find(other.digest)
    assert token == await pair.second.find(token.digest)
    assert await pair.first.find(make_token().digest) is None


async def test_both_away_known_tokens_go_on_and_others_are_not_called_unknown(
    pair: Pair, redis_server: RedisServer
) -> None:
    token, other = make_token(), make_token()
    await pair.store.tokens.add(token)
    await pair.store.tokens.add(other)
    await pair.first.find(token.digest)
    redis_server.stop()
    pair.store.away = True
    for unknown in (other, make_token()):
        with pytest.raises(StoreUnavailableError):
            await pair.first.find(unknown.digest)
    pair.clock.now += LIFETIME - 0.1
    assert token == await pair.first.find(token.digest)
    pair.clock.now += 0.1
    with pytest.raises(StoreUnavailableError):
        await pair.first.find(token.digest)
    pair.store.away = False
    assert token == await pair.first.find(token.digest)


async def test_a_redis_that_lost_its_data_is_filled_again(pair: Pair, redis_server: RedisServer) -> None:
    token = make_token()
    await pair.store.tokens.add(token)
    await pair.first.find(token.digest)
    redis_server.stop()
    await asyncio.to_thread(redis_server.start)
    assert token == await pair.second.find(token.digest)
    for link in pair.links:
        await eventually(lambda link=link: link.answers)  # type: ignore[misc]  # binds the loop's variable
    await pair.shared[1].put({token.digest: token})
    assert token == await pair.shared[0].get(token.digest)


async def test_a_slow_reader_in_another_process_cannot_resurrect_a_revoked_token(pair: Pair) -> None:
    token = make_token()
    await pair.store.tokens.add(token)
    pair.store.may_answer.clear()
    slow = asyncio.create_task(pair.second.find(token.digest))
    await pair.store.has_read.wait()
    # Revoked elsewhere: this process hears nothing, only Redis has the new record.
    revoked = await pair.store.edit(token, is_active=False)
    await pair.shared[0].put({token.digest: revoked})
    pair.store.may_answer.set()
    await slow
    assert revoked == await pair.shared[0].get(token.digest)
    assert revoked == await pair.first.find(token.digest)


async def test_an_outdated_record_is_not_believed_by_who_knows_better(pair: Pair) -> None:
    token = make_token()
    await pair.store.tokens.add(token)
    await pair.shared[0].put({token.digest: token})
    rotated = await pair.store.edit(token, digest=make_token().digest)
    pair.first.apply(Change(token=rotated))
    assert await pair.first.find(token.digest) is None
    assert Unknown() == pair.first.peek(token.digest)


async def test_a_revocation_is_pushed_to_every_process(house: House) -> None:
    here, there = await house.process(), await house.process()
    token = make_token()
    await here.store.tokens.add(token)
    assert token == await there.tokens.find(token.digest)
    there.store.deaf = True  # only the push can tell it
    revoked = await here.edit(token, is_active=False)
    assert revoked == here.tokens.peek(token.digest)
    await there.told.wait()
    assert revoked == there.tokens.peek(token.digest)


async def test_a_rotation_is_pushed_to_every_process(house: House) -> None:
    here, there = await house.process(), await house.process()
    token = make_token()
    await here.store.tokens.add(token)
    await there.tokens.find(token.digest)
    there.store.deaf = True
    rotated = await here.edit(token, digest=make_token().digest)
    await there.told.wait()
    assert Unknown(2) == there.tokens.peek(token.digest)
    assert rotated == there.tokens.peek(rotated.digest)


async def test_a_token_made_elsewhere_is_known_though_it_was_asked_for_before(house: House) -> None:
    here, there = await house.process(), await house.process()
    token = make_token()
    assert await there.tokens.find(token.digest) is None
    await here.store.tokens.add(token)
    await here.coordination.changes.publish(Change(token=token))
    await there.told.wait()
    assert token == await there.tokens.find(token.digest)


async def test_a_lost_push_is_made_up_for_by_polling(house: House, redis_server: RedisServer) -> None:
    here, there = await house.process(interval=FAST), await house.process(interval=FAST)
    token = make_token()
    await here.store.tokens.add(token)
    await there.tokens.find(token.digest)
    redis_server.stop()
    revoked = await here.edit(token, is_active=False)
    await eventually(lambda: there.tokens.peek(token.digest) == revoked)
    assert not there.told.is_set()


async def test_a_process_that_hears_nothing_polls_and_corrects_the_shared_record(house: House) -> None:
    here, there = await house.process(redis=False), await house.process(interval=FAST)
    token = make_token()
    await here.store.tokens.add(token)
    await there.tokens.find(token.digest)
    rotated = await here.edit(token, digest=make_token().digest)
    await eventually(lambda: there.tokens.peek(rotated.digest) == rotated)
    assert Unknown(2) == there.tokens.peek(token.digest)
    shared = there.coordination._shared
    assert shared is not None

    async def is_corrected() -> bool:
        return await shared.get(token.digest) == Unknown(2)

    await eventually(is_corrected)
    assert rotated == await shared.get(rotated.digest)


async def test_a_new_process_does_not_believe_a_record_that_missed_a_revocation(house: House) -> None:
    first = await house.process()
    token = make_token()
    await first.store.tokens.add(token)
    await first.tokens.find(token.digest)
    revoked = await first.store.edit(token, is_active=False)  # and dies before it told anybody
    second = await house.process()
    assert revoked == await second.tokens.find(token.digest)


async def test_a_change_of_the_configuration_is_read_by_every_process(house: House) -> None:
    here, there = await house.process(), await house.process()
    await eventually(lambda: there.coordination.poller._task is not None)
    before = (here.reloads, there.reloads)
    await here.coordination.changes.publish(Change())
    assert here.reloads == before[0] + 1
    await there.told.wait()
    assert there.reloads == before[1] + 1


async def test_redis_away_from_the_start_is_no_error(house: House, redis_server: RedisServer) -> None:
    redis_server.stop()
    process = await house.process()
    assert process.coordination.redis_answers is False
    token = make_token()
    await process.store.tokens.add(token)
    assert token == await process.tokens.find(token.digest)
    revoked = await process.edit(token, is_active=False)
    assert revoked == process.tokens.peek(token.digest)


async def test_without_redis_a_change_takes_effect_at_once(house: House) -> None:
    process = await house.process(redis=False)
    assert process.coordination.redis_answers is None
    token = make_token()
    await process.store.tokens.add(token)
    await process.tokens.find(token.digest)
    revoked = await process.edit(token, is_active=False)
    assert revoked == process.tokens.peek(token.digest)
