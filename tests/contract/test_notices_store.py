"""What a store promises about notices of budgets, and about finding the tokens that have limits."""

import asyncio
from datetime import timedelta

from msgspec import structs
from tollkeeper_server.domain.limit import Limit, Measure
from tollkeeper_server.domain.period import Period
from tollkeeper_server.store.ports import Store

from tests.contract.entities import NOON, a_notice, a_token

BUDGET = Limit(measure=Measure.MONEY, amount=25_000_000_000, period=Period.DAY, zone="Europe/Berlin")


async def test_of_a_budget_a_period_an_amount_and_a_threshold_there_is_one(store: Store) -> None:
    assert await store.notices.add(a_notice(1))
    assert not await store.notices.add(a_notice(2))
    assert await store.notices.add(a_notice(3, percent=95))
    assert await store.notices.add(a_notice(4, period=172_800))
    assert await store.notices.add(structs.replace(a_notice(5), key="money:day:gateway:"))
    raised = structs.replace(a_notice(6).limit, amount=a_notice(6).limit.amount * 2)
    assert await store.notices.add(structs.replace(a_notice(6), limit=raised))
    assert [it.id[-1] for it in await store.notices.list(limit=9)] == ["6", "5", "4", "3", "1"]


async def test_of_many_at_once_one_is_added(store: Store) -> None:
    added = await asyncio.gather(*(store.notices.add(a_notice(number)) for number in range(8)))
    assert added.count(True) == 1
    (kept,) = await store.notices.list(limit=9)
    assert kept == a_notice(added.index(True))


async def test_notices_are_listed_in_pages_newest_first(store: Store) -> None:
    notices = [a_notice(number, period=number) for number in range(1, 6)]
    for notice in notices:
        await store.notices.add(notice)
    first = await store.notices.list(limit=2)
    rest = await store.notices.list(before=first[-1].id, limit=9)
    assert [*first, *rest] == notices[::-1]


async def test_old_ones_are_removed_but_for_those_in_total(store: Store) -> None:
    for number in range(1, 5):
        await store.notices.add(a_notice(number, period=number))
    await store.notices.add(structs.replace(a_notice(0), id="ntc_0", period=0))
    assert await store.notices.delete_before(NOON + timedelta(seconds=4), limit=2) == 2
    assert await store.notices.delete_before(NOON + timedelta(seconds=4), limit=9) == 1
    assert {it.period for it in await store.notices.list(limit=9)} == {0, 4}
    assert not await store.notices.add(a_notice(9, period=0))


async def test_tokens_with_limits_those_used_latest_first(store: Store) -> None:
    limited = [
        structs.replace(a_token(), limits=(BUDGET,), last_used_at=used)
        for used in (None, NOON, NOON + timedelta(seconds=1))
    ]
    for token in (*limited, structs.replace(a_token(), limits=(), last_used_at=NOON + timedelta(days=1))):
        await store.tokens.add(token)
    assert await store.tokens.limited(limit=9) == limited[::-1]
    assert await store.tokens.limited(limit=1) == limited[-1:]

    await store.tokens.replace(structs.replace(limited[2], limits=(), revision=2), expected=1)
    assert await store.tokens.limited(limit=9) == limited[1::-1]
