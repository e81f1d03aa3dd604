"""The placements one process knows, on a real store."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from tollkeeper_server.coordination.placements import (
    KEPT,
    RENEWED,
    PlacementCache,
)
from tollkeeper_server.domain.placement import Placement
from tollkeeper_server.errors import StoreUnavailableError

from tests.contract.entities import an_event, find_placement
from tests.unit.coordination.parts import WatchedStore, eventually, owned, pending_of, upstream_of

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


class World:
    """A cache on a store, and its time."""

    def __init__(self, store: WatchedStore, capacity: int = 1000) -> None:
        self.store = store
        self.time = NOW
        self.cache = PlacementCache(
            store.placements,
            None,
            capacity=capacity,
            now=lambda: self.time,
            batch=2,
            retry_seconds=0.01,
            seconds=60.0,
        )

    async def place(self, placement_id: str = "file-1", *, used_at: datetime = NOW) -> None:
        """Have another process place something."""
        await self.store.placements.add(
            [Placement(id=placement_id, upstream="a", project_id="prj_1", used_at=used_at)],
        )
        self.store.added.clear()


@pytest.fixture
async def world(store: WatchedStore) -> AsyncIterator[World]:
    world = World(store)
    yield world
    await world.cache.close()


async def test_what_is_remembered_is_in_the_store_and_needs_no_look_up(world: World) -> None:
    await world.cache.remember("file-1", "a", "prj_1")
    assert await find_placement(world.store, "file-1") == Placement(
        id="file-1", upstream="a", project_id="prj_1", used_at=NOW
    )
    world.store.asked.clear()
    assert await upstream_of(world.cache, "file-1") == "a"
    assert world.store.asked == []


async def test_a_thousand_askers_at_once_cost_one_query(world: World) -> None:
    await world.place()
    assert await asyncio.gather(*(upstream_of(world.cache, "file-1") for _ in range(1000))) == ["a"] * 1000
    assert await upstream_of(world.cache, "file-1") == "a"
    assert world.store.asked == ["file-1"]


@pytest.mark.parametrize("cancelled", [0, 1])
async def test_a_cancelled_asker_does_not_fail_the_others(world: World, cancelled: int) -> None:
    await world.place()
    world.store.may_answer.clear()
    askers = [asyncio.create_task(upstream_of(world.cache, "file-1")) for _ in range(3)]
    await world.store.has_read.wait()
    askers[cancelled].cancel()
    world.store.may_answer.set()
    found = await asyncio.gather(*askers, return_exceptions=True)
    assert isinstance(found.pop(cancelled), asyncio.CancelledError)
    assert found == ["a", "a"]


async def test_what_is_unknown_is_asked_for_again_at_once(world: World) -> None:
    assert await upstream_of(world.cache, "file-1") is None
    await world.place()
    assert await upstream_of(world.cache, "file-1") == "a"
    assert await upstream_of(world.cache, "file-1") == "a"
    assert world.store.asked == ["file-1"] * 2


async def test_a_look_up_that_began_before_something_was_made_does_not_say_that_nobody_has_it(
    world: World,
) -> None:
    world.store.may_answer.clear()
    early = asyncio.create_task(upstream_of(world.cache, "file-1"))
    await world.store.has_read.wait()
    await world.place()
    late = asyncio.create_task(upstream_of(world.cache, "file-1"))
    await asyncio.sleep(0)
    world.store.may_answer.set()
    await early
    assert await late == "a"


async def test_many_cost_one_query_for_those_that_memory_does_not_know(world: World) -> None:
    await world.cache.remember("file-1", "b", "prj_2")
    await world.place("file-2")
    await world.place("file-3")
    ids = ["file-1", "file-2", "file-3", "file-4", "file-4"]
    found = await world.cache.find_many(ids)
    assert {one: placement.upstream for one, placement in found.items()} == {
        "file-1": "b",
        "file-2": "a",
        "file-3": "a",
    }
    assert world.store.asked == ["file-2", "file-3", "file-4"]
    assert await owned(world.cache, "prj_1", ids[:3]) == {"file-2", "file-3"}
    assert await owned(world.cache, "prj_2", ids[:3]) == {"file-1"}
    assert world.store.asked == ["file-2", "file-3", "file-4"]


async def test_what_an_answer_tells_of_is_learnt_and_what_is_known_stays(world: World) -> None:
    event = an_event()
    await world.cache.remember("resp-1", "a", "prj_1", event)
    await world.place("file-1")
    await world.cache.learn(["resp-1", "file-1", "file-2", "file-2"], "b", "prj_1")
    assert await pending_of(world.cache, "resp-1") == event
    assert await upstream_of(world.cache, "file-1") == "a"
    assert await find_placement(world.store, "file-2") == Placement(
        id="file-2", upstream="b", project_id="prj_1", used_at=NOW
    )
    assert world.store.added == ["file-2"]


async def test_what_another_project_has_stays_so_also_if_the_store_learns_it_late(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    await world.place()
    await world.cache.remember("file-1", "b", "prj_2")
    assert await owned(world.cache, "prj_2", ["file-1"]) == set()

    await world.place("file-2")
    world.store.away = True
    with pytest.raises(StoreUnavailableError):
        await world.cache.remember("file-2", "b", "prj_2")
    assert await owned(world.cache, "prj_2", ["file-2"]) == {"file-2"}
    caplog.clear()
    world.store.away = False
    await eventually(lambda: "an id that another has" in caplog.text)
    assert await owned(world.cache, "prj_1", ["file-1", "file-2"]) == {"file-1", "file-2"}


async def test_what_is_remembered_is_known_at_once_though_it_was_unknown(world: World) -> None:
    assert await upstream_of(world.cache, "file-1") is None
    await world.cache.remember("file-1", "a", "prj_1")
    assert await upstream_of(world.cache, "file-1") == "a"


async def test_what_is_remembered_during_a_look_up_counts(world: World) -> None:
    world.store.may_answer.clear()
    asker = asyncio.create_task(upstream_of(world.cache, "file-1"))
    await world.store.has_read.wait()
    await world.cache.remember("file-1", "b", "prj_1")
    world.store.may_answer.set()
    assert await asker == "b"
    assert await upstream_of(world.cache, "file-1") == "b"


async def test_a_store_that_is_away_leaves_what_is_known(world: World) -> None:
    await world.cache.remember("file-1", "a", "prj_1")
    world.store.away = True
    assert await upstream_of(world.cache, "file-1") == "a"
    errors = await asyncio.gather(
        *(upstream_of(world.cache, "file-2") for _ in range(10)), return_exceptions=True
    )
    assert {type(error) for error in errors} == {StoreUnavailableError}
    assert len({id(error) for error in errors}) == 10
    world.store.away = False
    assert await upstream_of(world.cache, "file-2") is None


async def test_what_comes_while_the_store_writes_is_written_together(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One project's id does not refuse the other's, of whatever group they are."""
    real, groups = world.store.placements.add, list[int]()

    async def add(placements: Sequence[Placement]) -> set[str]:
        groups.append(len(placements))
        return await real(placements)

    monkeypatch.setattr(world.store.placements, "add", add)
    await asyncio.gather(
        world.cache.remember("file-0", "a", "prj_1"),
        *(world.cache.remember(f"file-{number}", "b", "prj_2") for number in range(100)),
    )
    assert sum(groups) == 101
    assert len(groups) < 5
    ids = [f"file-{number}" for number in range(100)]
    assert await owned(world.cache, "prj_1", ids) == {"file-0"}
    assert await owned(world.cache, "prj_2", ids) == {*ids} - {"file-0"}
    assert len(await world.store.placements.find_many(ids)) == 100


