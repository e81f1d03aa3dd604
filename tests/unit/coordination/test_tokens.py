"""The token cache of one process, on a real store."""

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tollkeeper_server.coordination.ports import Change, Unknown
from tollkeeper_server.coordination.tokens import MAX_UNKNOWN, TokenCache
from tollkeeper_server.coordination.turns import PER_NETWORK
from tollkeeper_server.domain.token import Token
from tollkeeper_server.errors import Reason, StoreUnavailableError, TollkeeperError
from tollkeeper_server.store.ports import TokenStore
from tollkeeper_server.store.sqlite.connection import SqliteConnection
from tollkeeper_server.store.sqlite.tokens import SqliteTokens

from tests.unit.clock import Clock
from tests.unit.coordination.parts import (
    LIFETIME,
    UNKNOWN_LIFETIME,
    WatchedStore,
    digest_of,
    edited,
    eventually,
    make_token,
)


def make_cache(tokens: TokenStore, clock: Clock, capacity: int = 1000) -> TokenCache:
    return TokenCache(
        tokens,
        None,
        lifetime=LIFETIME,
        unknown_lifetime=UNKNOWN_LIFETIME,
        capacity=capacity,
        clock=clock,
        seconds=60.0,
    )


@pytest.fixture
async def cache(store: WatchedStore, clock: Clock) -> AsyncIterator[TokenCache]:
    cache = make_cache(store.tokens, clock)
    yield cache
    await cache.close()


async def test_asks_the_store_once_and_then_nobody(store: WatchedStore, cache: TokenCache) -> None:
    token = make_token()
    await store.tokens.add(token)
    assert cache.peek(token.digest) is None
    assert token == await cache.find(token.digest)
    assert token == await cache.find(token.digest)
    assert token == cache.peek(token.digest)
    assert [token.digest] == store.asked


async def test_a_thousand_askers_at_once_cost_one_query(store: WatchedStore, cache: TokenCache) -> None:
    token = make_token()
    await store.tokens.add(token)
    found = await asyncio.gather(*(cache.find(token.digest) for _ in range(1000)))
    assert [token] * 1000 == found
    assert [token.digest] == store.asked


@pytest.mark.parametrize("cancelled", [0, 1])
async def test_a_cancelled_asker_does_not_fail_the_others(
    store: WatchedStore, cache: TokenCache, cancelled: int
) -> None:
    token = make_token()
    await store.tokens.add(token)
    store.may_answer.clear()
    askers = [asyncio.create_task(cache.find(token.digest)) for _ in range(3)]
    await store.has_read.wait()
    askers[cancelled].cancel()
    store.may_answer.set()
    found = await asyncio.gather(*askers, return_exceptions=True)
    assert isinstance(found.pop(cancelled), asyncio.CancelledError)
    assert [token, token] == found
    assert [token.digest] == store.asked


async def test_a_look_up_that_everybody_left_does_not_get_stuck(
    store: WatchedStore, cache: TokenCache
) -> None:
    token = make_token()
    await store.tokens.add(token)
    store.may_answer.clear()
    asker = asyncio.create_task(cache.find(token.digest))
    await store.has_read.wait()
    asker.cancel()
    await asyncio.gather(asker, return_exceptions=True)
    store.may_answer.set()
    assert token == await cache.find(token.digest)
    assert [token.digest] == store.asked


async def test_unknown_tokens_are_remembered_briefly(
    store: WatchedStore, cache: TokenCache, clock: Clock
) -> None:
    token = make_token()
    assert await cache.find(token.digest) is None
    assert cache.peek(token.digest) == Unknown()
    await store.tokens.add(token)
    clock.now += UNKNOWN_LIFETIME - 0.1
    assert await cache.find(token.digest) is None
    assert [token.digest] == store.asked
    clock.now += 0.1
    assert token == await cache.find(token.digest)


async def test_a_failure_is_not_remembered(store: WatchedStore, cache: TokenCache) -> None:
    token = make_token()
    await store.tokens.add(token)
    store.away = True
    with pytest.raises(StoreUnavailableError):
        await cache.find(token.digest)
    assert cache.peek(token.digest) is None
    store.away = False
    assert token == await cache.find(token.digest)


