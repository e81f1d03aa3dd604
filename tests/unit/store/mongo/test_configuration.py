"""Batches in MongoDB, whatever happens between their steps."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

import msgspec
import pymongo
import pytest
from tollkeeper_server.domain.configuration import Batch, Configuration, Deletion, Kind
from tollkeeper_server.domain.revision import RevisionFilter
from tollkeeper_server.domain.traffic import Group
from tollkeeper_server.domain.upstream import Upstream
from tollkeeper_server.errors import Reason, StoreUnavailableError, TollkeeperError
from tollkeeper_server.store.mongo.configuration import MARKS_KEPT
from tollkeeper_server.store.mongo.store import MongoStore

from tests.contract.entities import a_group, a_listener, a_model, an_upstream, entities_in, unsealed
from tests.servers.mongo import with_database
from tests.servers.mongo_wire import MongoWire, wire_to

pytestmark = pytest.mark.mongo

BEFORE = a_model("changes")
AFTER = msgspec.structs.replace(BEFORE, revision=2)
OLD = Batch(puts=(an_upstream("stays"), an_upstream("goes"), BEFORE))
NEW = Batch(
    puts=(AFTER, an_upstream("comes"), a_group("comes")),
    deletions=(Deletion(Kind.UPSTREAM, "goes"),),
)
Look = Callable[[MongoStore], Awaitable[object]]


@asynccontextmanager
async def opened(url: str, *, marks_kept: timedelta = MARKS_KEPT) -> AsyncIterator[MongoStore]:
    """The store of that URL, open."""
    store = MongoStore(url, marks_kept=marks_kept)
    await store.open()
    try:
        yield store
    finally:
        await store.close()


@asynccontextmanager
async def begun(url: str) -> AsyncIterator[tuple[MongoStore, MongoStore, MongoWire, int]]:
    """A store with OLD in it, twice: directly and over a wire; and its revision."""
    database = with_database(url)
    async with opened(database) as direct, wire_to(database) as wire, opened(wire.url) as store:
        assert await direct.configuration.write(OLD, expected=0)
        assert await store.configuration.revision() == 1
        yield direct, store, wire, 1


def is_old(found: Configuration) -> bool:
    """Whether it is OLD, all of it; if not, it must be NEW, all of it."""
    if {upstream.name for upstream in found.upstreams} == {"stays", "goes"}:
        assert found == Configuration(
            revision=found.revision,
            upstreams=(an_upstream("goes"), an_upstream("stays")),
            models=(BEFORE,),
        )
        return True
    assert found == Configuration(
        revision=found.revision,
        upstreams=(an_upstream("comes"), an_upstream("stays")),
        models=(AFTER,),
        groups=(a_group("comes"),),
    )
    return False


async def has_whole_history(store: MongoStore) -> None:
    """Every revision is in the history once, and the differences are those that were written."""
    present = await store.configuration.revision()
    listed = await store.revisions.list(RevisionFilter(), before=None, limit=99)
    assert [it.number for it in listed] == [*range(present, 0, -1)]
    assert await store.revisions.oldest() == 0
    found = await store.revisions.differences(after=0, until=present, limit=99)
    assert found is not None
    current = entities_in(await store.configuration.read())
    assert {(it.kind, it.id): it.after for it in found} == {at: unsealed(it) for at, it in current.items()}


@pytest.mark.parametrize("delivered", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(
    "look",
    [
        lambda store: store.configuration.read(),
        lambda store: store.configuration.revision(),
        lambda store: store.configuration.add(a_listener()),
    ],
    ids=["reader", "poller", "writer"],
)
async def test_a_writer_that_dies_at_any_command_leaves_all_or_nothing(
    mongo_url: str, look: Look, delivered: bool
) -> None:
    """Whoever comes next, to read or to write, leaves it whole; nothing stays in the way."""
    outcomes = []
    for number in range(1, 100):
        async with begun(mongo_url) as (direct, store, wire, revision):
            wire.cut_at(number, delivered=delivered)
            try:
                await store.configuration.write(NEW, expected=revision)
                break
            except StoreUnavailableError:
                await look(direct)
            is_new = await direct.configuration.get(Group, "comes") is not None
            found = await direct.configuration.read()
            assert is_old(msgspec.structs.replace(found, listeners=())) is not is_new
            assert found.revision == revision + is_new + len(found.listeners)
            await has_whole_history(direct)
            assert await direct.configuration.write(OLD, expected=found.revision)
            outcomes.append(is_new)
    assert outcomes == sorted(outcomes)
    assert set(outcomes) == {False, True}


async def test_a_writer_that_sleeps_at_any_command_overwrites_nothing(mongo_url: str) -> None:
    """Others complete its batch and go on; when it wakes up it changes nothing that they did."""
    completed = []
    for number in range(1, 100):
        async with begun(mongo_url) as (direct, store, wire, revision):
            wire.hold_at(number)
            write = asyncio.ensure_future(store.configuration.write(NEW, expected=revision))
            if not await wire.comes_to_hold(write):
                break
            completed.append(not is_old(await direct.configuration.read()))
            if completed[-1]:
                assert await direct.configuration.delete(Upstream, "comes", expected=1)
                assert await direct.configuration.delete(Group, "comes", expected=1)
                await direct.configuration.add(an_upstream("goes"))
                newer = msgspec.structs.replace(a_model("changes"), revision=3)
                assert await direct.configuration.replace(newer, expected=2)
            else:
                await direct.configuration.add(a_listener())
            before = await direct.configuration.read()

            wire.release.set()

            assert await write is completed[-1]
            assert await direct.configuration.read() == before
            await has_whole_history(direct)
    assert completed == sorted(completed)
    assert set(completed) == {False, True}


async def test_a_single_write_that_sleeps_at_any_command_is_made_or_refused(mongo_url: str) -> None:
    """A batch that comes in between neither is lost nor loses it: one of the two was first."""
    outcomes = set()
    newer = msgspec.structs.replace(an_upstream("goes"), revision=2)
    for number in range(1, 100):
        async with begun(mongo_url) as (direct, store, wire, revision):
            wire.hold_at(number)
            write = asyncio.ensure_future(store.configuration.replace(newer, expected=1))
            if not await wire.comes_to_hold(write):
                break
            await direct.configuration.write(NEW, expected=await direct.configuration.revision())
            was_first = await direct.configuration.revision() == revision + 2

            wire.release.set()

            assert await write is was_first
            assert not is_old(await direct.configuration.read())
            await has_whole_history(direct)
            outcomes.add(was_first)
    assert outcomes == {False, True}


async def test_a_reader_that_sleeps_at_any_command_sees_all_or_nothing(mongo_url: str) -> None:
    """A batch that is written meanwhile is seen whole, or not at all."""
    seen = set()
    for number in range(1, 100):
        async with begun(mongo_url) as (direct, store, wire, revision):
            wire.hold_at(number)
            read = asyncio.ensure_future(store.configuration.read())
            if not await wire.comes_to_hold(read):
                break
            assert await direct.configuration.write(NEW, expected=revision)

            wire.release.set()

            found = await read
            seen.add(is_old(found))
            assert is_old(found) is (found.revision == revision)
    assert False in seen


async def test_what_is_too_large_is_refused_before_it_is_begun(mongo_url: str) -> None:
    """Nothing stays open that could never be completed; just below the limit the server takes it."""
    async with opened(mongo_url) as store:
        upstreams = tuple(
            msgspec.structs.replace(an_upstream(f"u{number}"), ca_certificates="x" * 1_900_000)
            for number in range(8)
        )
        assert await store.configuration.write(Batch(puts=upstreams), expected=0)
        with pytest.raises(TollkeeperError, match="make them in parts") as refusal:
            await store.configuration.write(
                Batch(puts=(*upstreams, msgspec.structs.replace(upstreams[0], name="u9"))), expected=1
            )
        assert refusal.value.reason is Reason.INVALID_ARGUMENT
        found = await store.configuration.read()
        assert (found.revision, found.upstreams) == (1, upstreams)


async def test_marks_of_what_was_deleted_go_in_time(mongo_url: str) -> None:
    """Opening the store removes the old ones, and those alone."""
    async with opened(mongo_url) as store:
        await store.configuration.add(an_upstream("gone"))
        await store.configuration.add(an_upstream("stays"))
        assert await store.configuration.delete(Upstream, "gone", expected=1)
    for kept, ids in (
        (MARKS_KEPT, ["gone", "stays"]),
        (-MARKS_KEPT, ["stays"]),
    ):
        async with opened(mongo_url, marks_kept=kept):
            pass
        with pymongo.MongoClient[dict[str, object]](mongo_url) as client:
            found = client.get_default_database()["upstreams"].find({}).sort("_id", 1)
            assert [document["_id"] for document in found] == ids
