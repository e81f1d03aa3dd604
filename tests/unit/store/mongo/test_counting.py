"""The count of a token's requests in MongoDB, whatever happens between the steps of writing events."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import msgspec
import pymongo
import pytest
from tollkeeper_server.domain.token import Token
from tollkeeper_server.domain.usage import Admission, UsageEvent, UsageFilter
from tollkeeper_server.errors import StoreUnavailableError
from tollkeeper_server.store.mongo.counting import NOTES
from tollkeeper_server.store.mongo.store import MongoStore

from tests.contract.entities import a_token, an_event
from tests.servers.mongo import with_database
from tests.servers.mongo_wire import MongoWire, wire_to

pytestmark = pytest.mark.mongo

Recover = Callable[[MongoStore, Sequence[UsageEvent]], Awaitable[object]]
RECOVERIES: dict[str, Recover] = {
    "the same events again": lambda store, events: add_in_parts(store, events),
    "another start": lambda store, _: store.usage.count_all(),
}


async def add_in_parts(store: MongoStore, events: Sequence[UsageEvent]) -> None:
    """Add events as another process does that reads the journal in other batches."""
    await store.usage.add(events[1:3])
    await store.usage.add(events)


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[MongoStore]:
    """The store of that URL, open."""
    store = MongoStore(url)
    await store.open()
    try:
        yield store
    finally:
        await store.close()


@asynccontextmanager
async def over_wire(direct: MongoStore, url: str) -> AsyncIterator[tuple[MongoStore, MongoWire, list[Token]]]:
    """Open the store over a wire, with two new tokens, of which one has counted before."""
    tokens = [a_token(), a_token()]
    for token in tokens:
        await direct.tokens.add(token)
    await direct.usage.add(events_of(tokens[:1]))
    async with wire_to(url) as wire, opened(wire.url) as store:
        yield store, wire, tokens


def events_of(tokens: Sequence[Token]) -> list[UsageEvent]:
    """Return four events of each token: one admitted without a limit, one with, one refused, one without."""
    admissions = (Admission.UNLIMITED, Admission.LIMITED, Admission.NONE, Admission.UNLIMITED)
    return [
        msgspec.structs.replace(an_event(token), admission=admission)
        for admission in admissions
        for token in tokens
    ]


async def assert_counted(store: MongoStore, token: Token) -> None:
    """Compare a token's count with the events that are stored."""
    events = await store.usage.list(UsageFilter(token_id=(token.id,)), limit=100)
    expected = sum(event.admission is Admission.UNLIMITED for event in events)
    found = await store.tokens.get(token.id)
    assert found is not None
    assert found.request_count == expected


