"""Polling a real store for changes."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from tollkeeper_server.coordination.poll import OVERLAP, Poller
from tollkeeper_server.domain.project import Project
from tollkeeper_server.domain.token import Token
from tollkeeper_server.errors import StoreUnavailableError

from tests.unit.coordination.parts import WatchedStore, eventually, make_token

FAST = 0.01
NEVER = 3600.0


class World:
    """A poller, and what it told."""

    def __init__(self, store: WatchedStore, interval: float = NEVER) -> None:
        self.store = store
        self.told: list[Token] = []
        self.reloads = 0
        self.revision: int | None = None
        self.confirmed: list[int] = []
        self.reload_fails = False
        self.reloading = asyncio.Event()
        self.may_reload = asyncio.Event()
        self.may_reload.set()
        self.time = datetime.now(UTC)
        self.poller = Poller(
            store.tokens,
            store.configuration,
            self._apply,
            self._reload,
            self._confirm,
            interval=interval,
            lookback=300.0,
            now=lambda: self.time,
        )

    async def _apply(self, changed: Sequence[Token]) -> None:
        self.told.extend(changed)

    async def _reload(self) -> None:
        self.reloading.set()
        await self.may_reload.wait()
        if self.reload_fails:
            raise StoreUnavailableError("the store")
        self.revision = await self.store.configuration.revision()
        self.reloads += 1

    def _confirm(self, revision: int) -> bool:
        self.confirmed.append(revision)
        return revision == self.revision

    async def round(self) -> None:
        await self.poller._round()


@pytest.fixture
async def world(store: WatchedStore) -> AsyncIterator[World]:
    world = World(store)
    yield world
    await world.poller.close()


def make_project(number: int) -> Project:
    now = datetime.now(UTC)
    return Project(id=f"prj_{number:026d}", name="p", created_at=now, updated_at=now)


async def test_a_change_is_told_within_an_interval(store: WatchedStore) -> None:
    world = World(store, FAST)
    token = make_token()
    await store.tokens.add(token)
    await world.poller.open()
    assert [token] == world.told
    revoked = await store.edit(token, is_active=False)
    await eventually(lambda: world.told == [token, revoked])
    await world.poller.close()


async def test_each_revision_is_told_once(world: World) -> None:
    token = make_token()
    await world.store.tokens.add(token)
    for _ in range(3):
        await world.round()
        world.time += timedelta(seconds=1)
    assert [token] == world.told


async def test_more_changes_than_a_page_are_all_told(world: World) -> None:
    tokens = [make_token() for _ in range(600)]
    for token in tokens:
        await world.store.tokens.add(token)
    await world.round()
    assert {token.id for token in tokens} == {token.id for token in world.told}
    assert len(world.told) == 600


async def test_a_writer_whose_clock_is_behind_is_heard(world: World) -> None:
    await world.round()
    late = make_token(updated_at=world.time - OVERLAP + timedelta(seconds=1))
    await world.store.tokens.add(late)
    world.time += timedelta(seconds=1)
    await world.round()
    assert [late] == world.told


async def test_a_clock_that_is_set_back_misses_nothing(world: World) -> None:
    await world.round()
    world.time -= timedelta(hours=1)
    token = make_token(updated_at=world.time)
    await world.store.tokens.add(token)
    await world.round()
    assert [token] == world.told


async def test_after_an_outage_of_the_store_it_goes_on_where_it_was(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    await world.round()
    token = make_token(updated_at=world.time + timedelta(seconds=1))
    await world.store.tokens.add(token)
    world.store.away = True
    for _ in range(5):
        world.time += timedelta(seconds=600)
        await world.round()
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    world.store.away = False
    await world.round()
    assert [token] == world.told
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


async def test_a_sweep_tells_again_what_the_shared_cache_may_have_missed(world: World) -> None:
    old = make_token(updated_at=world.time - timedelta(seconds=300))
    new = make_token(updated_at=world.time)
    for token in (old, new):
        await world.store.tokens.add(token)
    await world.round()
    await world.round()
    assert [new, old] == world.told
    world.poller.poke(sweep=True)
    await world.round()
    assert [new, old, new, old] == world.told


async def test_a_sweep_that_failed_is_made_up_for(world: World) -> None:
    old = make_token(updated_at=world.time - timedelta(seconds=300))
    await world.store.tokens.add(old)
    world.store.away = True
    await world.round()
    world.store.away = False
    await world.round()
    assert [old] == world.told


async def test_a_defect_does_not_end_the_polling(
    store: WatchedStore,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World(store, FAST)
    real = store.tokens.changed
    failed = asyncio.Event()

    async def fail(*, since: datetime, limit: int) -> list[Token]:
        failed.set()
        raise ZeroDivisionError

    monkeypatch.setattr(store.tokens, "changed", fail)
    await world.poller.open()
    assert failed.is_set()
    assert "polling for changes failed" in caplog.text
    token = make_token()
    await store.tokens.add(token)
    monkeypatch.setattr(store.tokens, "changed", real)
    await eventually(lambda: world.told == [token])
    await world.poller.close()


async def test_poking_polls_at_once(world: World) -> None:
    await world.poller.open()
    token = make_token()
    await world.store.tokens.add(token)
    world.poller.poke()
    await eventually(lambda: world.told == [token])


async def test_the_configuration_is_read_at_first_and_when_it_changed(world: World) -> None:
    for _ in range(2):
        await world.round()
    assert world.reloads == 1
    await world.store.configuration.add(make_project(1))
    for _ in range(2):
        await world.round()
    assert world.reloads == 2


async def test_every_round_says_which_revision_the_store_holds(world: World) -> None:
    await world.store.configuration.add(make_project(1))
    for _ in range(3):
        await world.round()
    assert world.confirmed == [1, 1, 1]
    world.store.away = True
    await world.round()
    assert world.confirmed == [1, 1, 1]


async def test_a_configuration_that_could_not_be_read_is_tried_again(world: World) -> None:
    world.reload_fails = True
    await world.round()
    assert world.reloads == 0
    world.reload_fails = False
    await world.round()
    assert world.reloads == 1


async def test_reading_once_serves_all_who_asked_before_it_began(world: World) -> None:
    world.may_reload.clear()
    first = asyncio.create_task(world.poller.reload())
    await world.reloading.wait()
    later = [asyncio.create_task(world.poller.reload()) for _ in range(10)]
    await asyncio.sleep(0)
    world.may_reload.set()
    await asyncio.gather(first, *later)
    assert world.reloads == 2
    await world.round()
    assert world.reloads == 2
