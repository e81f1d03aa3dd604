"""What a store promises about projects."""

import asyncio

import msgspec
import pytest
from tollkeeper_server.errors import Reason, TollkeeperError
from tollkeeper_server.store.ports import Store

from tests.contract.conftest import FreshStore
from tests.contract.entities import a_project


async def test_a_project_is_read_as_it_was_written(store: Store) -> None:
    """Nothing is lost, down to the microsecond and to None."""
    active, inactive = a_project("Größe 🚀"), a_project(is_active=False)
    for project in (active, inactive):
        await store.add_project(project)

    assert active == await store.get_project(active.id)
    assert inactive == await store.get_project(inactive.id)
    assert await store.get_project("prj_none") is None


async def test_an_id_is_taken_once(store: Store) -> None:
    """The second of two projects with one id is refused, and changes nothing."""
    project = a_project()
    await store.add_project(project)
    revision = await store.config_revision()

    with pytest.raises(TollkeeperError) as refusal:
        await store.add_project(msgspec.structs.replace(project, name="other"))

    assert refusal.value.reason is Reason.ALREADY_EXISTS
    assert project == await store.get_project(project.id)
    assert revision == await store.config_revision()


async def test_pages_hold_every_project_once_by_id(store: Store) -> None:
    """Pages of two follow each other without gap or repetition, active ones alone if asked."""
    projects = sorted((a_project(is_active=number % 3 != 0) for number in range(7)), key=lambda p: p.id)
    for project in reversed(projects):
        await store.add_project(project)

    for active_only in (False, True):
        found, after = [], ""
        while page := await store.list_projects(after=after, limit=2, active_only=active_only):
            assert len(page) <= 2
            found += page
            after = page[-1].id
        assert [project for project in projects if project.is_active or not active_only] == found


async def test_one_of_fifty_concurrent_edits_wins(store: Store) -> None:
    """Optimistic concurrency: of all edits of one revision exactly one is written."""
    project = a_project()
    await store.add_project(project)
    edits = [msgspec.structs.replace(project, name=f"edit {number}", revision=2) for number in range(50)]

    written = await asyncio.gather(*(store.replace_project(edit, expected=1) for edit in edits))

    winners = [edit for edit, won in zip(edits, written, strict=True) if won]
    assert [await store.get_project(project.id)] == winners


async def test_replacing_what_is_not_there_writes_nothing(store: Store) -> None:
    """A project that is not there, or of another revision, is neither made nor changed."""
    project = a_project()
    assert not await store.replace_project(project, expected=1)
    assert await store.get_project(project.id) is None

    await store.add_project(project)
    assert not await store.replace_project(msgspec.structs.replace(project, name="x"), expected=2)
    assert project == await store.get_project(project.id)


async def test_an_edit_can_deactivate(fresh_store: FreshStore) -> None:
    """What is listed as active follows the last edit."""
    async with fresh_store() as store:
        project = a_project()
        await store.add_project(project)
        await store.replace_project(msgspec.structs.replace(project, is_active=False, revision=2), expected=1)
        assert await store.list_projects(limit=10, active_only=True) == []
        assert len(await store.list_projects(limit=10)) == 1


async def test_the_configuration_revision_grows_with_each_write(store: Store) -> None:
    """Every write moves it; reads and writes that did not happen do not."""
    project = a_project()
    before = await store.config_revision()
    await store.add_project(project)
    added = await store.config_revision()
    assert added > before

    edit = msgspec.structs.replace(project, name="new", revision=2)
    assert await store.replace_project(edit, expected=1)
    replaced = await store.config_revision()
    assert replaced > added

    assert not await store.replace_project(edit, expected=1)
    await store.list_projects(limit=10)
    assert replaced == await store.config_revision()
