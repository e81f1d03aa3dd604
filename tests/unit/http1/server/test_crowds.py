"""What many callers send at the same moment is read by and by; others have their turns in between."""

import asyncio
from itertools import pairwise

from tollkeeper_server.http1.pace import ReadPace

from tests.unit.http1.loop import FakeLoop
from tests.unit.http1.server.wire import Case

CALLERS = 150
# Beginning a request takes a tenth of a millisecond or two.
MOST_AT_ONCE = 70


def crowd() -> list[Case]:
    """Return connections of one listener whose callers have shown a token."""
    loop, reads = FakeLoop(), ReadPace()  # its time stands still, as uvloop's does within a turn
    cases = [Case(loop.loop) for _ in range(CALLERS)]
    for case in cases:
        case.listener.bounds.reads = reads
        case.connection.is_known = True
    return cases


async def test_of_requests_that_come_at_once_few_begin_in_a_turn() -> None:
    cases = crowd()
    for case in cases:
        case.ask("/1")
    begun = [0]
    while begun[-1] < CALLERS:
        begun.append(sum(bool(case.listener.tasks or case.wire.said) for case in cases))
        await asyncio.sleep(0)
    assert max(after - before for before, after in pairwise(begun)) <= MOST_AT_ONCE
    for case in cases:
        await case.idle()
        assert case.wire.said == ["/1"]
        assert case.wire.reads
        case.end()


async def test_a_caller_in_a_crowd_that_sends_on_is_answered_in_order() -> None:
    cases = crowd()
    for number in (1, 2, 3):
        for case in cases:
            case.ask(f"/{number}")
    for case in cases:
        await case.idle()
        assert case.wire.said == ["/1", "/2", "/3"]
        assert case.wire.reads
        case.end()


async def test_a_caller_without_a_token_waits_with_what_it_sends_before_its_turn() -> None:
    case = Case()
    reads = []
    for number in (1, 2, 3):
        case.ask(f"/{number}")
        reads.append(case.wire.reads)  # most send one request, and pausing would cost more than to read it
    await case.idle()
    assert [*reads, case.wire.reads] == [True, True, False, True]
    assert case.wire.said == ["/1", "/2", "/3"]
    case.end()


async def test_what_has_come_before_a_turn_keeps_the_connection_from_being_closed() -> None:
    loop = FakeLoop()
    case = Case(loop.loop)
    case.feed(b"\r\n")
    case.feed(b"GET /1 HTTP/1.1\r\nhost: a\r\n\r\n")
    loop.move_on(11)
    await case.idle()
    assert case.wire.said == ["/1"]
    case.end()
