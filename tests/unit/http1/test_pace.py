"""No turn of the event loop reads more than so much, and who reads little goes on first."""

import asyncio

from tollkeeper_server.http1.pace import BYTES_A_TURN, ReadPace

from tests.unit.http1.loop import FakeLoop

READ = 64 * 1024


async def test_readers_wait_once_a_turn_has_read_enough_whatever_the_time() -> None:
    turn, pace = FakeLoop(), ReadPace()
    for _ in range(3):
        size = 0
        while size < 4 * BYTES_A_TURN and not pace.is_over(READ, turn.loop):
            size += READ
            turn.now += 0.001  # timers that are set move it on
        assert BYTES_A_TURN - 2 * READ <= size < 3 * BYTES_A_TURN
        assert pace.is_over(READ, turn.loop)
        await asyncio.sleep(0)


async def test_each_turn_lets_few_read_on_and_all_in_the_end() -> None:
    loop, pace, read = asyncio.get_running_loop(), ReadPace(), list[int]()
    for number in range(100):
        pace.wait(READ, lambda number=number: read.append(number), loop)  # type: ignore[misc]  # its default
    before = 0
    while len(read) < 100:
        await asyncio.sleep(0)
        assert len(read) - before <= BYTES_A_TURN // READ
        before = len(read)
    assert read == [*range(100)]


async def test_who_reads_little_goes_on_first_and_who_reads_much_in_every_turn() -> None:
    loop, pace, read = asyncio.get_running_loop(), ReadPace(), list[str]()
    for _ in range(50):
        pace.wait(READ, lambda: read.append("much"), loop)
    for _ in range(400):
        pace.wait(100, lambda: read.append("little"), loop)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert "little" in read[:1]
    assert "much" in read
    assert read.count("much") <= 2 * BYTES_A_TURN // READ
