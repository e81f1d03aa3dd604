"""Where many upstreams send at once, each connection has its turn, and few bytes are kept until then."""

import asyncio

import pytest
from tollkeeper_server.http1.client.answer import HELD_BYTES
from tollkeeper_server.http1.pace import BYTES_A_TURN

from tests.unit.http1.client.exchange import Case, read

HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
FIRST, SECOND, LAST = b"2\r\nab\r\n", b"2\r\ncd\r\n", b"0\r\n\r\n"


def is_paused(case: Case) -> bool:
    """Whether the upstream is made to wait."""
    return case.wire.paused


def waiting() -> Case:
    """Return a connection that waits: its first bytes came in a turn that has read enough."""
    case = Case()
    case.feed(HEAD)
    case.connection._pace.is_over(3 * BYTES_A_TURN, asyncio.get_running_loop())
    case.feed(FIRST)
    return case


async def test_few_bytes_before_their_turn_are_kept_and_the_upstream_goes_on() -> None:
    case = waiting()
    case.feed(SECOND)
    assert not is_paused(case)
    assert case.answer._take_held() == b"ab"
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    case.feed(LAST)
    assert (await read(case.answer))[2] == b"cd"
    assert case.owner.kept == [case.connection]


async def test_an_upstream_waits_that_sends_much_before_its_turn() -> None:
    case = waiting()
    much = b"1388\r\n" + b"x" * 5000 + b"\r\n"
    case.feed(much)
    assert is_paused(case)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not is_paused(case)
    case.feed(LAST)
    assert (await read(case.answer))[2] == b"ab" + b"x" * 5000


@pytest.mark.parametrize("clean", [True, False])
async def test_what_came_before_its_turn_is_read_though_the_connection_ends(clean: bool) -> None:
    case = waiting()
    case.feed(SECOND + (LAST if clean else b""))
    case.end()
    _, _, body, problem = await read(case.answer)
    assert body == b"abcd"
    assert problem == ("" if clean else "CutError: the upstream closed the connection")


async def test_an_answer_that_rests_reads_no_more_until_it_is_passed_on() -> None:
    case = Case()
    case.feed(HEAD + FIRST)
    case.answer.rest()
    case.answer.rest()
    assert not is_paused(case)
    case.feed(SECOND)
    assert is_paused(case)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert case.answer._size == len(b"ab")
    case.answer.go_on()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not is_paused(case)
    case.feed(LAST)
    assert (await read(case.answer))[2] == b"abcd"


async def test_an_answer_that_rests_and_is_full_reads_on_once_it_was_taken() -> None:
    case = Case()
    case.feed(HEAD + b"%x\r\n" % (HELD_BYTES + 10) + b"x" * (HELD_BYTES + 1))
    case.answer.rest()
    case.answer.go_on()
    assert is_paused(case)
    await anext(case.answer)
    assert not is_paused(case)


async def test_an_answer_that_is_whole_does_not_rest() -> None:
    case = Case()
    case.feed(HEAD + FIRST + LAST)
    case.answer.rest()
    case.answer.go_on()
    assert not is_paused(case)
    assert case.answer.whole_body() == b"ab"


async def test_what_came_before_its_turn_is_dropped_with_an_answer_that_is_given_up() -> None:
    case = waiting()
    case.feed(SECOND)
    case.answer.close()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert case.wire.closed
    assert (await read(case.answer))[2] == b""
