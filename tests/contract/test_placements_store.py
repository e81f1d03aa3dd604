"""What a store promises about placements."""

import asyncio
from datetime import timedelta

from tollkeeper_server.store.ports import Store

from tests.contract.conftest import opened
from tests.contract.entities import LATER, NOON, a_placement, an_event


async def test_a_placement_is_read_as_it_was_written(store: Store) -> None:
    """Nothing is lost, whatever an upstream calls things; what is not there is not found."""
    placements = [a_placement(f"{name}-größe/\U0001f680 ' $x.y") for name in ("file", "batch")]
    await store.placements.add(placements)
    await store.placements.add([])
    assert placements == [await store.placements.find(placement.id) for placement in placements]
    assert await store.placements.find("file") is None


async def test_the_last_one_of_an_id_counts(store: Store) -> None:
    """In one call as in two, and beside new ones."""
    await store.placements.add([a_placement(upstream="a"), a_placement(upstream="b")])
    assert await store.placements.find("file-1") == a_placement(upstream="b")
    await store.placements.add([a_placement("file-2"), a_placement(upstream="c", used_at=LATER)])
    assert await store.placements.find("file-1") == a_placement(upstream="c", used_at=LATER)
    assert await store.placements.find("file-2") == a_placement("file-2")


async def test_many_processes_may_add_the_same_at_once(store: Store, store_url: str) -> None:
    """None of them fails, and all of it is there."""
    async with opened(store_url) as other:
        await asyncio.gather(
            *(
                (store, other)[number % 2].placements.add([a_placement(f"f{part}") for part in range(20)])
                for number in range(10)
            )
        )
        found = [await other.placements.find(f"f{part}") for part in range(20)]
    assert found == [a_placement(f"f{part}") for part in range(20)]


async def test_what_was_not_used_for_long_is_removed_the_oldest_first(store: Store) -> None:
    """No more than asked for at once; what was used at that time stays."""
    days = [NOON + timedelta(days=number) for number in range(6)]
    await store.placements.add([a_placement(f"f{number}", used_at=day) for number, day in enumerate(days)])
    await store.placements.add([a_placement("f0", used_at=days[5])])

    async def left() -> list[int]:
        return [number for number in range(6) if await store.placements.find(f"f{number}")]

    assert await store.placements.delete_before(days[4], limit=2) == 2
    assert await left() == [0, 3, 4, 5]
    assert await store.placements.delete_before(days[4], limit=2) == 1
    assert await store.placements.delete_before(days[4], limit=2) == 0
    assert await left() == [0, 4, 5]


async def test_pending_usage_is_read_as_it_was_written_and_taken_once(store: Store, store_url: str) -> None:
    """Of any number of processes that take it at once, one gets it; the placement itself stays."""
    waiting = a_placement("resp-1", pending=an_event())
    await store.placements.add([waiting, a_placement("resp-2")])
    assert await store.placements.find("resp-1") == waiting
    async with opened(store_url) as other:
        taken = await asyncio.gather(
            *((store, other)[number % 2].placements.settle("resp-1") for number in range(10))
        )
        assert await other.placements.find("resp-1") == a_placement("resp-1")
    assert sorted(taken) == [False] * 9 + [True]
    assert not await store.placements.settle("resp-2")
    assert not await store.placements.settle("resp-3")
    assert await store.placements.find("resp-3") is None
