"""What a store promises about the configuration as a whole, and about batches of changes."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Sequence

import msgspec
import pymongo
import pytest
from tollkeeper_server.domain.configuration import Batch, Configuration, Deletion, Entity, Kind
from tollkeeper_server.domain.gateway import UNWRITTEN
from tollkeeper_server.domain.listener import Listener
from tollkeeper_server.domain.model import Model
from tollkeeper_server.domain.project import Project
from tollkeeper_server.domain.upstream import AuthScheme, Breaker, Provider, Upstream
from tollkeeper_server.store.ports import Store

from tests.contract.conftest import opened
from tests.contract.entities import a_gateway, a_group, a_listener, a_model, a_project, an_upstream


@pytest.fixture
async def other(store_url: str, store: Store) -> AsyncIterator[Store]:
    """The same store, as another process has it."""
    async with opened(store_url) as other:
        yield other


async def put(store: Store, *entities: Entity) -> int:
    """Write the entities as one, and returns the revision after it."""
    revision = await store.configuration.revision()
    assert await store.configuration.write(Batch(puts=entities), expected=revision)
    return await store.configuration.revision()


def stamped(upstream: Upstream, stamp: int) -> Upstream:
    """Return the upstream with something that tells one batch's from another's."""
    return msgspec.structs.replace(upstream, username=str(stamp), revision=stamp)


async def test_the_whole_is_read_as_it_was_written(store: Store, other: Store) -> None:
    """Every kind and every field, by name; one revision for all of it."""
    empty = await store.configuration.read()
    assert empty == Configuration(revision=await store.configuration.revision())
    assert empty.gateway == UNWRITTEN
    before = await store.configuration.revision()
    project, upstreams, group = a_project(), (an_upstream("a"), an_upstream("b")), a_group()
    model, listener, gateway = a_model("x*"), a_listener(), a_gateway()

    after = await put(store, listener, upstreams[1], model, gateway, project, group, upstreams[0])

    assert after == before + 1
    for reader in (store, other):
        assert await reader.configuration.read() == Configuration(
            revision=after,
            projects=(project,),
            upstreams=upstreams,
            groups=(group,),
            models=(model,),
            listeners=(listener,),
            gateways=(gateway,),
        )
    assert (await other.configuration.read()).gateway == gateway
    assert await other.configuration.get(Listener, listener.name) == listener
    assert await other.configuration.list(Project, limit=10) == [project]


async def test_more_than_a_page_is_read_whole(store: Store) -> None:
    """There is no limit to what is configured."""
    upstreams = [an_upstream(f"u{number:04}") for number in range(1_200)]
    await put(store, *upstreams)
    assert list((await store.configuration.read()).upstreams) == upstreams


async def test_a_batch_puts_replaces_and_deletes(store: Store) -> None:
    """What is put takes the place of what was there; to delete what is not there is no error."""
    await put(store, an_upstream("stays"), an_upstream("changes"), an_upstream("goes"), a_model("goes"))
    changed = stamped(an_upstream("changes"), 2)
    batch = Batch(
        puts=(changed, an_upstream("comes")),
        deletions=(Deletion(Kind.UPSTREAM, "goes"), Deletion(Kind.GROUP, "never was")),
    )

    assert await store.configuration.write(batch, expected=await store.configuration.revision())

    found = await store.configuration.read()
    assert found.upstreams == (changed, an_upstream("comes"), an_upstream("stays"))
    assert found.models == (a_model("goes"),)
    assert await store.configuration.get(Upstream, "goes") is None
    assert not await store.configuration.replace(an_upstream("goes"), expected=1)
    assert not await store.configuration.delete(Upstream, "goes", expected=1)


async def test_what_was_deleted_can_be_made_again(store: Store) -> None:
    """By itself or in a batch, however it was deleted; it is as new."""
    upstream = an_upstream("phoenix")
    for _ in range(2):
        await put(store, upstream)
        gone = Batch(deletions=(Deletion(Kind.UPSTREAM, "phoenix"),))
        assert await store.configuration.write(gone, expected=await store.configuration.revision())
        assert await store.configuration.list(Upstream, limit=10) == []
        await store.configuration.add(upstream)
        assert await store.configuration.list(Upstream, limit=10) == [upstream]
        assert await store.configuration.delete(Upstream, "phoenix", expected=1)
        assert (await store.configuration.read()).upstreams == ()


async def test_a_batch_on_an_outdated_revision_writes_nothing(store: Store, other: Store) -> None:
    """Whatever moved the revision: a batch, one entity, or a deletion."""
    batch = Batch(puts=(an_upstream("late"), a_model("late")))
    upstream = an_upstream("a")
    for number in range(3):
        outdated = await store.configuration.revision()
        if number == 0:
            await put(other, a_model("m"))
        elif number == 1:
            await other.configuration.add(upstream)
        else:
            assert await other.configuration.delete(Upstream, "a", expected=1)
        before = await other.configuration.read()

        assert not await store.configuration.write(batch, expected=outdated)

        assert await other.configuration.read() == before


async def test_of_many_batches_on_one_revision_one_is_written(store: Store, other: Store) -> None:
    """All of it, and nothing of the others; the revision moves once."""
    revision = await store.configuration.revision()
    batches = [
        Batch(puts=(stamped(an_upstream("a"), number), stamped(an_upstream("b"), number)))
        for number in range(20)
    ]

    written = await asyncio.gather(
        *(
            (store, other)[number % 2].configuration.write(batch, expected=revision)
            for number, batch in enumerate(batches)
        )
    )

    found = await store.configuration.read()
    assert [batch.puts for batch, won in zip(batches, written, strict=True) if won] == [found.upstreams]
    assert found.revision == revision + 1


async def test_readers_never_see_half_a_batch(store: Store, other: Store, store_url: str) -> None:
    """Two processes write batches all the time, each of several kinds; a third one reads meanwhile.

    Every batch counts one up from what it found: none is lost either.
    """
    names = ("a", "b", "c")
    rounds = 10

    async def write(writer: Store) -> None:
        done = 0
        while done < rounds:
            found = await writer.configuration.read()
            stamp = found.models[0].revision + 1 if found.models else 1
            batch = Batch(
                puts=(
                    *(stamped(an_upstream(name), stamp) for name in names),
                    msgspec.structs.replace(a_model("m"), revision=stamp),
                    a_group(f"g{stamp}"),
                ),
                deletions=(Deletion(Kind.GROUP, f"g{stamp - 1}"),),
            )
            done += await writer.configuration.write(batch, expected=found.revision)

    async def read(reader: Store, writers: Sequence[asyncio.Task[None]]) -> None:
        while not all(writer.done() for writer in writers):
            whole(await reader.configuration.read())

    def whole(found: Configuration) -> None:
        stamps = {upstream.revision for upstream in found.upstreams} | {m.revision for m in found.models}
        assert len(stamps) == (found.revision > 0)
        assert [group.name for group in found.groups] == [f"g{stamp}" for stamp in stamps]

    async with opened(store_url) as reader, asyncio.TaskGroup() as tasks:
        writers = [tasks.create_task(write(writer)) for writer in (store, other)]
        await read(reader, writers)
    found = await store.configuration.read()
    whole(found)
    assert found.models[0].revision == 2 * rounds


async def test_single_writes_beside_batches_are_not_lost(store: Store, other: Store) -> None:
    """One process changes single entities while another writes batches over others; all of it stays."""
    await store.configuration.add(stamped(an_upstream("single"), 1))

    async def one_by_one() -> None:
        for number in range(1, 11):
            await store.configuration.add(a_model(f"m{number}"))
            assert await store.configuration.replace(
                stamped(an_upstream("single"), number + 1), expected=number
            )
            if number % 2:
                assert await store.configuration.delete(Model, f"m{number}", expected=1)

    async def in_batches() -> None:
        number = 0
        while number < 10:
            revision = await other.configuration.revision()
            batch = Batch(puts=(a_group(f"g{number}"), a_listener(f"l{number}")))
            number += await other.configuration.write(batch, expected=revision)

    await asyncio.gather(one_by_one(), in_batches())

    found = await store.configuration.read()
    assert [upstream.revision for upstream in found.upstreams] == [11]
    assert {model.name for model in found.models} == {f"m{number}" for number in range(2, 11, 2)}
    assert (len(found.groups), len(found.listeners)) == (10, 10)
    assert found.revision == 1 + 10 + 10 + 5 + 10


async def test_a_batch_is_written_whole_without_its_caller(store_url: str) -> None:
    """Wherever the caller is cancelled: closing waits for the rest."""
    for steps in range(8):
        async with opened(store_url) as store:
            revision = await store.configuration.revision()
            batch = Batch(puts=(stamped(an_upstream("a"), steps + 1), a_model(f"m{steps}")))
            write = asyncio.ensure_future(store.configuration.write(batch, expected=revision))
            for _ in range(steps + 1):
                await asyncio.sleep(0)
            write.cancel()
            await asyncio.gather(write, return_exceptions=True)
        async with opened(store_url) as store:
            found = await store.configuration.read()
            assert found.upstreams == (stamped(an_upstream("a"), steps + 1),)
            assert len(found.models) == steps + 1


async def test_what_an_earlier_tollkeeper_wrote_is_read_and_changed(store_url: str) -> None:
    """Fields that were not there yet have their defaults; such an entity is replaced and deleted like any."""
    async with opened(store_url):
        pass
    time = "2026-03-04T12:00:00.000000+00:00"
    plain = {"revision": 1, "created_at": time, "updated_at": time, "is_active": True}
    write_raw(
        store_url, "upstream", "u", {**plain, "provider": "openai", "auth_scheme": "none", "timeouts": {}}
    )
    write_raw(store_url, "model", "m", {**plain, "aliases": [], "deployments": [{"upstream": "u"}]})

    async with opened(store_url) as store:
        upstream, model = (
            await store.configuration.get(Upstream, "u"),
            await store.configuration.get(Model, "m"),
        )
        assert upstream
        assert model
        assert (upstream.provider, upstream.auth_scheme) == (Provider.OPENAI, AuthScheme.NONE)
        assert (upstream.breaker, upstream.probe, upstream.header_operations) == (Breaker(), None, ())
        assert (model.price, model.fallbacks, model.deployments[0].weight) == (None, (), 1)
        found = await store.configuration.read()
        assert (found.upstreams, found.models) == ((upstream,), (model,))
        assert await store.configuration.replace(msgspec.structs.replace(upstream, revision=2), expected=1)
        assert await store.configuration.delete(Model, "m", expected=1)
        assert await store.configuration.get(Model, "m") is None


def write_raw(url: str, kind: str, name: str, document: dict[str, object]) -> None:
    """Write a document past the store."""
    if url.startswith("sqlite:///"):
        with sqlite3.connect(url.removeprefix("sqlite:///")) as connection:
            connection.execute(
                "INSERT INTO configuration (kind, key, revision, is_active, document) VALUES (?, ?, 1, 1, ?)",
                (kind, name, json.dumps({"name": name, **document})),
            )
        connection.close()
        return
    with pymongo.MongoClient[dict[str, object]](url) as client:
        client.get_default_database()[f"{kind}s"].insert_one({"_id": name, **document})
