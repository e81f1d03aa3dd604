"""What a store promises about placements."""

import asyncio
from datetime import timedelta

from tollkeeper_server.store.ports import Store

from tests.contract.conftest import opened
from tests.contract.entities import LATER, NOON, a_placement, an_event, find_placement


async def test_a_placement_is_read_as_it_was_written(store: Store) -> None:
    """Nothing is lost, whatever an upstream calls things; what is not there is not found."""
    placements = [a_placement(f"{name}-größe/\U0001f680 ' $x.y") for name in ("file", "batch")]
    await store.placements.add(placements)
    await store.placements.add([])
    assert placements == [await find_placement(store, placement.id) for placement in placements]
    assert await find_placement(store, "file") is None


async def test_the_last_one_of_an_id_counts(store: Store) -> None:
    """In one call as in two, and beside new ones."""
    await store.placements.add([a_placement(upstream="a"), a_placement(upstream="b")])
    assert await find_placement(store, "file-1") == a_placement(upstream="b")
    await store.placements.add([a_placement("file-2"), a_placement(upstream="c", used_at=LATER)])
    assert await find_placement(store, "file-1") == a_placement(upstream="c", used_at=LATER)
    assert await find_placement(store, "file-2") == a_placement("file-2")


async def test_many_are_found_in_one_query(store: Store) -> None:
    """What is not there is left out, and so is what was not asked for; an odd id is one like any other."""
    names = [f"{name}-größe/\U0001f680 ' $x.y" for name in ("file", "batch", "other")]
    placements = [a_placement(name) for name in names]
    await store.placements.add(placements)
    asked = [*names[:2], "file", *(f"none-{number}" for number in range(2000))]
    assert await store.placements.find_many(asked) == {it.id: it for it in placements[:2]}
    assert await store.placements.find_many([]) == {}


async def test_it_is_told_which_upstreams_keep_something_for_a_project(store: Store) -> None:
    await store.placements.add(
        [
            *(a_placement(f"file-{number}", upstream="a") for number in range(3)),
            a_placement("resp-1", upstream="größe/$x.y"),
            a_placement("resp-2", upstream="gone"),
            a_placement("resp-3", upstream="b", project_id="prj_2"),
        ]
    )
    names = ["a", "b", "c", "größe/$x.y"]
    assert await store.placements.keeping("prj_1", names) == {"a", "größe/$x.y"}
    assert await store.placements.keeping("prj_2", names) == {"b"}
    assert await store.placements.keeping("prj_3", names) == set()
    assert await store.placements.keeping("prj_1", []) == set()


async def test_no_project_takes_what_another_has(store: Store, store_url: str) -> None:
    """Nor its upstream, its time of use, or what waits for its end; it is told which ids those are."""
    first = a_placement("resp-1", pending=an_event())
    assert await store.placements.add([first]) == set()
    other = a_placement("resp-1", project_id="prj_2", upstream="b", used_at=LATER)
    new = [a_placement(f"file-{number}", project_id="prj_2") for number in range(3)]
    assert await store.placements.add([new[0], other, new[1], other, new[2]]) == {"resp-1"}
    assert await store.placements.find_many(["resp-1", "file-0", "file-1", "file-2"]) == {
        it.id: it for it in (first, *new)
    }
    renewed = a_placement("resp-1", upstream="b", used_at=LATER)
    assert await store.placements.add([renewed, a_placement("resp-1", project_id="prj_2")]) == {"resp-1"}
    async with opened(store_url) as another:
        assert await find_placement(another, "resp-1") == renewed


async def test_of_projects_that_want_an_id_at_once_one_gets_it(store: Store, store_url: str) -> None:
    async with opened(store_url) as other:
        refused = await asyncio.gather(
            *(
                (store, other)[number % 2].placements.add([a_placement("x", project_id=f"prj_{number}")])
                for number in range(10)
            )
        )
        found = await find_placement(other, "x")
    winners = [f"prj_{number}" for number, ids in enumerate(refused) if not ids]
    assert found is not None
    assert winners == [found.project_id]


async def test_many_processes_may_add_the_same_at_once(store: Store, store_url: str) -> None:
    """None of them fails, and all of it is there."""
    async with opened(store_url) as other:
        await asyncio.gather(
            *(
                (store, other)[number % 2].placements.add([a_placement(f"f{part}") for part in range(20)])
                for number in range(10)
            )
        )
        found = [await find_placement(other, f"f{part}") for part in range(20)]
    assert found == [a_placement(f"f{part}") for part in range(20)]


async def test_what_was_not_used_for_long_is_removed_the_oldest_first(store: Store) -> None:
    """No more than asked for at once; what was used at that time stays."""
    days = [NOON + timedelta(days=number) for number in range(6)]
    await store.placements.add([a_placement(f"f{number}", used_at=day) for number, day in enumerate(days)])
    await store.placements.add([a_placement("f0", used_at=days[5])])

    async def left() -> list[int]:
        return [number for number in range(6) if await find_placement(store, f"f{number}")]

    assert await store.placements.delete_before(days[4], limit=2) == 2
    assert await left() == [0, 3, 4, 5]
    assert await store.placements.delete_before(days[4], limit=2) == 1
    assert await store.placements.delete_before(days[4], limit=2) == 0
    assert await left() == [0, 4, 5]


async def test_pending_usage_is_read_as_it_was_written_and_taken_once(store: Store, store_url: str) -> None:
    """Of any number of processes that take it at once, one gets it; the placement itself stays."""
    waiting = a_placement("resp-1", pending=an_event())
    await store.placements.add([waiting, a_placement("resp-2")])
    assert await find_placement(store, "resp-1") == waiting
    async with opened(store_url) as other:
        taken = await asyncio.gather(
            *((store, other)[number % 2].placements.settle("resp-1") for number in range(10))
        )
        assert await find_placement(other, "resp-1") == a_placement("resp-1")
    assert sorted(taken) == [False] * 9 + [True]
    assert not await store.placements.settle("resp-2")
    assert not await store.placements.settle("resp-3")
    assert await find_placement(store, "resp-3") is None
