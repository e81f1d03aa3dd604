"""Turns at look-ups: a network has so many, those beyond wait, and no network waits for another."""

import asyncio
from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st
from tollkeeper_server.coordination.turns import PER_NETWORK, Turns


async def test_those_beyond_the_bound_come_in_their_order_and_others_at_once() -> None:
    turns = Turns()
    taken: list[int] = []

    async def take(number: int) -> None:
        await turns.take("a")
        taken.append(number)

    waiting = [asyncio.create_task(take(number)) for number in range(PER_NETWORK + 3)]
    await asyncio.sleep(0)
    assert taken == [*range(PER_NETWORK)]
    async with asyncio.timeout(0):
        await turns.take("b")
    for more in range(1, 4):
        turns.give("a")
        await waiting[PER_NETWORK + more - 1]
        assert taken == [*range(PER_NETWORK + more)]


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from(["take", "give", "leave"])), max_size=120))
async def test_whatever_comes_and_goes_nothing_is_left(steps: list[tuple[str, str]]) -> None:
    turns = Turns()
    takers: dict[str, list[asyncio.Task[None]]] = {"a": [], "b": []}
    for network, step in steps:
        here = takers[network]
        if step == "take":
            here.append(asyncio.create_task(turns.take(network)))
        elif step == "give" and any(it.done() for it in here):
            here.remove(next(it for it in here if it.done()))
            turns.give(network)
        elif here and not here[-1].done():
            here.pop().cancel()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        for those in takers.values():
            assert sum(it.done() for it in those) == min(len(those), PER_NETWORK)
    for network, here in takers.items():
        for taker in here:
            with suppress(asyncio.CancelledError):
                await taker
            turns.give(network)
    assert not len(turns)
