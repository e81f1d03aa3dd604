"""Places for calls of strangers: few are taken at once, and nobody is kept out by those who stay."""

import asyncio

import pytest
from tollkeeper_server.doors.grpc_reading import Places
from tollkeeper_server.errors import Reason, TollkeeperError

MOST = 3


class Crowd:
    """Callers who take a place, and leave it when they are told."""

    def __init__(self, *, seconds: float | None = None) -> None:
        self.places = Places(MOST, "waiting", seconds=seconds)
        self.at_once = self.most = 0
        self.over, self.full = asyncio.Event(), asyncio.Event()
        self.served: list[str] = []

    async def stay(self, name: str) -> None:
        """Take a place until all is over."""
        async with self.places.taken():
            self.at_once += 1
            self.most = max(self.most, self.at_once)
            self.served.append(name)
            if len(self.served) == 6:
                self.full.set()
            try:
                await asyncio.sleep(0)
                await self.over.wait()
            finally:
                self.at_once -= 1

    def come(self, *names: str) -> list[asyncio.Task[None]]:
        """Have callers come one after the other."""
        return [asyncio.create_task(self.stay(name)) for name in names]


async def test_who_comes_while_all_places_are_kept_is_served_before_those_who_came_earlier() -> None:
    crowd = Crowd()
    tasks = crowd.come(*"abcdef")
    await asyncio.wait_for(crowd.full.wait(), 10)
    assert crowd.served == [*"abc", *"fed"]
    assert crowd.most == MOST
    crowd.over.set()
    ends = await asyncio.gather(*tasks, return_exceptions=True)
    for evicted in ends[:3]:
        assert isinstance(evicted, TollkeeperError)
        assert evicted.reason is Reason.RATE_LIMIT_EXCEEDED
    assert ends[3:] == [None, None, None]


async def test_those_who_leave_by_themselves_are_all_served() -> None:
    crowd = Crowd()
    crowd.over.set()
    await asyncio.gather(*crowd.come(*map(str, range(1000))))
    assert crowd.most == MOST
    assert len(crowd.served) == 1000


async def test_a_place_is_kept_for_its_time_at_the_most() -> None:
    crowd = Crowd(seconds=0.01)
    for end in await asyncio.gather(*crowd.come(*map(str, range(10))), return_exceptions=True):
        assert isinstance(end, TollkeeperError)
    assert crowd.most == MOST
    crowd.over.set()
    crowd.served.clear()
    await asyncio.gather(*crowd.come(*"xyz"))
    assert crowd.served == [*"xyz"]


@pytest.mark.parametrize("turn", [0, 1, 2, 3])
async def test_who_gives_up_takes_no_place_along(turn: int) -> None:
    crowd = Crowd()
    tasks = crowd.come(*"abcdef")
    for _ in range(turn):
        await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    crowd.served.clear()
    crowd.over.set()
    await asyncio.gather(*crowd.come(*"xyz"))
    assert crowd.served == [*"xyz"]


async def test_who_is_handed_a_place_and_gives_up_hands_it_on() -> None:
    crowd = Crowd()
    first = crowd.come(*"abc")
    await asyncio.sleep(0)
    second = crowd.come(*"def")
    await asyncio.sleep(0)
    for task in (*first, second[-1]):  # the place that is left is f's, who leaves at the same moment
        task.cancel()
    await asyncio.gather(*first, return_exceptions=True)
    crowd.over.set()
    await asyncio.gather(*second[:2])
    assert sorted(crowd.served) == [*"abcde"]
