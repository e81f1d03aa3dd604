"""What a store promises about spending on budgets: it is what the stored events say, each counted once."""

import asyncio
import random
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec
import pytest
from tollkeeper_server.domain.limit import Charge, calendar_name
from tollkeeper_server.domain.usage import Confidence, TokenCounts, UsageEvent, UsageFilter, less_sure
from tollkeeper_server.ledger.drain import Drain
from tollkeeper_server.ledger.journal import Journal
from tollkeeper_server.store.ports import Store

from tests.contract.conftest import opened
from tests.contract.entities import an_event
from tests.unit.ledger.parts import DEADLINE, crash, intent, settled

KEYS = ("money:day:token:tok_1", "tokens:month@Europe/Berlin:model:größe", "requests:total:gateway:")
OWNERS = ("one", "two", "three")
Place = tuple[str, int]


def charges(chance: random.Random) -> tuple[Charge, ...]:
    """Return what some request has used of some budgets."""
    keys = chance.sample(KEYS, chance.randrange(len(KEYS) + 1))
    return tuple(Charge(key, chance.choice([0, 86_400]), chance.choice([0, 1, 7, 2**40])) for key in keys)


def sums(events: Iterable[UsageEvent]) -> dict[Place, int]:
    """Return what events charge, by key and period."""
    found = Counter[Place]()
    for event in events:
        for charge in event.charges:
            found[charge.key, charge.period] += charge.amount
    return {place: amount for place, amount in found.items() if amount}


async def spent(store: Store) -> dict[Place, int]:
    """Return what is spent, by key and period."""
    found = await store.ledger.spent()
    assert len({(charge.key, charge.period) for charge in found}) == len(found)
    assert [charge.period for charge in found] == sorted(charge.period for charge in found)
    return {(charge.key, charge.period): charge.amount for charge in found if charge.amount}


async def stored(store: Store) -> list[UsageEvent]:
    """Return all events."""
    return await store.usage.list(UsageFilter(), limit=10_000)


class Model:
    """What is to be stored, and spent by whom."""

    def __init__(self) -> None:
        self.events: dict[str, UsageEvent] = {}
        self.spent = {owner: Counter[Place]() for owner in OWNERS}

    def add(self, events: Sequence[UsageEvent], owner: str) -> None:
        for event in events:
            known = self.events.get(event.id)
            if known is None or (
                event.amends and known.tokens.confidence in less_sure(event.tokens.confidence)
            ):
                before = known.charges if known is not None else ()
                after = event.charges or before
                for sign, charges in ((-1, before), (1, after)):
                    for charge in charges:
                        self.spent[owner][charge.key, charge.period] += sign * charge.amount
                self.events[event.id] = msgspec.structs.replace(event, charges=after)


def some_event(chance: random.Random, ids: Sequence[str]) -> UsageEvent:
    """Return an event of one of these ids, that amends or not."""
    tokens = TokenCounts(prompt=chance.randrange(9), confidence=chance.choice([*Confidence]))
    return msgspec.structs.replace(
        an_event(),
        id=chance.choice(ids),
        tokens=tokens,
        amends=chance.random() < 0.5,
        charges=charges(chance),
    )


@pytest.mark.parametrize("seed", range(4))
async def test_every_id_is_counted_once(store: Store, seed: int) -> None:
    """Whoever writes it, in whatever order, again, within one batch or amended, before or after."""
    chance, model = random.Random(seed), Model()
    ids = [an_event().id for _ in range(25)]
    for _ in range(30):
        batch = [some_event(chance, ids) for _ in range(chance.randrange(1, 9))]
        owner = chance.choice(OWNERS)
        await store.usage.add(batch, owner=owner)
        model.add(batch, owner)
        if chance.random() < 0.3:
            await store.usage.add(batch, owner=chance.choice(OWNERS))
    found = await stored(store)
    assert {event.id: event.charges for event in found} == {
        event.id: event.charges for event in model.events.values()
    }
    in_all = sums(found)
    assert await spent(store) == in_all
    for place in in_all:
        for owner, own in model.spent.items():
            assert await store.ledger.spent_by_others(*place, [owner]) == in_all[place] - own[place]
            found_own = await store.ledger.spent([place[0]], owner=owner)
            assert {it.period: it.amount for it in found_own}.get(place[1], 0) == own[place]
        assert await store.ledger.spent_by_others(*place, OWNERS) == 0
        assert await store.ledger.spent_by_others(*place, []) == in_all[place]


async def test_writers_at_the_same_time_count_every_id_once(store: Store, store_url: str) -> None:
    chance = random.Random(1)
    ids = [an_event().id for _ in range(12)]
    batches = [[some_event(chance, ids) for _ in range(6)] for _ in range(16)]
    async with opened(store_url) as other:
        await asyncio.gather(
            *(
                (store, other)[number % 2].usage.add(batch, owner=OWNERS[number % 2])
                for number, batch in enumerate(batches)
            )
        )
    assert await spent(store) == sums(await stored(store))