async def test_each_asker_gets_an_error_of_its_own(store: WatchedStore, cache: TokenCache) -> None:
    store.away = True
    errors = await asyncio.gather(*(cache.find(digest_of(0)) for _ in range(100)), return_exceptions=True)
    assert all(isinstance(error, StoreUnavailableError) for error in errors)
    assert len({id(error) for error in errors}) == 100
    assert [digest_of(0)] == store.asked


async def test_an_unforeseen_failure_reaches_the_asker_and_is_logged(
    store: WatchedStore,
    cache: TokenCache,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def fail(digest: str) -> Token | None:
        raise ZeroDivisionError

    monkeypatch.setattr(store.tokens, "find", fail)
    with caplog.at_level(logging.ERROR), pytest.raises(ZeroDivisionError):
        await cache.find(digest_of(0))
    assert "looking up a token failed" in caplog.text


async def test_known_tokens_go_on_for_their_lifetime_without_the_store(
    store: WatchedStore, cache: TokenCache, clock: Clock
) -> None:
    token = make_token()
    await store.tokens.add(token)
    await cache.find(token.digest)
    store.away = True
    clock.now += LIFETIME - 0.1
    assert token == await cache.find(token.digest)
    with pytest.raises(StoreUnavailableError):
        await cache.find(make_token().digest)
    clock.now += 0.1
    assert cache.peek(token.digest) is None
    with pytest.raises(StoreUnavailableError):
        await cache.find(token.digest)


async def test_an_outage_leaves_half_the_lifetime_to_a_token_in_steady_use(
    store: WatchedStore, cache: TokenCache, clock: Clock
) -> None:
    token = make_token()
    await store.tokens.add(token)
    await cache.find(token.digest)
    for _ in range(20):
        clock.now += LIFETIME / 7
        asked = len(store.asked)
        assert token == cache.peek(token.digest)
        await eventually(lambda: not cache._flights)
        assert len(store.asked) - asked <= 1
    store.away = True
    clock.now += LIFETIME / 2 - 0.1
    assert token == await cache.find(token.digest)


async def test_refreshing_without_the_store_neither_fails_nor_insists(
    store: WatchedStore, cache: TokenCache, clock: Clock
) -> None:
    token = make_token()
    await store.tokens.add(token)
    await cache.find(token.digest)
    store.away = True
    clock.now += LIFETIME / 2
    for _ in range(100):
        assert token == cache.peek(token.digest)
        await asyncio.sleep(0)
    await eventually(lambda: not cache._flights)
    assert [token.digest] * 2 == store.asked
    clock.now += 1
    store.away = False
    newer = await store.edit(token, name="newer")
    assert token == cache.peek(token.digest)
    await eventually(lambda: cache.peek(token.digest) == newer)


class _NoTokens(SqliteTokens):
    """Knows nobody, at once: a hundred thousand queries of a file would only test the file."""

    async def find(self, digest: str) -> Token | None:
        return None


async def test_a_flood_of_random_tokens_displaces_no_known_one(tmp_path: Path, clock: Clock) -> None:
    nobody = _NoTokens(SqliteConnection(tmp_path / "unopened", busy_seconds=1))
    cache = make_cache(nobody, clock, capacity=100)
    known = [make_token() for _ in range(100)]
    for token in known:
        cache.apply(Change(token=token))
    for start in range(0, 3 * MAX_UNKNOWN, 1000):
        found = await asyncio.gather(*(cache.find(f"x{n}") for n in range(start, start + 1000)))
        assert set(found) == {None}
    assert known == [cache.peek(token.digest) for token in known]
    assert len(cache._absent) == MAX_UNKNOWN
    assert not cache._flights


async def _all_ask(cache: TokenCache, address: str, digests: list[str]) -> list[asyncio.Task[Token | None]]:
    asking = [asyncio.create_task(cache.find(digest, address)) for digest in digests]
    for _ in range(10):
        await asyncio.sleep(0)
    return asking


async def test_one_address_has_few_look_ups_under_way_and_no_other_waits_for_it(
    store: WatchedStore, cache: TokenCache
) -> None:
    token, known = make_token(), make_token()
    await store.tokens.add(token)
    cache.apply(Change(token=known))
    store.may_answer.clear()
    flood = await _all_ask(cache, "192.0.2.1", [f"x{n}" for n in range(1000)])
    await eventually(lambda: len(store.asked) == PER_NETWORK)
    assert len(cache._flights) == PER_NETWORK
    # A known token waits for nothing, and neither does one that is being looked up already for its turn.
    assert known == await cache.find(known.digest, "192.0.2.1")
    (other,) = await _all_ask(cache, "192.0.2.2", [token.digest])
    await _all_ask(cache, "192.0.2.1", [token.digest])
    await eventually(lambda: store.asked[PER_NETWORK:] == [token.digest])
    store.may_answer.set()
    assert await other == token
    assert {await it for it in flood} == {None}
    assert len(store.asked) == 1001
    assert not len(cache._turns)


async def test_look_ups_of_callers_who_left_count_until_their_end(
    store: WatchedStore, cache: TokenCache
) -> None:
    store.may_answer.clear()
    for start in range(0, 100, 10):
        for asker in await _all_ask(cache, "192.0.2.1", [f"x{n}" for n in range(start, start + 10)]):
            asker.cancel()
    assert len(cache._flights) == PER_NETWORK
    store.may_answer.set()
    await eventually(lambda: not cache._flights and not len(cache._turns))


async def test_one_that_has_no_turn_in_time_is_told_so_and_asks_nobody(store: WatchedStore) -> None:
    cache = TokenCache(store.tokens, None, lifetime=60, unknown_lifetime=60, capacity=10, seconds=0.05)
    store.may_answer.clear()
    found = await asyncio.gather(
        *(cache.find(f"x{n}", "192.0.2.1") for n in range(PER_NETWORK + 5)), return_exceptions=True
    )
    reasons = [it.reason for it in found if isinstance(it, TollkeeperError)]
    assert reasons == [Reason.STORE_UNAVAILABLE] * PER_NETWORK + [Reason.OVERLOADED] * 5
    assert len(store.asked) <= PER_NETWORK
    await cache.close()


async def test_a_token_made_while_it_waits_for_its_turn_is_known(
    store: WatchedStore, cache: TokenCache
) -> None:
    token = make_token()
    store.may_answer.clear()
    await _all_ask(cache, "192.0.2.1", [f"x{n}" for n in range(PER_NETWORK)])
    (asker,) = await _all_ask(cache, "192.0.2.1", [token.digest])
    cache.apply(Change(token=token))
    store.may_answer.set()
    assert await asker == token
    assert token.digest not in store.asked


async def test_beyond_capacity_the_longest_unconfirmed_is_forgotten(
    store: WatchedStore, clock: Clock
) -> None:
    cache = make_cache(store.tokens, clock, capacity=2)
    first, second, third = make_token(), make_token(), make_token()
    for token in (first, second, first, third):
        cache.apply(Change(token=token))
    assert cache.peek(second.digest) is None
    assert [first, third] == [cache.peek(first.digest), cache.peek(third.digest)]
    assert {first.id, third.id} == set(cache._digests)


async def test_a_change_takes_effect_at_once_and_an_older_one_does_not(
    store: WatchedStore, cache: TokenCache
) -> None:
    token = make_token()
    await store.tokens.add(token)
    await cache.find(token.digest)
    revoked = edited(token, is_active=False)
    assert cache.apply(Change(token=revoked)) == frozenset()
    cache.apply(Change(token=token))
    assert revoked == cache.peek(token.digest)


async def test_a_change_of_the_configuration_leaves_tokens_alone(cache: TokenCache) -> None:
    assert cache.apply(Change()) == frozenset()


async def test_a_rotated_token_is_unknown_by_its_old_digest(cache: TokenCache) -> None:
    token = make_token()
    cache.apply(Change(token=token))
    rotated = edited(token, digest=make_token().digest)
    assert {token.digest} == cache.apply(Change(token=rotated, retired_digest=token.digest))
    assert cache.peek(token.digest) == Unknown(2)
    assert rotated == cache.peek(rotated.digest)


async def test_a_rotation_found_by_polling_evicts_the_old_digest(cache: TokenCache) -> None:
    token = make_token()
    cache.apply(Change(token=token))
    rotated = edited(token, digest=make_token().digest)
    assert {token.digest} == cache.apply(Change(token=rotated))
    assert cache.peek(token.digest) == Unknown(2)


async def test_a_rotation_of_a_token_not_known_here_retires_its_digest(cache: TokenCache) -> None:
    token = make_token()
    rotated = edited(token, digest=make_token().digest)
    assert {token.digest} == cache.apply(Change(token=rotated, retired_digest=token.digest))
    assert cache.peek(token.digest) == Unknown(2)


async def test_an_overtaken_rotation_retires_the_digest_it_brought(cache: TokenCache) -> None:
    second = make_token(revision=2)
    third = edited(second, digest=make_token().digest)
    cache.apply(Change(token=third))
    assert {second.digest} == cache.apply(Change(token=second))
    assert cache.peek(second.digest) == Unknown(3)


async def test_rotations_told_in_the_wrong_order_retire_every_old_digest(cache: TokenCache) -> None:
    first = make_token()
    second = edited(first, digest=make_token().digest)
    third = edited(second, digest=make_token().digest)
    cache.apply(Change(token=first))
    cache.apply(Change(token=third, retired_digest=second.digest))
    cache.apply(Change(token=second, retired_digest=first.digest))
    assert third == cache.peek(third.digest)
    assert [Unknown(3), Unknown(3)] == [cache.peek(first.digest), cache.peek(second.digest)]


@pytest.mark.parametrize("rotates", [False, True])
async def test_a_slow_reader_does_not_bring_back_what_was_changed_meanwhile(
    store: WatchedStore, cache: TokenCache, rotates: bool
) -> None:
    token = make_token()
    await store.tokens.add(token)
    store.may_answer.clear()
    asker = asyncio.create_task(cache.find(token.digest))
    await store.has_read.wait()
    if rotates:
        newer = await store.edit(token, digest=make_token().digest)
        cache.apply(Change(token=newer, retired_digest=token.digest))
    else:
        newer = await store.edit(token, is_active=False)
        cache.apply(Change(token=newer))
    store.may_answer.set()
    expected = None if rotates else newer
    assert expected == await asker
    assert expected == await cache.find(token.digest)


async def test_a_slow_reader_does_not_bring_back_what_was_rotated_and_forgotten(
    store: WatchedStore, clock: Clock
) -> None:
    cache = make_cache(store.tokens, clock, capacity=1)
    token = make_token()
    await store.tokens.add(token)
    store.may_answer.clear()
    asker = asyncio.create_task(cache.find(token.digest))
    await store.has_read.wait()
    cache.apply(Change(token=edited(token, digest=make_token().digest), retired_digest=token.digest))
    cache.apply(Change(token=make_token()))
    store.may_answer.set()
    assert await asker is None


async def test_a_change_between_the_answer_and_its_delivery_counts(
    store: WatchedStore, cache: TokenCache
) -> None:
    token = make_token()
    await store.tokens.add(token)
    store.may_answer.clear()
    asker = asyncio.create_task(cache.find(token.digest))
    await store.has_read.wait()
    revoked = edited(token, is_active=False)
    cache._flights.start(token.digest).add_done_callback(lambda _: cache.apply(Change(token=revoked)))
    store.may_answer.set()
    assert revoked == await asker


async def test_a_rotation_told_long_before_the_answer_is_delivered_counts(
    store: WatchedStore, cache: TokenCache, clock: Clock
) -> None:
    token = make_token()
    await store.tokens.add(token)
    store.may_answer.clear()
    asker = asyncio.create_task(cache.find(token.digest))
    await store.has_read.wait()

    def rotate(_: object) -> None:
        cache.apply(Change(token=edited(token, digest=make_token().digest)))
        clock.now += UNKNOWN_LIFETIME

    cache._flights.start(token.digest).add_done_callback(rotate)
    store.may_answer.set()
    assert await asker is None


async def test_a_token_made_after_it_was_unknown_and_forgotten_is_asked_for(
    store: WatchedStore, clock: Clock
) -> None:
    cache = make_cache(store.tokens, clock, capacity=1)
    token = make_token()
    assert await cache.find(token.digest) is None
    await store.tokens.add(token)
    cache.apply(Change(token=token))
    cache.apply(Change(token=make_token()))
    assert token == await cache.find(token.digest)


async def test_a_slow_reader_does_not_hide_a_token_made_meanwhile(
    store: WatchedStore, cache: TokenCache
) -> None:
    token = make_token()
    store.may_answer.clear()
    asker = asyncio.create_task(cache.find(token.digest))
    await store.has_read.wait()
    await store.tokens.add(token)
    cache.apply(Change(token=token))
    store.may_answer.set()
    assert token == await asker
    assert token == cache.peek(token.digest)


async def test_a_change_answers_those_who_ask_while_the_store_fails(
    store: WatchedStore, cache: TokenCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = make_token()

    async def fail(digest: str) -> Token | None:
        cache.apply(Change(token=token))
        raise StoreUnavailableError("the store")

    monkeypatch.setattr(store.tokens, "find", fail)
    assert token == await cache.find(token.digest)


async def test_closing_tells_those_who_wait_that_nothing_is_known(
    store: WatchedStore, cache: TokenCache
) -> None:
    store.may_answer.clear()
    asker = asyncio.create_task(cache.find(digest_of(0)))
    await store.has_read.wait()
    await cache.close()
    with pytest.raises(StoreUnavailableError):
        await asker


_ACTIONS = st.one_of(
    st.tuples(st.just("find"), st.integers(0, 3)),
    st.tuples(st.just("edit"), st.booleans()),
    st.tuples(st.just("tell"), st.integers(0, 5)),
    st.tuples(st.just("wait"), st.sampled_from([0.5, 3, 100, 200, 400])),
    st.tuples(st.just("fail"), st.booleans()),
    st.tuples(st.just("read"), st.none()),
    st.tuples(st.just("answer"), st.none()),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(actions=st.lists(_ACTIONS, max_size=40))
async def test_a_revision_once_seen_is_never_followed_by_an_older_one(
    tmp_path_factory: pytest.TempPathFactory, actions: list[tuple[str, object]]
) -> None:
    await _Run(tmp_path_factory.mktemp("run")).play(actions)


class _Shelf(SqliteTokens):
    """One token with its history in memory, read when asked and answered when told to."""

    def __init__(self, token: Token) -> None:
        super().__init__(SqliteConnection(Path("unopened"), busy_seconds=1))
        self.history = [token]
        self.away = False
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def find(self, digest: str) -> Token | None:
        if self.away:
            raise StoreUnavailableError("the store")
        latest = self.history[-1]
        await self.may_answer.wait()
        return latest if latest.digest == digest else None


class _Run:
    """Finds, edits, rotations, late and repeated messages, outages, in any order."""

    def __init__(self, directory: Path) -> None:
        self.clock = Clock(1000.0)
        self.shelf = _Shelf(make_token())
        self.cache = make_cache(self.shelf, self.clock)
        self.asking: list[asyncio.Task[None]] = []
        self.seen = 0

    async def play(self, actions: list[tuple[str, object]]) -> None:
        for action, value in actions:
            match action, value:
                case "find", int(back):
                    history = self.shelf.history
                    digest = history[max(0, len(history) - 1 - back)].digest
                    self.asking.append(asyncio.create_task(self.ask(digest)))
                    await asyncio.sleep(0)
                case "edit", rotates:
                    latest = self.shelf.history[-1]
                    fields = {"digest": make_token().digest} if rotates else {}
                    self.shelf.history.append(edited(latest, **fields))
                case "tell", int(back):
                    self.tell(max(0, len(self.shelf.history) - 1 - back))
                case "wait", float() | int():
                    assert isinstance(value, float | int)
                    self.clock.now += value
                case "fail", bool(away):
                    self.shelf.away = away
                case "read", _:
                    self.shelf.may_answer.clear()
                case "answer", _:
                    self.shelf.may_answer.set()
                    await asyncio.sleep(0)
        self.shelf.may_answer.set()
        await asyncio.gather(*self.asking)
        await self.cache.close()

    def tell(self, position: int) -> None:
        token = self.shelf.history[position]
        before = self.shelf.history[max(0, position - 1)].digest
        retired = before if before != token.digest else ""
        self.cache.apply(Change(token=token, retired_digest=retired))
        self.seen = max(self.seen, token.revision)

    async def ask(self, digest: str) -> None:
        try:
            token = await self.cache.find(digest)
        except StoreUnavailableError:
            return
        if token is not None:
            assert token.digest == digest
            assert token.revision >= self.seen
            self.seen = token.revision
