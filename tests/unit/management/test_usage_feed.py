"""Those who watch are told of every stored event once, in one order, and of what was left out."""

import asyncio
from collections.abc import AsyncGenerator, Iterable
from contextlib import AsyncExitStack, aclosing

import pytest
from tollkeeper_server.domain.usage import Confidence, TokenCounts, UsageFilter
from tollkeeper_server.errors import Reason, TollkeeperError
from tollkeeper_server.management.usage_feed import News, UsageFeed
from tollkeeper_server.management.usage_names import Directory, Names

from tests.unit.management.plane import Plane
from tests.unit.management.test_usage import event

ALL = UsageFilter()
SECONDS = 20.0


async def told(watch: AsyncGenerator[News], number: int) -> list[str]:
    """Return the request ids of the next events, which are so many."""
    found: list[str] = []
    async with asyncio.timeout(SECONDS):
        while len(found) < number:
            found += [it.request_id for it in (await anext(watch)).events]
    return found


def feed(plane: Plane, *, kept: int = 100, heartbeat: float = SECONDS) -> UsageFeed:
    """Return a feed that looks often."""
    return plane.feed(kept=kept, heartbeat=heartbeat)


async def test_what_is_stored_from_now_on_is_told(plane: Plane) -> None:
    await plane.store.usage.add([event(1)])
    async with aclosing(feed(plane).watch(ALL)) as watch:
        assert not (await anext(watch)).events
        await plane.store.usage.add([event(3), event(2)])
        await plane.store.usage.add([event(0)])
        assert await told(watch, 3) == ["r2", "r3", "r0"]


async def test_a_filter_leaves_out_the_others(plane: Plane) -> None:
    async with aclosing(feed(plane).watch(UsageFilter(model_served=("wanted",)))) as watch:
        await anext(watch)
        await plane.store.usage.add([event(1), event(2, model_served="wanted"), event(3)])
        assert await told(watch, 1) == ["r2"]


@pytest.mark.parametrize("taken", [0, 1, 2, 20])
async def test_a_watch_goes_on_exactly_behind_its_last_message(plane: Plane, taken: int) -> None:
    seen: list[str] = []
    usage = feed(plane)
    async with aclosing(usage.watch(ALL)) as watch:
        last = (await anext(watch)).last_id
        await plane.store.usage.add([event(number) for number in range(30, 60)])
        while len(seen) < taken:
            news = await anext(watch)
            seen += [it.request_id for it in news.events]
            last = news.last_id
    await plane.store.usage.add([event(number) for number in range(30)])
    async with aclosing(usage.watch(ALL, last)) as watch:
        await anext(watch)
        seen += await told(watch, 60 - len(seen))
        await plane.store.usage.add([event(60)])
        seen += await told(watch, 1)
    assert seen == [f"r{number}" for number in [*range(30, 60), *range(30), 60]]


async def test_more_than_is_kept_is_read_from_the_store(plane: Plane) -> None:
    await plane.store.usage.add([event(0)])
    for start in range(1, 1201, 300):
        await plane.store.usage.add([event(number) for number in range(start, start + 300)])
    async with aclosing(feed(plane, kept=10).watch(ALL, event(0).id)) as watch:
        assert await told(watch, 1200) == [f"r{number}" for number in range(1, 1201)]
        await plane.store.usage.add([event(1201)])
        assert await told(watch, 1) == ["r1201"]


async def test_who_reads_too_slowly_is_told_how_many_were_left_out(plane: Plane) -> None:
    usage = feed(plane, kept=10)
    async with (
        aclosing(usage.watch(UsageFilter(model_served=("wanted",)))) as slow,
        aclosing(usage.watch(ALL)) as quick,
    ):
        await anext(slow)
        await anext(quick)
        for number in range(40):
            model = "wanted" if number % 2 else "other"
            await plane.store.usage.add([event(number, model_served=model)])
            assert await told(quick, 1) == [f"r{number}"]
        news = await anext(slow)
        assert news.dropped + len(news.events) == 20
        assert [it.request_id for it in news.events] == ["r31", "r33", "r35", "r37", "r39"]
        assert usage.dropped == news.dropped


