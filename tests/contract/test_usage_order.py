"""What a store promises about the order in which events are stored."""

import asyncio

import msgspec
from tollkeeper_server.domain.usage import (
    Confidence,
    Place,
    StoredEvent,
    TokenCounts,
    UsageEvent,
    UsageFilter,
)
from tollkeeper_server.store.ports import Store

from tests.contract.conftest import opened
from tests.contract.entities import LATER, NOON, an_event

EVERYTHING = UsageFilter()
START = Place(0)
_WANTED = (
    "project_id",
    "token_id",
    "model_served",
    "upstream",
    "request_id",
    "endpoint",
    "error_code",
)
WRITERS, BATCHES, SIZE = 4, 8, 7


async def read_all(store: Store, *, limit: int = 100, amended: bool = False) -> list[StoredEvent]:
    """Return all that can be read whole, a page at a time."""
    found: list[StoredEvent] = []
    until, after = await store.usage.latest(), START
    while page := await store.usage.stored(
        EVERYTHING, after=after, until=until, limit=limit, amended=amended
    ):
        found += page
        after = Place(page[-1].number, page[-1].event.id)
    return found


def ids(events: list[UsageEvent]) -> list[str]:
    """Return their ids in order."""
    return sorted(event.id for event in events)


async def test_batches_are_read_in_the_order_in_which_they_were_stored(store: Store) -> None:
    """Within a batch by id, in pages of any size."""
    assert await store.usage.latest() == 0
    events = [an_event() for _ in range(9)]
    batches = [events[6:], events[:3], events[3:6]]
    for batch in batches:
        await store.usage.add(batch)
    expected = [event_id for batch in batches for event_id in ids(batch)]
    for limit in (1, 2, 3, 4, 100):
        found = await read_all(store, limit=limit)
        assert [it.event.id for it in found] == expected
    assert {it.number for it in found} == {1, 2, 3}
    assert sorted((it.event for it in found), key=lambda event: event.id) == sorted(
        events, key=lambda event: event.id
    )


async def test_what_is_behind_a_place_and_up_to_a_batch_is_read(store: Store) -> None:
    batches = [[an_event() for _ in range(3)] for _ in range(3)]
    for batch in batches:
        await store.usage.add(batch)
    (first, second, third) = map(ids, batches)

    async def between(after: Place, until: int) -> list[str]:
        found = await store.usage.stored(EVERYTHING, after=after, until=until, limit=100)
        return [it.event.id for it in found]

    assert await between(Place(1, first[1]), 2) == [first[2], *second]
    assert await between(Place(2), 2) == second
    assert await between(Place(2, second[2]), 3) == third
    assert await between(Place(4), 9) == []


async def test_a_filter_leaves_out_the_others(store: Store) -> None:
    wanted = msgspec.structs.replace(an_event(), model_served="wanted")
    await store.usage.add([an_event(), wanted, an_event()])
    found = await store.usage.stored(
        UsageFilter(model_served=("wanted",)), after=START, until=await store.usage.latest(), limit=9
    )
    assert found == [StoredEvent(1, wanted)]


async def test_an_event_keeps_the_batch_that_has_stored_it(store: Store) -> None:
    """Also if it is written again."""
    event, other = an_event(), an_event()
    await store.usage.add([event])
    await store.usage.add([event, other])
    assert await store.usage.number_of(event.id) == 1
    assert await store.usage.number_of(other.id) == 2
    assert await store.usage.number_of("req_unknown") is None
    assert [it.event.id for it in await read_all(store)] == [event.id, other.id]


async def test_an_event_whose_counts_become_surer_has_a_place_for_that_too(store: Store) -> None:
    """The latest that made them surer; it keeps the other."""
    event = msgspec.structs.replace(an_event(), tokens=TokenCounts(confidence=Confidence.PENDING))
    await store.usage.add([event, an_event()])

    async def amend(confidence: Confidence, prompt: int) -> None:
        tokens = TokenCounts(prompt=prompt, confidence=confidence)
        await store.usage.add([msgspec.structs.replace(event, tokens=tokens, amends=True)])

    assert await read_all(store, amended=True) == []
    await amend(Confidence.ESTIMATED, 5)
    await amend(Confidence.EXACT, 7)
    await amend(Confidence.ESTIMATED, 9)
    ((number, amended),) = await read_all(store, amended=True)
    assert (number, amended.id, amended.tokens.prompt) == (3, event.id, 7)
    assert [it.number for it in await read_all(store)] == [1, 1]


async def test_nothing_comes_behind_what_was_read(store_url: str) -> None:
    """However many processes write at the same time: who reads on from where it was sees every event once."""
    async with opened(store_url) as reader, opened(store_url) as one, opened(store_url) as other:
        written: list[str] = []
        writing = asyncio.Event()
        writing.set()

        async def write(store: Store) -> None:
            for _ in range(BATCHES):
                batch = [an_event() for _ in range(SIZE)]
                await store.usage.add(batch)
                written.extend(event.id for event in batch)

        async def write_all() -> None:
            await asyncio.gather(*(write((one, other)[number % 2]) for number in range(WRITERS)))
            writing.clear()

        async def read() -> list[str]:
            found: list[str] = []
            after = START
            while True:
                is_last = not writing.is_set()
                until = await reader.usage.latest()
                page = await reader.usage.stored(EVERYTHING, after=after, until=until, limit=10)
                found += [it.event.id for it in page]
                after = Place(page[-1].number, page[-1].event.id) if len(page) == 10 else Place(until + 1)
                if is_last and len(page) < 10:
                    return found
                await asyncio.sleep(0)

        _, found = await asyncio.gather(write_all(), read())
        assert len(found) == len(set(found)) == WRITERS * BATCHES * SIZE
        assert set(found) == set(written)


async def test_a_filter_takes_of_events_in_memory_what_the_store_finds(store: Store) -> None:
    """Those who watch are told what a list would show."""
    one = an_event(started_at=NOON)
    other = UsageEvent(
        id="req_other",
        request_id="other",
        project_id="prj_other",
        token_id="tok_other",
        model_served="other",
        upstream="other",
        endpoint="responses",
        status=429,
        error_code="rate_limited",
        started_at=LATER,
    )
    await store.usage.add([one, other])
    for where in (
        EVERYTHING,
        *(
            msgspec.structs.replace(EVERYTHING, **{name: values})
            for name in _WANTED
            for values in (
                (getattr(one, name),),
                (getattr(other, name),),
                (getattr(one, name), getattr(other, name)),
                ("neither",),
            )
        ),
        UsageFilter(start=LATER),
        UsageFilter(end=LATER),
        UsageFilter(start=NOON, end=LATER, upstream=("other",)),
        UsageFilter(streamed=True),
        UsageFilter(streamed=False),
        UsageFilter(statuses=((429, 430),)),
        UsageFilter(statuses=((400, 500), (504, 505))),
        UsageFilter(statuses=((200, 429), (430, 504))),
    ):
        found = await store.usage.list(where, limit=9)
        taken = {it.id for it in (one, other) if where.takes(it)}
        assert {it.id for it in found} == taken
        until = await store.usage.latest()
        stored = await store.usage.stored(where, after=START, until=until, limit=9)
        assert {it.event.id for it in stored} == taken
        behind = await store.usage.stored(where, after=Place(until), until=until, limit=9)
        assert {it.event.id for it in behind} == taken
        assert not await store.usage.stored(where, after=Place(until, "~"), until=until, limit=9)