async def test_what_could_not_be_written_is_known_here_and_said(world: World) -> None:
    world.store.away = True
    with pytest.raises(StoreUnavailableError):
        await world.cache.remember("file-1", "a", "prj_1")
    assert await upstream_of(world.cache, "file-1") == "a"


async def test_what_could_not_be_written_is_written_when_the_store_is_back(world: World) -> None:
    world.store.away = True
    for name in ("file-1", "file-2"):
        with pytest.raises(StoreUnavailableError):
            await world.cache.remember(name, "a", "prj_1")
    await eventually(lambda: len(world.store.added) > 4)  # it was offered again, in vain
    world.store.away = False
    await eventually(lambda: find_placement(world.store, "file-1"))
    await eventually(lambda: find_placement(world.store, "file-2"))
    settled = len(world.store.added)
    await world.cache.remember("file-3", "a", "prj_1")
    assert world.store.added[settled:] == ["file-3"]


async def test_what_could_not_be_written_is_written_at_the_end(store: WatchedStore) -> None:
    cache = PlacementCache(store.placements, None)
    store.away = True
    with pytest.raises(StoreUnavailableError):
        await cache.remember("file-1", "a", "prj_1")
    store.away = False
    await cache.close()
    assert await find_placement(store, "file-1") is not None


async def test_it_is_written_without_its_caller(world: World) -> None:
    writing = asyncio.create_task(world.cache.remember("file-1", "a", "prj_1"))
    await asyncio.sleep(0)
    writing.cancel()
    await asyncio.gather(writing, return_exceptions=True)
    await world.cache.close()
    assert await find_placement(world.store, "file-1") is not None


