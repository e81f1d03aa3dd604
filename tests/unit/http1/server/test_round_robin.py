"""What waits is called a few at a time, of one address after the other."""

import asyncio

from tollkeeper_server.http1.server.round_robin import RoundRobin


async def until_called(called: list[str], number: int) -> int:
    """Return how many times the loop came round until so many were called."""
    turns = 0
    while len(called) < number:
        await asyncio.sleep(0)
        turns += 1
    return turns


async def test_the_loop_goes_on_after_a_few() -> None:
    waiting, called, loop = RoundRobin(3), list[str](), asyncio.get_running_loop()
    for number in range(30):
        waiting.join("192.0.2.1", lambda number=number: called.append(str(number)), loop)  # type: ignore[misc]
    assert await until_called(called, 30) >= 10
    assert called == [str(number) for number in range(30)]


async def test_one_address_does_not_wait_for_all_of_another() -> None:
    waiting, called, loop = RoundRobin(2), list[str](), asyncio.get_running_loop()
    for _ in range(100):
        waiting.join("192.0.2.1", lambda: called.append("many"), loop)
    waiting.join("192.0.2.2", lambda: called.append("one"), loop)
    waiting.join("2001:db8::1", lambda: called.append("another"), loop)
    waiting.join("2001:db8::2", lambda: called.append("its neighbour"), loop)
    await until_called(called, 103)
    assert called[:4] == ["many", "one", "another", "many"]
    assert called.index("its neighbour") == 4


async def test_who_joins_again_while_called_gets_no_second_turn_in_the_same_one() -> None:
    waiting, called, loop = RoundRobin(4), list[str](), asyncio.get_running_loop()

    def again() -> None:
        called.append("again")
        if len(called) < 20:
            waiting.join("192.0.2.1", again, loop)

    waiting.join("192.0.2.1", again, loop)
    assert await until_called(called, 20) >= 20