async def test_a_large_batch_is_counted_whole(store: Store) -> None:
    key = KEYS[0]
    events = [msgspec.structs.replace(an_event(), charges=(Charge(key, 0, n),)) for n in range(701)]
    await store.usage.add(events[:50], owner="one")
    await store.usage.add(events, owner="two")
    assert await spent(store) == {(key, 0): 700 * 701 // 2}
    assert await store.ledger.spent_by_others(key, 0, ["two"]) == 49 * 50 // 2


async def test_some_keys_are_read(store: Store) -> None:
    event = msgspec.structs.replace(an_event(), charges=tuple(Charge(key, 0, 5) for key in KEYS))
    await store.usage.add([event], owner="one")
    assert await store.ledger.spent(KEYS[:1]) == [Charge(KEYS[0], 0, 5)]
    assert await store.ledger.spent([]) == []
    assert await store.ledger.spent(["money:day:token:other"]) == []
    assert await store.ledger.spent_by_others("money:day:token:other", 0, []) == 0
    assert await store.ledger.calendars() == {calendar_name(key) for key in KEYS}


async def test_records_of_past_periods_of_a_calendar_are_removed(store: Store) -> None:
    """Some at a time, and of no other calendar; what comes later to such a period is counted again."""
    day, month, total = KEYS
    charged = [Charge(day, period, 1) for period in range(5)] + [Charge(month, 0, 1), Charge(total, 0, 1)]
    event = msgspec.structs.replace(an_event(), charges=tuple(charged))
    await store.usage.add([event], owner="one")
    removed: list[int] = []
    while removed[-1:] != [0]:
        removed.append(await store.ledger.delete_before("day", 3, limit=2))
    assert removed == [2, 1, 0]
    assert await spent(store) == {(day, 3): 1, (day, 4): 1, (month, 0): 1, (total, 0): 1}
    late = msgspec.structs.replace(an_event(), charges=(Charge(day, 1, 3),))
    await store.usage.add([late, event], owner="one")
    assert await store.ledger.spent_by_others(day, 1, []) == 3


DAY = 86_400


async def own(store: Store, key: str, owners: Iterable[str]) -> dict[str, int]:
    """Return what each owner has spent of a budget, by its own records."""
    found = {owner: await store.ledger.spent([key], owner=owner) for owner in owners}
    return {owner: sum(it.amount for it in charges) for owner, charges in found.items() if charges}


async def test_what_dead_processes_have_spent_in_total_is_summed_up(store: Store, store_url: str) -> None:
    """By several at once, some at a time. No sum changes, and who lives, or is a member, keeps its own."""
    day, _, total = KEYS
    dead = [f"dead-{number}" for number in range(7)]
    for number, owner in enumerate((*dead, "member", "living")):
        charged = (Charge(total, 0, 2**number), Charge(day, 0, 1))
        await store.usage.add([msgspec.structs.replace(an_event(), charges=charged)], owner=owner)

    async def in_all() -> tuple[dict[Place, int], list[int]]:
        excluded: list[tuple[str, ...]] = [(), ("member",), ("member", "living")]
        return await spent(store), [await store.ledger.spent_by_others(total, 0, it) for it in excluded]

    before = await in_all()
    async with opened(store_url) as other:
        for step in range(14):
            at = step * DAY
            await asyncio.gather(
                *(
                    it.ledger.fold(name, at, before=at - 3 * DAY, members=("member",), limit=3)
                    for it, name in ((store, "living"), (other, "another"))
                )
            )
            assert await in_all() == before
            if step <= 3:
                assert await own(store, total, dead) == {it: 2**at for at, it in enumerate(dead)}
    assert await own(store, total, ["", *dead, "member", "living"]) == {
        "": 2**7 - 1,
        "member": 2**7,
        "living": 2**8,
    }
    assert len(await own(store, day, dead)) == len(dead)


async def test_a_process_that_was_taken_for_dead_goes_on(store: Store) -> None:
    key = KEYS[2]
    for at in range(5):
        event = msgspec.structs.replace(an_event(), charges=(Charge(key, 0, 5),))
        await store.usage.add([event], owner="one")
        await store.ledger.fold("other", at * DAY, before=at * DAY, members=(), limit=9)
        assert await spent(store) == {(key, 0): 5 * (at + 1)}


async def test_the_journal_of_a_dead_process_is_counted_once_by_whoever_stores_it(
    store: Store, tmp_path: Path
) -> None:
    """What it had stored is its own; what it had not is its heir's, and what was under way what it held."""
    key = KEYS[0]
    dead = Journal(tmp_path)
    for number in range(20):
        dead.begin(intent(f"{number:02}", holds=(Charge(key, 0, 100),)))
        if number < 15:
            dead.settle(settled(f"{number:02}", charges=(Charge(key, 0, number),)))
    for part in (dead.read(9), dead.read(9)[:5]):
        await store.usage.add(part, owner=dead.name)  # and dies before it has noted so
    crash(dead)
    heir = Journal(tmp_path)
    drain = Drain(heir, store.usage, batch=4, interval=0.001)
    drain.start()
    assert await drain.flush(DEADLINE)
    await drain.close()
    assert await spent(store) == {(key, 0): sum(range(15)) + 5 * 100} == sums(await stored(store))
    assert await store.ledger.spent_by_others(key, 0, [heir.name]) == sum(range(9))
    heir.close()
