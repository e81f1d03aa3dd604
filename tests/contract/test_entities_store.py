"""What a store promises about the entities of the configuration, one by one: alike for every kind."""

import asyncio
from operator import attrgetter

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tollkeeper_server.domain.configuration import KINDS, Entity, key_of
from tollkeeper_server.domain.listing import EntityFilter, Page, Place
from tollkeeper_server.domain.project import Project
from tollkeeper_server.domain.upstream import Upstream
from tollkeeper_server.errors import Reason, TollkeeperError
from tollkeeper_server.store.ports import Store

from tests.contract.conftest import FreshStore
from tests.contract.entities import LATER, MAKERS, a_project, an_entity

CAN_BE_INACTIVE = [kind for kind in MAKERS if "is_active" in kind.__struct_fields__]


@pytest.fixture(params=MAKERS, ids=attrgetter("__name__"))
def kind(request: pytest.FixtureRequest) -> type[Entity]:
    """Each kind of entity in turn."""
    kind: type[Entity] = request.param
    return kind


def test_every_kind_is_tried() -> None:
    assert MAKERS.keys() == KINDS.keys()


def test_every_field_is_tried(kind: type[Entity]) -> None:
    """No field is at its default: a store that forgets it would not be noticed."""
    # Of a project either `is_active` or `deactivated_at` is at its default; both are tried below.
    expected = ["is_active", "deactivated_at", "revision"] if kind is Project else ["revision"]
    assert defaults_in(an_entity(kind, "whole")) == expected


def defaults_in(entity: msgspec.Struct) -> list[str]:
    """Return the fields that are as they would be if they were not given."""
    fields = msgspec.structs.fields(entity)
    return [field.name for field in fields if getattr(entity, field.name) == field.default]


async def test_it_is_read_as_it_was_written(store: Store, kind: type[Entity]) -> None:
    """Nothing is lost."""
    entity = an_entity(kind, "meta/llama-3.1:8b*")
    await store.configuration.add(entity)

    assert entity == await store.configuration.get(kind, "meta/llama-3.1:8b*")
    assert [entity] == await store.configuration.list(kind, limit=10)
    assert await store.configuration.get(kind, "meta") is None


async def test_projects_are_read_as_they_were_written(store: Store) -> None:
    """Nothing is lost, down to the microsecond and to None."""
    for project in (a_project("Größe 🚀"), a_project(is_active=False)):
        await store.configuration.add(project)
        assert project == await store.configuration.get(Project, project.id)


async def test_a_key_is_taken_once(store: Store, kind: type[Entity]) -> None:
    """Of twenty that add one key at the same time, one does; the others are told that it exists."""
    outcomes = await asyncio.gather(
        *(store.configuration.add(an_entity(kind, "same")) for _ in range(20)), return_exceptions=True
    )

    refusals = [outcome for outcome in outcomes if isinstance(outcome, TollkeeperError)]
    assert [refusal.reason for refusal in refusals] == [Reason.ALREADY_EXISTS] * 19
    assert outcomes.count(None) == 1


async def test_a_refused_entity_changes_nothing(store: Store, kind: type[Entity]) -> None:
    """The one that has the key stays as it is, and the configuration's revision with it."""
    entity = an_entity(kind, "same")
    await store.configuration.add(entity)
    revision = await store.configuration.revision()

    with pytest.raises(TollkeeperError) as refusal:
        await store.configuration.add(msgspec.structs.replace(entity, created_at=LATER))

    assert refusal.value.reason is Reason.ALREADY_EXISTS
    assert entity == await store.configuration.get(kind, "same")
    assert revision == await store.configuration.revision()


async def test_kinds_do_not_share_keys(store: Store) -> None:
    """One of each may have one name."""
    for kind in MAKERS:
        await store.configuration.add(an_entity(kind, "same"))
    assert await store.configuration.delete(Upstream, "same", expected=1)
    found = {kind: await store.configuration.get(kind, "same") for kind in MAKERS}
    assert found == {kind: an_entity(kind, "same") if kind is not Upstream else None for kind in MAKERS}


async def test_one_of_fifty_concurrent_edits_wins(store: Store, kind: type[Entity]) -> None:
    """Optimistic concurrency: of all edits of one revision exactly one is written."""
    entity = an_entity(kind, "edited")
    await store.configuration.add(entity)
    edits = [
        msgspec.structs.replace(entity, updated_at=LATER.replace(microsecond=number), revision=2)
        for number in range(50)
    ]

    written = await asyncio.gather(*(store.configuration.replace(edit, expected=1) for edit in edits))

    winners = [edit for edit, won in zip(edits, written, strict=True) if won]
    assert [await store.configuration.get(kind, "edited")] == winners