@pytest.mark.parametrize("delivered", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("recover", RECOVERIES.values(), ids=RECOVERIES)
async def test_a_connection_cut_at_any_command_leaves_the_count_of_the_events(
    mongo_url: str, recover: Recover, delivered: bool
) -> None:
    url = with_database(mongo_url)
    cuts = 0
    async with opened(url) as direct:
        for number in range(1, 100):
            async with over_wire(direct, url) as (store, wire, tokens):
                events = events_of(tokens)
                wire.cut_at(number, delivered=delivered)
                try:
                    await store.usage.add(events)
                    break
                except StoreUnavailableError:
                    cuts += 1
                await recover(direct, events)
                for token in tokens:
                    await assert_counted(direct, token)
    assert cuts >= 5


async def test_a_writer_that_sleeps_at_any_command_counts_nothing_twice(mongo_url: str) -> None:
    """Another process writes the same events, and more of the same token, while the first one sleeps."""
    url = with_database(mongo_url)
    sleeps = 0
    async with opened(url) as direct:
        for number in range(1, 100):
            async with over_wire(direct, url) as (store, wire, tokens):
                events = events_of(tokens)
                wire.hold_at(number)
                write = asyncio.ensure_future(store.usage.add(events))
                if not await wire.comes_to_hold(write):
                    break
                sleeps += 1
                await direct.usage.add(events[::-1])
                await direct.usage.add(events_of(tokens))

                wire.release.set()

                await write
                for token in tokens:
                    await assert_counted(direct, token)
                    found = await direct.tokens.get(token.id)
                    assert found is not None
                    assert found.request_count == 4 + 2 * (token is tokens[0])
    assert sleeps >= 5


async def test_what_a_process_left_uncounted_is_counted_at_the_next_start(mongo_url: str) -> None:
    url = with_database(mongo_url)
    async with opened(url) as direct:
        async with over_wire(direct, url) as (store, wire, tokens):
            wire.cut_at(5, delivered=False)
            with pytest.raises(StoreUnavailableError):
                await store.usage.add(events_of(tokens))
        found = await direct.tokens.get(tokens[1].id)
        assert found is not None
        assert found.request_count == 0
    async with opened(url) as direct:
        for token in tokens:
            await assert_counted(direct, token)
        found = await direct.tokens.get(tokens[1].id)
        assert found is not None
        assert found.request_count == 2
    with pymongo.MongoClient[dict[str, object]](url) as client:
        assert client.get_default_database()[NOTES].count_documents({}) == 0


def numbers_kept(url: str) -> list[object]:
    """Return what tokens hold of the counting of batches."""
    with pymongo.MongoClient[dict[str, object]](url) as client:
        tokens = client.get_default_database()["tokens"].find({}, {"counting": 1})
        return [token["counting"] for token in tokens if token.get("counting")]


async def test_the_next_start_forgets_the_numbers_that_a_process_left_on_tokens(mongo_url: str) -> None:
    """At each command of writing events, and of the recovery, a process may die."""
    url = with_database(mongo_url)
    left = 0
    async with opened(url) as direct:
        for number in range(1, 100):
            async with over_wire(direct, url) as (store, wire, tokens):
                wire.cut_at(number, delivered=False)
                try:
                    await store.usage.add(events_of(tokens))
                    break
                except StoreUnavailableError:
                    left += bool(numbers_kept(url))
                await direct.usage.count_all()
                assert numbers_kept(url) == []
    assert left >= 2


async def test_a_start_beside_a_writer_at_any_command_disturbs_no_count(mongo_url: str) -> None:
    url = with_database(mongo_url)
    counting = 0
    async with opened(url) as direct:
        for number in range(1, 100):
            async with over_wire(direct, url) as (store, wire, tokens):
                wire.hold_at(number)
                write = asyncio.ensure_future(store.usage.add(events_of(tokens)))
                if not await wire.comes_to_hold(write):
                    break
                counting += bool(numbers_kept(url))
                await direct.usage.count_all()
                wire.release.set()
                await write
                for token in tokens:
                    await assert_counted(direct, token)
                assert numbers_kept(url) == []
    assert counting >= 2


async def test_of_events_without_a_token_nothing_is_noted_for_ever(mongo_url: str) -> None:
    url = with_database(mongo_url)
    async with opened(url) as store:
        await store.usage.add(events_of([a_token()]))
    with pymongo.MongoClient[dict[str, object]](url) as client:
        assert client.get_default_database()[NOTES].count_documents({}) == 0


async def test_an_old_event_that_was_left_uncounted_is_counted_though_there_is_a_limit_now(
    mongo_url: str,
) -> None:
    """An event of an earlier release is judged once, when it is written."""
    url = with_database(mongo_url)
    async with opened(url) as direct:
        async with over_wire(direct, url) as (store, wire, tokens):
            event = an_event(tokens[1])
            wire.cut_at(6, delivered=False)
            with pytest.raises(StoreUnavailableError):
                await store.usage.add([event])
        assert [event] == await direct.usage.list(UsageFilter(token_id=(tokens[1].id,)), limit=9)
        limited = msgspec.structs.replace(tokens[1], max_requests=5, revision=2)
        assert await direct.tokens.replace(limited, expected=1)
        await direct.usage.add([event])
        found = await direct.tokens.get(tokens[1].id)
        assert found is not None
        assert found.request_count == 1
