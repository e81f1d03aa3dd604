"""What a store promises about changes of the costs of stored events."""

from datetime import timedelta
from zoneinfo import ZoneInfo

from msgspec import structs
from tollkeeper_server.domain.ids import Prefix, new_id
from tollkeeper_server.domain.repricing import NewCost
from tollkeeper_server.domain.usage import UsageFilter
from tollkeeper_server.domain.usage_sums import Question
from tollkeeper_server.management.usage_summary import summarize
from tollkeeper_server.management.usage_times import Times
from tollkeeper_server.store.ports import Store

from tests.contract.entities import LATER, a_repricing, an_event

EVERYTHING = UsageFilter()


async def test_costs_change_where_they_are_what_they_were(store: Store) -> None:
    """One that has another cost by then keeps it, and an event that is not there is not made."""
    known, unknown, moved = (structs.replace(an_event(), cost_nano_dollars=cost) for cost in (5, None, 8))
    await store.usage.add([known, unknown, moved])
    costs = [
        NewCost(known.id, 5, 50),
        NewCost(unknown.id, None, 20),
        NewCost(moved.id, 7, 70),
        NewCost(new_id(Prefix.REQUEST), None, 1),
    ]
    await store.repricings.apply(costs, a_repricing())
    stored = {it.id: it for it in await store.usage.list(EVERYTHING, limit=9)}
    assert stored == {
        known.id: structs.replace(known, cost_nano_dollars=50),
        unknown.id: structs.replace(unknown, cost_nano_dollars=20),
        moved.id: moved,
    }
    summary = await summarize(store.usage, EVERYTHING, Question(), Times(ZoneInfo("UTC")))
    (row,) = summary.rows
    assert (row.cost_nano_dollars, row.priced_requests, row.requests) == (78, 3, 3)


async def test_slices_of_one_repricing_add_up(store: Store) -> None:
    first = a_repricing()
    await store.repricings.apply([], first)
    await store.repricings.apply([], structs.replace(first, repriced_at=LATER + timedelta(seconds=1)))
    (trace,) = await store.repricings.list(limit=9)
    assert trace == structs.replace(
        first,
        repriced_at=LATER + timedelta(seconds=1),
        requests=6,
        changed_requests=4,
        before_nano_dollars=10,
        after_nano_dollars=140,
        unpriced_requests=2,
    )


async def test_repricings_are_listed_newest_first(store: Store) -> None:
    traces = [a_repricing(id=f"rep_{number:026}") for number in range(3)]
    for trace in traces:
        await store.repricings.apply([], trace)
    assert await store.repricings.list(limit=2) == [traces[2], traces[1]]
    assert await store.repricings.list(before=traces[1].id, limit=2) == [traces[0]]