async def test_beyond_capacity_what_was_not_asked_for_longest_is_forgotten(store: WatchedStore) -> None:
    world = World(store, capacity=2)
    await world.cache.remember("one", "a", "prj_1")
    await world.cache.remember("two", "a", "prj_1")
    await upstream_of(world.cache, "one")
    await world.cache.remember("three", "a", "prj_1")
    for placement_id in ("one", "three"):
        assert await upstream_of(world.cache, placement_id) == "a"
    assert world.store.asked == []
    assert await upstream_of(world.cache, "two") == "a"
    assert world.store.asked == ["two"]
    await world.cache.close()


async def test_a_flood_of_unknown_ids_leaves_nothing_in_memory(world: World) -> None:
    await asyncio.gather(*(upstream_of(world.cache, f"x{number}") for number in range(1000)))
    await world.cache.find_many([f"x{number}" for number in range(1000)])
    assert not world.cache._flights
    assert not world.cache._known


async def test_using_a_placement_keeps_it_in_the_store(world: World) -> None:
    await world.place()
    world.time = NOW + RENEWED
    assert await upstream_of(world.cache, "file-1") == "a"
    assert world.store.added == []
    world.time += timedelta(seconds=1)
    assert await upstream_of(world.cache, "file-1") == "a"
    assert await upstream_of(world.cache, "file-1") == "a"
    await world.cache.close()
    assert world.store.added == ["file-1"]
    renewed = await find_placement(world.store, "file-1")
    assert renewed is not None
    assert renewed.used_at == world.time


async def test_a_renewal_that_fails_hinders_nobody(world: World, caplog: pytest.LogCaptureFixture) -> None:
    await world.place(used_at=NOW - 2 * RENEWED)
    await upstream_of(world.cache, "file-1")
    await world.cache.close()
    world.store.away = True
    world.time += 2 * RENEWED
    assert await upstream_of(world.cache, "file-1") == "a"
    await world.cache.close()
    assert caplog.text == ""


async def test_what_nobody_used_is_removed(world: World) -> None:
    for number in range(5):
        await world.place(f"old-{number}", used_at=NOW - KEPT - timedelta(seconds=1))
    await world.place("young", used_at=NOW - KEPT)

    await world.cache.delete_unused()
    ids = [*(f"old-{number}" for number in range(5)), "young"]
    assert {one for one in ids if await find_placement(world.store, one)} == {"young"}


async def test_an_unforeseen_failure_reaches_the_asker_and_is_logged(
    world: World, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(placement_ids: list[str]) -> dict[str, Placement]:
        raise ZeroDivisionError

    monkeypatch.setattr(world.store.placements, "find_many", fail)
    with pytest.raises(ZeroDivisionError):
        await upstream_of(world.cache, "file-1")
    assert "looking up a placement failed" in caplog.text


async def test_who_waits_when_it_closes_is_told_that_nobody_can_say(world: World) -> None:
    world.store.may_answer.clear()
    asker = asyncio.create_task(upstream_of(world.cache, "file-1"))
    await world.store.has_read.wait()
    await world.cache.close()
    with pytest.raises(StoreUnavailableError):
        await asker


async def test_what_waits_is_settled_here_though_the_store_is_away(world: World) -> None:
    event = an_event()
    await world.cache.remember("resp-1", "a", "prj_1", event)
    world.store.away = True
    assert await pending_of(world.cache, "resp-1") == event
    world.cache.settle("resp-1", lambda: pytest.fail("others may have settled it"))
    assert await pending_of(world.cache, "resp-1") is None
    assert await upstream_of(world.cache, "resp-1") == "a"


async def test_what_the_store_never_had_is_settled_before_it_has(world: World) -> None:
    world.store.away = True
    with pytest.raises(StoreUnavailableError):
        await world.cache.remember("resp-1", "a", "prj_1", an_event())
    settled: list[str] = []
    world.cache.settle("resp-1", lambda: settled.append("once"))
    world.store.away = False
    await eventually(lambda: find_placement(world.store, "resp-1"))
    assert settled == ["once"]
    assert not await world.store.placements.settle("resp-1")
