"""What a store promises about upstreams, models, groups and listeners, which are kept by name."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Protocol

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tollkeeper_server.domain.listener import Listener
from tollkeeper_server.domain.model import Model
from tollkeeper_server.domain.traffic import Group
from tollkeeper_server.domain.upstream import Upstream
from tollkeeper_server.errors import Reason, TollkeeperError
from tollkeeper_server.store.ports import Store

from tests.contract.conftest import FreshStore
from tests.contract.entities import LATER, a_group, a_listener, a_model, an_upstream

Named = Upstream | Model | Group | Listener


class List(Protocol):
    """`list_upstreams` and its like."""

    def __call__(self, *, after: str = "", limit: int) -> Awaitable[Sequence[Named]]:
        """Returns a page."""


class Delete(Protocol):
    """`delete_upstream` and its like."""

    def __call__(self, name: str, *, expected: int) -> Awaitable[bool]:
        """Removes one."""


@dataclass(frozen=True)
class Kind:
    """One kind of named entity: how to make one, and the store's methods for it."""

    word: str
    make: Callable[[str], Named]

    def add(self, store: Store, entity: Named) -> Awaitable[None]:
        """Calls `add_…`."""
        added: Awaitable[None] = attrgetter(f"add_{self.word}")(store)(entity)
        return added

    def get(self, store: Store, name: str) -> Awaitable[Named | None]:
        """Calls `get_…`."""
        found: Awaitable[Named | None] = attrgetter(f"get_{self.word}")(store)(name)
        return found

    def replace(self, store: Store, entity: Named, expected: int) -> Awaitable[bool]:
        """Calls `replace_…`."""
        done: Awaitable[bool] = attrgetter(f"replace_{self.word}")(store)(entity, expected=expected)
        return done

    def list(self, store: Store) -> List:
        """Returns `list_…`."""
        method: List = attrgetter(f"list_{self.word}s")(store)
        return method

    def delete(self, store: Store) -> Delete:
        """Returns `delete_…`."""
        method: Delete = attrgetter(f"delete_{self.word}")(store)
        return method


KINDS = (
    Kind("upstream", an_upstream),
    Kind("model", a_model),
    Kind("group", a_group),
    Kind("listener", a_listener),
)


@pytest.fixture(params=KINDS, ids=lambda kind: kind.word)
def kind(request: pytest.FixtureRequest) -> Kind:
    """Each kind in turn."""
    assert isinstance(request.param, Kind)
    return request.param


async def test_it_is_read_as_it_was_written(store: Store, kind: Kind) -> None:
    """Nothing is lost."""
    entity = kind.make("meta/llama-3.1:8b*")
    await kind.add(store, entity)

    assert entity == await kind.get(store, entity.name)
    assert [entity] == list(await kind.list(store)(limit=10))
    assert await kind.get(store, "meta") is None


async def test_a_name_is_taken_once(store: Store, kind: Kind) -> None:
    """Of twenty that add one name at the same time, one does; the others are told that it exists."""
    outcomes = await asyncio.gather(
        *(kind.add(store, kind.make("same")) for _ in range(20)), return_exceptions=True
    )

    refusals = [outcome for outcome in outcomes if isinstance(outcome, TollkeeperError)]
    assert [refusal.reason for refusal in refusals] == [Reason.ALREADY_EXISTS] * 19
    assert outcomes.count(None) == 1


def test_every_field_is_tried(kind: Kind) -> None:
    """No field is at its default: a store that forgets it would not be noticed."""
    assert defaults_in(kind.make("whole")) == ["revision"]


def defaults_in(entity: msgspec.Struct) -> list[str]:
    """Returns the fields that are as they would be if they were not given."""
    fields = msgspec.structs.fields(entity)
    return [field.name for field in fields if getattr(entity, field.name) == field.default]


async def test_kinds_do_not_share_names(store: Store) -> None:
    """One of each may have one name."""
    for kind in KINDS:
        await kind.add(store, kind.make("same"))
    assert await store.delete_upstream("same", expected=1)
    assert [await kind.get(store, "same") is None for kind in KINDS] == [True, False, False, False]


async def test_one_of_fifty_concurrent_edits_wins(store: Store, kind: Kind) -> None:
    """Optimistic concurrency: of all edits of one revision exactly one is written."""
    entity = kind.make("edited")
    await kind.add(store, entity)
    edits = [
        msgspec.structs.replace(entity, updated_at=LATER.replace(microsecond=number), revision=2)
        for number in range(50)
    ]

    written = await asyncio.gather(*(kind.replace(store, edit, 1) for edit in edits))

    winners = [edit for edit, won in zip(edits, written, strict=True) if won]
    assert [await kind.get(store, "edited")] == winners


async def test_only_the_expected_revision_is_deleted(store: Store, kind: Kind) -> None:
    """A deletion that comes too late deletes nothing; a name is free again after it."""
    entity = kind.make("gone")
    await kind.add(store, entity)

    assert not await kind.delete(store)("gone", expected=2)
    assert entity == await kind.get(store, "gone")
    assert await kind.delete(store)("gone", expected=1)
    assert await kind.get(store, "gone") is None
    assert not await kind.delete(store)("gone", expected=1)
    await kind.add(store, entity)


async def test_the_configuration_revision_grows_with_each_write(store: Store, kind: Kind) -> None:
    """Adding, editing and deleting move it; what did not happen does not."""
    entity = kind.make("moves")
    seen = [await store.config_revision()]
    await kind.add(store, entity)
    seen.append(await store.config_revision())
    assert await kind.replace(store, msgspec.structs.replace(entity, revision=2), 1)
    seen.append(await store.config_revision())
    assert await kind.delete(store)("moves", expected=2)
    seen.append(await store.config_revision())
    assert sorted(set(seen)) == seen

    assert not await kind.delete(store)("moves", expected=2)
    assert seen[-1] == await store.config_revision()


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    names=st.sets(st.text(st.characters(exclude_categories=["C"]), min_size=1, max_size=4), max_size=12),
    limit=st.integers(1, 5),
)
async def test_pages_hold_every_name_once_in_order(
    fresh_store: FreshStore, kind: Kind, names: set[str], limit: int
) -> None:
    """Whatever the names and the size of a page: pages are complete, ordered by code point, and no longer."""
    async with fresh_store() as store:
        for name in names:
            await kind.add(store, kind.make(name))
        found: list[str] = []
        while page := await kind.list(store)(after=found[-1] if found else "", limit=limit):
            assert len(page) <= limit
            found += [entity.name for entity in page]
    assert sorted(names) == found
