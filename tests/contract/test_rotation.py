"""Every secret of a store is sealed again under the first key, whatever happens meanwhile."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import msgspec
import pytest
from tollkeeper_server.domain.configuration import Entity, key_of
from tollkeeper_server.domain.project import Project
from tollkeeper_server.domain.upstream import Upstream
from tollkeeper_server.process.errors import RunError
from tollkeeper_server.process.keys import load_digest_key
from tollkeeper_server.process.rotation import Rotated, rotate
from tollkeeper_server.store.ports import ConfigurationStore, Store
from tollkeeper_server.store.sealed import FIELDS, Sealer, new_key, upstream_api_key

from tests.contract.entities import a_group, a_listener, a_model, a_project, an_upstream

OLD, NEW = new_key(), new_key()
BOTH = Sealer(f"{NEW},{OLD}")
PLACES: list[tuple[type[Entity], str]] = [(kind, field) for kind in FIELDS for field in FIELDS[kind]]


def sealed(entity: Entity, sealer: Sealer) -> Entity:
    """Return an entity whose secrets say where they stand."""
    fields = {
        field: sealer.seal(f"{key_of(entity)} {field}", context(key_of(entity)))
        for field, context in FIELDS[type(entity)].items()
    }
    return msgspec.structs.replace(entity, **fields)


async def fill(store: Store) -> tuple[bytes, list[Entity]]:
    """Put secrets of every kind into a store, and entities without; return the digest key and the former."""
    sealer = Sealer(OLD)
    digest_key = await load_digest_key(store.secrets, sealer)
    entities = [sealed(it, sealer) for it in (a_project(), an_upstream("one"), an_upstream("two"))]
    bare = msgspec.structs.replace(an_upstream("bare"), api_key=None, proxy_url=None, client_key=None)
    for entity in (*entities, bare, a_group(), a_model(), a_listener()):
        await store.configuration.add(entity)
    return digest_key, entities


async def assert_opens(store: Store, sealer: Sealer, digest_key: bytes, entities: Sequence[Entity]) -> None:
    """Hold a store to have every secret, each sealed so that this sealer opens it."""
    assert await load_digest_key(store.secrets, sealer) == digest_key
    for before in entities:
        found = await store.configuration.get(type(before), key_of(before))
        for field, context in FIELDS[type(before)].items():
            assert sealer.open(getattr(found, field), context(key_of(before))) == f"{key_of(before)} {field}"


TOTAL = 1 + 1 + 2 * 3


async def test_afterwards_the_new_key_is_enough(store: Store) -> None:
    digest_key, entities = await fill(store)
    assert await rotate(store, BOTH) == Rotated(total=TOTAL, resealed=TOTAL)
    await assert_opens(store, Sealer(NEW), digest_key, entities)


async def test_nothing_but_the_sealing_and_the_revision_changes(store: Store) -> None:
    _, entities = await fill(store)
    before = await store.configuration.read()
    await rotate(store, BOTH)
    after = await store.configuration.read()
    for kind in ("groups", "models", "listeners"):
        assert getattr(after, kind) == getattr(before, kind)
    secret = {key_of(it) for it in entities}
    then: list[Entity] = [*before.projects, *before.upstreams]
    there: list[Entity] = [*after.projects, *after.upstreams]
    for was, now in zip(then, there, strict=True):
        moved = msgspec.structs.replace(now, **{it: getattr(was, it) for it in FIELDS[type(was)]})
        assert moved == msgspec.structs.replace(was, revision=was.revision + (key_of(was) in secret))


async def test_a_second_time_changes_nothing(store: Store) -> None:
    await fill(store)
    await rotate(store, BOTH)
    revision = await store.configuration.revision()
    assert await rotate(store, BOTH) == Rotated(total=TOTAL, resealed=0)
    assert await store.configuration.revision() == revision


async def test_an_empty_store_has_nothing_to_seal(store: Store) -> None:
    assert await rotate(store, BOTH) == Rotated(total=0, resealed=0)


async def test_a_secret_that_no_key_opens_is_named_and_nothing_is_changed(store: Store) -> None:
    await fill(store)
    lost, name = Sealer(new_key()), "lost"
    await store.configuration.add(
        msgspec.structs.replace(
            an_upstream(name),
            api_key=lost.seal("sk-canary", upstream_api_key(name)),
            proxy_url=None,
            client_key=None,
        )
    )
    await store.configuration.add(
        msgspec.structs.replace(a_project(), api_key=BOTH.seal("x", upstream_api_key("y")))
    )
    before = await store.configuration.read()
    digest_key = await store.secrets.find("digest_key")
    with pytest.raises(RunError) as refused:
        await rotate(store, BOTH)
    message = str(refused.value)
    assert f"the api_key of upstream lost: a stored secret was sealed with key {lost.key_id}" in message
    assert "the api_key of project prj_" in message
    assert "canary" not in message
    assert await store.configuration.read() == before
    assert await store.secrets.find("digest_key") == digest_key


@dataclass
class Interrupted:
    """A configuration that does something before each replacement."""

    store: ConfigurationStore
    before: Callable[[Entity], Awaitable[None]]

    async def replace(self, entity: Entity, *, expected: int) -> bool:
        await self.before(entity)
        return await self.store.replace(entity, expected=expected)

    async def read(self) -> object:
        return await self.store.read()


@dataclass
class Part:
    """A store with that configuration."""

    configuration: Interrupted
    secrets: object


def interrupted(store: Store, before: Callable[[Entity], Awaitable[None]]) -> Store:
    return Part(Interrupted(store.configuration, before), store.secrets)  # type: ignore[return-value]


@pytest.mark.parametrize("places", range(3))
async def test_one_that_is_broken_off_is_completed_by_the_next(store: Store, places: int) -> None:
    """After so many entities."""
    digest_key, entities = await fill(store)
    seen: list[Entity] = []

    async def stop(entity: Entity) -> None:
        if len(seen) == places:
            raise ConnectionAbortedError
        seen.append(entity)

    with pytest.raises(ConnectionAbortedError):
        await rotate(interrupted(store, stop), BOTH)
    await assert_opens(store, BOTH, digest_key, entities)
    done = await rotate(store, BOTH)
    assert (done.total, done.resealed < TOTAL) == (TOTAL, True)
    await assert_opens(store, Sealer(NEW), digest_key, entities)


@pytest.mark.parametrize("edit", ["another field", "a new secret", "deleted"])
async def test_an_edit_in_between_is_kept(store: Store, edit: str) -> None:
    """Also one that is made by a process that still seals with the old key."""
    digest_key, entities = await fill(store)
    done: set[str] = set()

    async def meanwhile(entity: Entity) -> None:
        if not isinstance(entity, Upstream) or entity.name in done:
            return
        done.add(entity.name)
        current = await store.configuration.get(Upstream, entity.name)
        assert current is not None
        changed = msgspec.structs.replace(current, organization="edited", revision=current.revision + 1)
        if edit == "deleted":
            assert await store.configuration.delete(Upstream, entity.name, expected=current.revision)
            return
        if edit == "a new secret":
            key = Sealer(OLD).seal("sk-new", upstream_api_key(entity.name))
            changed = msgspec.structs.replace(changed, api_key=key)
        assert await store.configuration.replace(changed, expected=current.revision)

    await rotate(interrupted(store, meanwhile), BOTH)
    assert done == {"one", "two"}
    project = [it for it in entities if isinstance(it, Project)]
    await assert_opens(store, Sealer(NEW), digest_key, project)
    for name in done:
        found = await store.configuration.get(Upstream, name)
        if edit == "deleted":
            assert found is None
            continue
        assert found is not None
        assert found.organization == "edited"
        opened = Sealer(NEW).open(str(found.api_key), upstream_api_key(name))
        assert opened == ("sk-new" if edit == "a new secret" else f"{name} api_key")


async def test_an_edit_that_read_the_old_secrets_can_not_bring_them_back(store: Store) -> None:
    await fill(store)
    before = await store.configuration.get(Upstream, "one")
    assert before is not None
    await rotate(store, BOTH)
    late = msgspec.structs.replace(before, organization="late", revision=before.revision + 1)
    assert not await store.configuration.replace(late, expected=before.revision)


async def test_two_at_the_same_time_do_no_harm(store: Store) -> None:
    digest_key, entities = await fill(store)
    done = await asyncio.gather(*(rotate(store, BOTH) for _ in range(3)))
    assert {it.total for it in done} == {TOTAL}
    assert sum(it.resealed for it in done) == TOTAL
    await assert_opens(store, Sealer(NEW), digest_key, entities)


async def test_it_ends_though_others_go_on_sealing_with_another_key(store: Store) -> None:
    await fill(store)

    async def undo(entity: Entity) -> None:
        if isinstance(entity, Upstream):
            current = await store.configuration.get(Upstream, entity.name)
            assert current is not None
            changed = msgspec.structs.replace(current, revision=current.revision + 1)
            assert await store.configuration.replace(changed, expected=current.revision)

    with pytest.raises(RunError, match="give every process the same first key"):
        await rotate(interrupted(store, undo), BOTH)
