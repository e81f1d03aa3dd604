"""The console's requests begin a few at a time, of each address as many as of others."""

import asyncio

from tollkeeper_server.doors.pages import Page, Pages


def asked(pages: Pages, begun: list[str], *names: str) -> dict[str, Page]:
    """Ask for turns; the first part of a name is the address."""
    made: dict[str, Page] = {}
    for name in names:
        made[name] = pages.ask(name.partition("/")[0], lambda name=name: begun.append(name))  # type: ignore[misc]
    return made


async def until(begun: list[str], number: int) -> None:
    """Return when so many have begun."""
    async with asyncio.timeout(10):
        while len(begun) < number:  # noqa: ASYNC110 - they begin by timers
            await asyncio.sleep(0.001)


async def test_a_few_begin_at_once_and_others_when_these_are_done() -> None:
    pages, begun = Pages(), list[str]()
    made = asked(pages, begun, "a/1", "a/2", "a/3")
    assert begun == ["a/1", "a/2"]
    assert pages.waiting == 1
    made["a/1"].done()
    await until(begun, 3)
    assert pages.waiting == 0


async def test_short_ones_follow_each_other_and_then_all_rest_for_as_long() -> None:
    pages, begun, loop = Pages(), list[str](), asyncio.get_running_loop()
    began = loop.time()
    made = asked(pages, begun, *(f"a/{number}" for number in range(5)))
    while loop.time() < began + 0.02:  # these two take so long
        pass
    ended = loop.time()
    made["a/0"].done()
    made["a/1"].done()
    made |= asked(pages, begun, "b/1")  # who comes meanwhile rests, too
    await until(begun, 4)
    assert loop.time() - ended >= ended - began
    made["a/2"].done()
    assert begun == ["a/0", "a/1", "a/2", "b/1"]


async def test_addresses_take_turns() -> None:
    pages, begun = Pages(), list[str]()
    made = asked(pages, begun, "x/1", "x/2", "a/1", "a/2", "a/3", "b/1")
    made["x/1"].done()
    await until(begun, 3)
    made["a/1"].done()
    await until(begun, 4)
    assert begun[2:4] == ["a/1", "b/1"]


async def test_one_that_takes_long_does_not_hold_up_the_others() -> None:
    pages, begun = Pages(), list[str]()
    asked(pages, begun, *(f"a/{number}" for number in range(8)))
    await until(begun, 8)


async def test_one_that_is_given_up_does_not_begin() -> None:
    pages, begun = Pages(), list[str]()
    made = asked(pages, begun, "a/1", "a/2", "a/3", "a/4")
    made["a/3"].done()
    made["a/3"].done()
    assert pages.waiting == 1
    made["a/1"].done()
    made["a/2"].done()
    await until(begun, 3)
    assert begun == ["a/1", "a/2", "a/4"]
    assert pages.waiting == 0
