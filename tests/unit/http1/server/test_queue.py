"""Requests take their turns, and every end of a connection follows the last answer."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.http1.server.wire import Case

REFUSED = {
    "": [],
    "no request": [b"garbage\r\n\r\n"],
    "no body": [b"POST /broken HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n", b"garbage\r\n"],
}


@given(st.lists(st.booleans(), max_size=12), st.sampled_from(sorted(REFUSED)), st.integers(0, 12))
def test_answers_come_in_order_and_the_end_comes_last(turns: list[bool], end: str, closing: int) -> None:
    """`turns` says after which requests everything is answered before the next one is asked."""

    async def run() -> None:
        case = Case()
        asked = ["/close" if number == closing else f"/{number}" for number in range(len(turns))]
        for path, waits in zip(asked, turns, strict=True):
            case.ask(path)
            if waits:
                await case.idle()
        for data in REFUSED[end]:
            case.feed(data)
        await case.idle()

        if "/close" in asked:
            assert case.wire.said == [*asked[: asked.index("/close") + 1], "close"]
        elif end:
            assert case.wire.said == [*asked, "400", "eof"]
            assert case.wire.reads
        else:
            assert case.wire.said == asked
            assert case.wire.reads
        case.end()

    asyncio.run(run())


def test_a_caller_that_leaves_is_owed_no_answer() -> None:
    async def run() -> None:
        case = Case()
        case.ask("/1")
        case.ask("/2")
        await asyncio.sleep(0)
        case.end()
        await case.idle()
        assert case.wire.said == []

    asyncio.run(run())


def test_what_waits_for_an_answer_is_not_read_and_soon_nothing_more_comes_in() -> None:
    async def run() -> None:
        case = Case()
        asked = [f"/{number}" for number in range(500)]
        for path in asked:
            case.ask(path)
        assert len(case.listener.tasks) == 1
        reads = [case.wire.reads]
        await case.idle()
        assert case.wire.said == asked
        assert [*reads, case.wire.reads] == [False, True]
        case.end()

    asyncio.run(run())


def test_nothing_is_answered_while_the_caller_takes_no_answers() -> None:
    async def run() -> None:
        case = Case()
        case.ask("/1")
        case.connection.pause_writing()
        for path in ("/2", "/3"):
            case.ask(path)
        await case.idle()
        assert case.wire.said == ["/1"]
        case.connection.resume_writing()
        await case.idle()
        assert case.wire.said == ["/1", "/2", "/3"]
        case.end()

    asyncio.run(run())
