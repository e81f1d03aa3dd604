"""A round: callers ask all the while, one mishap comes after the other, and then the books are balanced."""

import asyncio
from random import Random

from tests.chaos.books import Books, balanced
from tests.chaos.crowd import Crowd
from tests.chaos.mishaps import MISHAPS, Mishap
from tests.chaos.town import Town

_CALM = 0.5
"""Seconds before, between and after mishaps."""


def mishaps_of(seed: int, number: int) -> list[Mishap]:
    """Return what goes wrong in a round."""
    chance = Random(f"{seed} {number}")
    # Each comes in every few rounds, whatever the chance.
    return [MISHAPS[number % len(MISHAPS)], *chance.choices(MISHAPS, k=chance.randrange(1, 3))]


def run_round(town: Town, seed: int, number: int) -> Books:
    """Run a round and return its books. Raises `BrokenError` if they do not balance."""
    chance = Random(f"{seed} {number}")
    amount = chance.choice([50, 200, 600])
    minted = town.mint(amount)
    town.simulator.clear()
    crowd = Crowd(f"round-{number}", minted.token, chance)
    mishaps = mishaps_of(seed, number)
    asyncio.run(_happen(town, crowd, mishaps, chance))
    return balanced(town, crowd, minted, amount, mishaps)


async def _happen(town: Town, crowd: Crowd, mishaps: list[Mishap], chance: Random) -> None:
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(crowd.ask(town))
        try:
            for mishap in mishaps:
                await asyncio.sleep(_CALM)
                await asyncio.to_thread(mishap, town, chance)
            await asyncio.sleep(_CALM)
        finally:
            crowd.over.set()