async def test_surer_counts_are_told_and_told_again_behind_an_event(plane: Plane) -> None:
    pending = event(1, tokens=TokenCounts(prompt=1, confidence=Confidence.PENDING))
    surer = event(1, tokens=TokenCounts(prompt=7, confidence=Confidence.EXACT), amends=True)
    async with aclosing(feed(plane).watch(ALL)) as watch:
        await anext(watch)
        await plane.store.usage.add([pending, event(2)])
        assert await told(watch, 2) == ["r1", "r2"]
        await plane.store.usage.add([surer])
        (amended,) = (await anext(watch)).amended
        assert (amended.request_id, amended.tokens.prompt) == ("r1", 7)
    async with aclosing(feed(plane).watch(ALL, event(2).id)) as watch:
        await anext(watch)
        news = await anext(watch)
        assert ([it.request_id for it in news.amended], news.events) == (["r1"], [])


async def test_an_empty_message_says_that_the_watch_goes_on(plane: Plane) -> None:
    async with aclosing(feed(plane, heartbeat=0.01).watch(ALL)) as watch:
        first = await anext(watch)
        assert await anext(watch) == first == News(last_id="0")


@pytest.mark.parametrize("after", ["req_unknown", "7"])
async def test_a_place_that_the_store_does_not_have_is_refused(plane: Plane, after: str) -> None:
    async with aclosing(feed(plane).watch(ALL, after)) as watch:
        with pytest.raises(TollkeeperError) as caught:
            await anext(watch)
    assert (caught.value.reason, caught.value.field) == (Reason.NOT_FOUND, "after_id")


async def test_nothing_is_read_while_nobody_watches(plane: Plane) -> None:
    usage = feed(plane)
    async with aclosing(usage.watch(ALL)) as watch:
        await anext(watch)
    await plane.store.close()  # reading would fail from here on
    usage.look()
    await asyncio.sleep(0)
    assert not [task for task in asyncio.all_tasks() if task.get_name() == "usage-feed"]


async def test_those_who_watch_leave_the_event_loop_to_others_between_messages(plane: Plane) -> None:
    usage, loop, turns = feed(plane, kept=1000), asyncio.get_running_loop(), 0

    def count() -> None:
        nonlocal turns
        turns += 1
        loop.call_soon(count)

    async def watch() -> int:
        messages = read = 0
        async with aclosing(usage.watch(ALL, event(0).id)) as watched:
            async for news in watched:
                messages += 1
                read += len(news.events)
                if read == 320:
                    return messages
        raise AssertionError

    await plane.store.usage.add([event(0)])
    await plane.store.usage.add([event(number) for number in range(1, 321)])
    loop.call_soon(count)
    async with asyncio.timeout(SECONDS):
        messages = await asyncio.gather(watch(), watch(), watch())
    assert turns >= sum(messages) >= 60


async def test_names_are_looked_up_once_for_all_who_watch(plane: Plane) -> None:
    class Counting(Directory):
        looks = 0

        async def names(self, project_ids: Iterable[str], token_ids: Iterable[str]) -> Names:
            self.looks += 1
            return await super().names(project_ids, token_ids)

    project = await plane.project("Search")
    directory = Counting(plane.store.configuration, plane.store.tokens)
    usage = UsageFeed(plane.store.usage, directory, interval=0.01)
    stored = [event(number, project_id=project.id) for number in range(3)]
    async with AsyncExitStack() as stack:
        watches = [await stack.enter_async_context(aclosing(usage.watch(ALL))) for _ in range(5)]
        for watch in watches:
            await anext(watch)
        await plane.store.usage.add(stored)
        for watch in watches:
            news = await anext(watch)
            assert news.names == Names({project.id: "Search"}, {stored[0].token_id: ""})
    assert directory.looks == 1
    async with aclosing(usage.watch(ALL, stored[0].id)) as watch:
        await anext(watch)
        news = await anext(watch)
        assert (len(news.events), news.names.projects) == (2, {project.id: "Search"})
