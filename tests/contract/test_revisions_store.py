"""What a store promises about the history of the configuration."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tollkeeper_server.domain.author import Author, Door, acting
from tollkeeper_server.domain.configuration import KINDS, Batch, Deletion, Entity, Kind
from tollkeeper_server.domain.model import Model
from tollkeeper_server.domain.revision import (
    MOST_DETAILED,
    MOST_NAMED,
    Action,
    Bounds,
    Difference,
    EntityChange,
    Revision,
    RevisionFilter,
)
from tollkeeper_server.domain.upstream import HeaderAction, HeaderOperation, Upstream
from tollkeeper_server.store.history import PRUNED_EVERY
from tollkeeper_server.store.mongo.store import MongoStore
from tollkeeper_server.store.ports import Store
from tollkeeper_server.store.sqlite.store import SqliteStore

from tests.contract.conftest import FreshStore, opened
from tests.contract.entities import (
    MAKERS,
    a_group,
    a_model,
    a_project,
    an_upstream,
    entities_in,
    unsealed,
)

ALL = RevisionFilter()
ADMIN = Author(
    door=Door.REST,
    method="UpdateUpstream",
    caller="management token",
    source="192.0.2.1",
    request_id="req-1",
)


@pytest.fixture
async def other(store_url: str, store: Store) -> AsyncIterator[Store]:
    """The same store, as another process has it."""
    async with opened(store_url) as other:
        yield other


async def write(store: Store, *puts: Entity, deletions: tuple[Deletion, ...] = ()) -> None:
    batch = Batch(puts=puts, deletions=deletions)
    assert await store.configuration.write(batch, expected=await store.configuration.revision())


async def history(store: Store, where: RevisionFilter = ALL) -> list[Revision]:
    return await store.revisions.list(where, before=None, limit=1_000)


async def differences(store: Store, after: int, until: int) -> list[Difference]:
    found = await store.revisions.differences(after=after, until=until, limit=1_000)
    assert found is not None
    return list(found)


def named(revision: Revision) -> list[str]:
    return [f"{it.action} {it.kind} {it.id}" for it in revision.changes]


async def test_every_write_is_a_revision_that_says_who_and_what(store: Store, other: Store) -> None:
    began = datetime.now(UTC)
    upstream, project = an_upstream("a"), a_project("Search")
    with acting(ADMIN):
        await store.configuration.add(upstream)
        assert await store.configuration.replace(msgspec.structs.replace(upstream, revision=2), expected=1)
        assert await store.configuration.delete(Upstream, "a", expected=2)
    await write(store, project, a_model("m"), deletions=(Deletion(Kind.GROUP, "never was"),))
    renamed = msgspec.structs.replace(project, name="Find", revision=2)
    await write(store, renamed, deletions=(Deletion(Kind.MODEL, "m"),))

    for reader in (store, other):
        found = await history(reader)
        assert [it.number for it in found] == [5, 4, 3, 2, 1]
        assert [named(it) for it in found] == [
            [f"update project {project.id}", "delete model m"],
            [f"create project {project.id}", "create model m"],
            ["delete upstream a"],
            ["update upstream a"],
            ["create upstream a"],
        ]
        assert [(it.created, it.updated, it.deleted) for it in found[:3]] == [(0, 1, 1), (2, 0, 0), (0, 0, 1)]
        assert [it.author for it in found] == [Author(), Author(), ADMIN, ADMIN, ADMIN]
        assert found[0].changes[0].name == "Find"
        assert all(began <= it.created_at <= datetime.now(UTC) for it in found)


async def test_what_is_not_written_is_no_revision(store: Store) -> None:
    await store.configuration.add(an_upstream("a"))

    assert not await store.configuration.replace(an_upstream("a"), expected=7)
    assert not await store.configuration.replace(an_upstream("b"), expected=1)
    assert not await store.configuration.delete(Upstream, "a", expected=7)
    assert not await store.configuration.write(Batch(puts=(a_model(),)), expected=7)
    with suppress(Exception):
        await store.configuration.add(an_upstream("a"))

    assert [it.number for it in await history(store)] == [1]
    assert await store.configuration.revision() == 1


async def test_pages_and_filters(store: Store) -> None:
    await store.configuration.add(an_upstream("a"))
    await store.configuration.add(a_model("a"))
    await write(store, an_upstream("b"), a_group("g"))
    assert await store.configuration.delete(Upstream, "a", expected=1)

    assert [it.number for it in await store.revisions.list(ALL, before=None, limit=3)] == [4, 3, 2]
    assert [it.number for it in await store.revisions.list(ALL, before=2, limit=3)] == [1]
    of_kind = await history(store, RevisionFilter(kind=Kind.UPSTREAM))
    assert [(it.number, named(it)) for it in of_kind] == [
        (4, ["delete upstream a"]),
        (3, ["create upstream b"]),
        (1, ["create upstream a"]),
    ]
    assert (of_kind[1].created, of_kind[1].deleted) == (2, 0), "the counts are of all of it"
    of_one = RevisionFilter(kind=Kind.UPSTREAM, id="a")
    assert [(it.number, named(it)) for it in await history(store, of_one)] == [
        (4, ["delete upstream a"]),
        (1, ["create upstream a"]),
    ]
    assert [it.number for it in await store.revisions.list(of_one, before=4, limit=1)] == [1]
    assert await history(store, RevisionFilter(kind=Kind.LISTENER)) == []
    assert await history(store, RevisionFilter(kind=Kind.GROUP, id="a")) == []


async def test_differences_join_what_happened_in_between(store: Store) -> None:
    """By kind and id; what was made and is gone again is none."""
    upstream = an_upstream("a")
    await store.configuration.add(upstream)
    await store.configuration.add(a_model("passing"))
    again = msgspec.structs.replace(upstream, username="else", api_key="enc:v1:k:t", revision=2)
    assert await store.configuration.replace(again, expected=1)
    assert await store.configuration.delete(Model, "passing", expected=1)
    await write(store, a_group("g"), deletions=(Deletion(Kind.UPSTREAM, "a"),))

    found = await differences(store, 1, 4)
    assert [(it.kind, it.id, it.action, it.secrets) for it in found] == [
        (Kind.UPSTREAM, "a", Action.UPDATE, frozenset({"api_key"}))
    ]
    assert (found[0].before, found[0].after) == (unsealed(upstream), unsealed(again))
    found = await differences(store, 3, 5)
    assert [(it.kind, it.id, it.action) for it in found] == [
        (Kind.GROUP, "g", Action.CREATE),
        (Kind.MODEL, "passing", Action.DELETE),
        (Kind.UPSTREAM, "a", Action.DELETE),
    ]
    assert await differences(store, 5, 5) == []
    first = await store.revisions.differences(after=3, until=5, limit=1)
    assert first is not None
    assert [it.id for it in first] == ["g"]
    rest = await store.revisions.differences(after=3, until=5, behind=(Kind.GROUP, "g"), limit=9)
    assert rest is not None
    assert [it.id for it in rest] == ["passing", "a"]


async def test_the_history_has_no_sealed_secret(store: Store) -> None:
    upstream, project = an_upstream("a"), a_project()
    await write(store, upstream, project)
    await store.configuration.replace(msgspec.structs.replace(upstream, api_key=None, revision=2), expected=1)

    (changed,) = found = await differences(store, 1, 2)
    assert "enc:v1" not in repr([await history(store), found, await differences(store, 0, 2)])
    assert changed.secrets == {"api_key"}


async def test_the_history_has_no_value_of_a_header(store: Store, other: Store) -> None:
    def with_team(value: str, revision: int) -> Upstream:
        operation = HeaderOperation(action=HeaderAction.REPLACE, name="X-Team", value=value)
        return msgspec.structs.replace(an_upstream("a"), header_operations=(operation,), revision=revision)

    await store.configuration.add(with_team("canary-1", 1))
    assert await store.configuration.replace(with_team("canary-2", 2), expected=1)
    assert await other.configuration.replace(an_upstream("a"), expected=2)

    (changed,) = await differences(store, 1, 2)
    assert changed.secrets == {"header_operations"}
    found = [await differences(store, at, until) for until in (1, 2, 3) for at in range(until)]
    assert "X-Team" in repr(found)
    assert "canary" not in repr([found, await history(store)])


async def test_a_rotation_changes_no_secret(store: Store) -> None:
    upstream = an_upstream("a")
    await store.configuration.add(upstream)
    with acting(Author(door=Door.ROTATION)):
        sealed = msgspec.structs.replace(upstream, api_key="enc:v1:l:s", revision=2)
        assert await store.configuration.replace(sealed, expected=1)

    (changed,) = await differences(store, 1, 2)
    assert changed.secrets == frozenset()
    assert (await history(store))[0].author.door is Door.ROTATION


async def test_of_very_many_changes_some_are_kept_whole_and_all_are_known(store: Store) -> None:
    count = MOST_DETAILED + 10
    names = [f"m{number:04}" for number in range(count)]
    await write(store, *map(a_model, names))
    last = a_model(names[-1])
    changed = msgspec.structs.replace(last, group="else", revision=2)
    assert await store.configuration.replace(changed, expected=1)
    assert await store.configuration.delete(Model, names[-2], expected=1)

    first = (await history(store))[-1]
    assert (first.created, [it.id for it in first.changes]) == (count, names[:MOST_NAMED])
    found = await differences(store, 0, 1)
    assert [it.id for it in found] == names
    assert [it.id for it in found if it.is_detailed] == names[:MOST_DETAILED]
    assert {(it.before, it.after, it.action) for it in found[MOST_DETAILED:]} == {(None, None, Action.CREATE)}
    # What it was is known where a revision with few changes comes first, what it became where one comes last.
    assert [(it.before, it.after) for it in await differences(store, 1, 2)] == [(last, changed)]
    assert [it.after for it in await differences(store, 0, 3) if it.id == names[-1]] == [changed]
    assert names[-2] not in {it.id for it in await differences(store, 0, 3)}
    of_last = await history(store, RevisionFilter(kind=Kind.MODEL, id=names[-1]))
    change = EntityChange(kind=Kind.MODEL, id=names[-1], name=names[-1], action=Action.CREATE)
    assert [it.number for it in of_last] == [2, 1]
    assert of_last[1].changes == (change,)


async def test_a_very_large_entity_is_known_by_name(store: Store) -> None:
    large = msgspec.structs.replace(an_upstream("large"), ca_certificates="x" * 5_000_000)
    await write(store, large, an_upstream("small"))

    found = {it.id: it.is_detailed for it in await differences(store, 0, 1)}
    assert found == {"large": False, "small": True}


@pytest.mark.parametrize(
    ("bounds", "kept"),
    [
        (Bounds(), [6, 5, 4, 3, 2, 1]),
        (Bounds(revisions=2), [6, 5]),
        (Bounds(changes=5), [6, 5, 4, 3]),
        (Bounds(changes=1), [6]),
        (Bounds(age=timedelta(days=-1)), [6]),
        (Bounds(revisions=0, changes=0), [6]),
    ],
    ids=["usual", "revisions", "changes", "the latest stays", "age", "nothing"],
)
async def test_old_revisions_are_pruned(store: Store, bounds: Bounds, kept: list[int]) -> None:
    await store.configuration.add(an_upstream("a"))
    await write(store, a_model("x"), a_model("y"))
    for name in "bcde":
        await store.configuration.add(an_upstream(name))
    assert await store.revisions.oldest() == 0

    await store.revisions.prune(bounds)

    assert [it.number for it in await history(store)] == kept
    oldest = kept[-1] - 1
    assert await store.revisions.oldest() == oldest
    assert await store.revisions.differences(after=oldest - 1, until=6, limit=9) is None
    assert [it.id for it in await differences(store, 5, 6)] == ["e"]
    assert await store.revisions.differences(after=6, until=7, limit=9) is None


async def test_the_history_is_pruned_by_itself(store_url: str) -> None:
    """Not at each revision, but soon."""
    bounds = Bounds(revisions=3)
    if store_url.startswith("sqlite"):
        store: Store = SqliteStore(Path(store_url.removeprefix("sqlite:///")), history=bounds)
    else:
        store = MongoStore(store_url, history=bounds)
    await store.open()
    for number in range(PRUNED_EVERY):
        await store.configuration.add(a_group(f"g{number}"))
    latest = await store.configuration.revision()
    assert [it.number for it in await history(store)] == [latest, latest - 1, latest - 2]
    await store.close()


async def test_writers_of_several_processes_leave_no_gap(store: Store, other: Store) -> None:
    async def one_by_one(writer: Store, name: str) -> None:
        with acting(Author(method=name)):
            for number in range(10):
                await writer.configuration.add(a_model(f"{name}{number}"))

    async def in_batches(writer: Store) -> None:
        done = 0
        while done < 10:
            batch = Batch(puts=(a_group(f"g{done}"), an_upstream(f"u{done}")))
            done += await writer.configuration.write(batch, expected=await writer.configuration.revision())

    await asyncio.gather(one_by_one(store, "a"), one_by_one(other, "b"), in_batches(store), in_batches(other))

    found = await history(store)
    assert [it.number for it in found] == [*range(40, 0, -1)]
    for it in found:
        assert it.author.method == (it.changes[0].id[0] if it.changes[0].kind is Kind.MODEL else "")
    assert await other.revisions.oldest() == 0


KEYS = st.sampled_from("ab")
TYPES = st.sampled_from([*MAKERS])
WRITES = st.lists(
    st.lists(
        st.tuples(TYPES, KEYS, st.integers(0, 3)), min_size=1, max_size=4, unique_by=lambda it: (it[0], it[1])
    ),
    min_size=1,
    max_size=8,
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(writes=WRITES, data=st.data())
async def test_differences_are_those_of_what_was_read(
    fresh_store: FreshStore, writes: list[list[tuple[type[Entity], str, int]]], data: st.DataObject
) -> None:
    """Whatever is written, between any two revisions: the entities that differ, as they were and became."""
    async with fresh_store() as store:
        states = [await store.configuration.read()]
        for number, changes in enumerate(writes, start=1):
            puts = tuple(
                msgspec.structs.replace(MAKERS[kind](key), revision=number)
                for kind, key, choice in changes
                if choice
            )
            gone = tuple(Deletion(KINDS[kind], key) for kind, key, choice in changes if not choice)
            await write(store, *puts, deletions=gone)
            states.append(await store.configuration.read())
        after = data.draw(st.integers(0, len(writes)))
        until = data.draw(st.integers(after, len(writes)))

        found = {
            (it.kind, it.id): (it.before, it.after)
            for it in await differences(store, after, until)
            if it.before != it.after
        }

        before, then = entities_in(states[after]), entities_in(states[until])
        assert found == {
            place: (unsealed(before.get(place)), unsealed(then.get(place)))
            for place in before.keys() | then.keys()
            if before.get(place) != then.get(place)
        }