async def test_replacing_what_is_not_there_writes_nothing(store: Store, kind: type[Entity]) -> None:
    """An entity that is not there, or of another revision, is neither made nor changed."""
    entity = an_entity(kind, "absent")
    assert not await store.configuration.replace(entity, expected=1)
    assert await store.configuration.get(kind, "absent") is None

    await store.configuration.add(entity)
    assert not await store.configuration.replace(
        msgspec.structs.replace(entity, updated_at=LATER, revision=3), expected=2
    )
    assert entity == await store.configuration.get(kind, "absent")


async def test_only_the_expected_revision_is_deleted(store: Store, kind: type[Entity]) -> None:
    """A deletion that comes too late deletes nothing; a key is free again after it."""
    entity = an_entity(kind, "gone")
    await store.configuration.add(entity)

    assert not await store.configuration.delete(kind, "gone", expected=2)
    assert entity == await store.configuration.get(kind, "gone")
    assert await store.configuration.delete(kind, "gone", expected=1)
    assert await store.configuration.get(kind, "gone") is None
    assert not await store.configuration.delete(kind, "gone", expected=1)
    await store.configuration.add(entity)


async def test_the_configuration_revision_grows_with_each_write(store: Store, kind: type[Entity]) -> None:
    """Adding, editing and deleting move it; reads, and writes that did not happen, do not."""
    entity = an_entity(kind, "moves")
    edit = msgspec.structs.replace(entity, revision=2)
    seen = [await store.configuration.revision()]
    await store.configuration.add(entity)
    seen.append(await store.configuration.revision())
    assert await store.configuration.replace(edit, expected=1)
    seen.append(await store.configuration.revision())
    assert not await store.configuration.replace(edit, expected=1)
    await store.configuration.list(kind, limit=10)
    assert seen[-1] == await store.configuration.revision()
    assert await store.configuration.delete(kind, "moves", expected=2)
    seen.append(await store.configuration.revision())
    assert sorted(set(seen)) == seen

    assert not await store.configuration.delete(kind, "moves", expected=2)
    assert seen[-1] == await store.configuration.revision()


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    keys=st.sets(st.text(st.characters(exclude_categories=["C"]), min_size=1, max_size=4), max_size=12),
    limit=st.integers(1, 5),
)
async def test_pages_hold_every_key_once_in_order(
    fresh_store: FreshStore, kind: type[Entity], keys: set[str], limit: int
) -> None:
    """Whatever the keys and the size of a page: pages are complete, ordered by code point, and no longer."""
    async with fresh_store() as store:
        for key in keys:
            await store.configuration.add(an_entity(kind, key))
        found: list[str] = []
        while page := await store.configuration.list(kind, after=found[-1] if found else "", limit=limit):
            assert len(page) <= limit
            found += map(key_of, page)
    assert sorted(keys) == found


@pytest.mark.parametrize("kind", CAN_BE_INACTIVE, ids=attrgetter("__name__"))
async def test_pages_hold_active_ones_alone_if_asked(store: Store, kind: type[Entity]) -> None:
    """Pages of two follow each other without gap or repetition; what is active follows the last edit."""
    entities = [
        msgspec.structs.replace(an_entity(kind, f"e{number}"), is_active=number % 3 != 0)
        for number in range(7)
    ]
    for entity in reversed(entities):
        await store.configuration.add(entity)

    async def active() -> list[Entity]:
        found: list[Entity] = []
        while page := await store.configuration.page(
            kind,
            EntityFilter(is_active=True),
            Page(after=Place("", key_of(found[-1])) if found else None, limit=2),
        ):
            assert len(page) <= 2
            found += page
        return found

    expected = [entity for number, entity in enumerate(entities) if number % 3]
    assert await active() == expected
    edit = msgspec.structs.replace(expected.pop(0), is_active=False, revision=2)
    assert await store.configuration.replace(edit, expected=1)
    assert await active() == expected
    assert len(await store.configuration.list(kind, limit=10)) == 7


async def test_what_can_not_be_inactive_is_active(store: Store) -> None:
    """Nothing is left out of a list of kinds that are always in use."""
    for kind in MAKERS.keys() - set(CAN_BE_INACTIVE):
        await store.configuration.add(an_entity(kind, "a"))
        assert await store.configuration.count(kind, EntityFilter(is_active=True), most=10) == 1
