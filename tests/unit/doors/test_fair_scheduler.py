"""Work is done in slices, fairly among flows, and heavy work with pauses."""

import asyncio
from collections import Counter
from itertools import pairwise
from time import perf_counter

from tollkeeper_server.doors.fair_scheduler import SLICE_SECONDS, FairScheduler, Flow


def spin(seconds: float) -> None:
    end = perf_counter() + seconds
    while perf_counter() < end:
        pass


async def test_others_go_on_between_slices() -> None:
    """Of forty slices' work, no turn of the loop does more than a slice and what began in it."""
    scheduler, left, others = FairScheduler(asyncio.get_running_loop()), 200, 0

    def work() -> bool:
        nonlocal left
        spin(SLICE_SECONDS / 5)
        left -= 1
        return left > 0

    scheduler.add(Flow(), work)
    while left:
        await asyncio.sleep(0)
        others += 1
    assert others >= 30


async def test_who_asks_for_little_is_served_before_who_asks_for_much() -> None:
    scheduler, busy, done = FairScheduler(asyncio.get_running_loop()), Flow(), Counter[str]()

    def much() -> bool:
        spin(SLICE_SECONDS)
        done["much"] += 1
        return done["much"] < 50

    scheduler.add(busy, much)
    while done["much"] < 5:  # noqa: ASYNC110 - each turn of the loop does some of it
        await asyncio.sleep(0)
    before = done["much"]

    def little() -> bool:
        done["little"] = done["much"] - before
        return False

    scheduler.add(Flow(), little)
    while "little" not in done:  # noqa: ASYNC110 - as above
        await asyncio.sleep(0)
    assert done["little"] <= 3


async def test_who_has_many_connections_gets_the_turns_of_one() -> None:
    scheduler, many, done = FairScheduler(asyncio.get_running_loop()), Flow(), Counter[str]()

    def much() -> bool:
        spin(SLICE_SECONDS / 4)
        done["much"] += 1
        return False

    def little() -> bool:
        done["before"] = done["much"]
        done["little"] = 1
        return False

    for _ in range(300):
        scheduler.add(many, much)
    scheduler.add(Flow(), little)
    async with asyncio.timeout(20):
        while done["much"] < 300:  # noqa: ASYNC110 - each turn of the loop does some of it
            await asyncio.sleep(0)
    assert done["little"]
    assert done["before"] <= 5


async def test_a_request_begins_at_once_if_nobody_waits() -> None:
    scheduler = FairScheduler(asyncio.get_running_loop())
    async with asyncio.timeout(5):
        await scheduler.start(Flow())


async def test_requests_begin_one_after_the_other() -> None:
    """A thousand begin in hundreds of turns of the loop, so that others go on."""
    scheduler, begun, others = FairScheduler(asyncio.get_running_loop()), 0, 0

    async def ask() -> None:
        nonlocal begun
        await scheduler.start(Flow())
        begun += 1

    tasks = [asyncio.create_task(ask()) for _ in range(300)]
    while begun < 300:
        before = begun
        await asyncio.sleep(0)
        others += 1
        assert begun - before <= 3
    await asyncio.gather(*tasks)


async def test_one_who_gives_up_does_not_hold_up_the_others() -> None:
    scheduler = FairScheduler(asyncio.get_running_loop())
    asked = [asyncio.create_task(scheduler.start(Flow())) for _ in range(5)]
    await asyncio.sleep(0)
    asked[3].cancel()
    async with asyncio.timeout(5):
        await asyncio.gather(*asked, return_exceptions=True)
    assert [it.cancelled() for it in asked].count(True) == 1


async def test_heavy_work_leaves_pauses() -> None:
    scheduler, ran = FairScheduler(asyncio.get_running_loop()), list[float]()

    def work() -> None:
        ran.append(perf_counter())
        spin(0.005)

    for _ in range(3):
        scheduler.add_heavy(work)
    async with asyncio.timeout(10):
        while len(ran) < 3:  # noqa: ASYNC110 - it is done by timers
            await asyncio.sleep(0.001)
    assert all(later - earlier >= 0.02 for earlier, later in pairwise(ran))
