"""How long a caller may take for what (`LIMITS` in wire.py), on a clock of the test's own."""

import pytest

from tests.unit.http1.loop import FakeLoop
from tests.unit.http1.server.wire import LIMITS, Case


class Timed(Case):
    """A connection whose time is the test's."""

    def __init__(self) -> None:
        self.loop = FakeLoop()
        super().__init__(self.loop.loop)

    def wait(self, seconds: float) -> list[str]:
        """Let time go by; return what the server has done so far."""
        self.loop.move_on(seconds)
        return self.wire.said


async def test_the_first_head_has_its_time_from_connecting() -> None:
    case = Timed()
    assert case.wait(9) == []
    case.feed(b"GET ")
    await case.idle()
    assert case.wait(0.9) == []
    assert case.wait(0.2) == ["408", "eof"]
    case.end()


async def test_a_caller_that_sends_nothing_is_closed_without_a_word() -> None:
    case = Timed()
    assert case.wait(9.9) == []
    assert case.wait(0.2) == ["close"]
    case.end()


async def test_a_later_head_has_its_time_from_its_first_byte_and_no_more() -> None:
    case = Timed()
    case.ask("/1")
    await case.idle()
    assert case.wait(74) == ["/1"]
    case.feed(b"GET / HTTP/1.1\r\nhost: a\r\n")
    for _ in range(9):
        assert case.wait(1) == ["/1"]
        case.feed(b"a: b\r\n")
        await case.idle()  # a turn gives no more time
    assert case.wait(1.1) == ["/1", "408", "eof"]
    case.end()


async def test_a_head_that_comes_during_an_answer_has_its_time_from_the_answers_end() -> None:
    case = Timed()
    case.ask("/1")
    case.feed(b"GET ")
    assert case.wait(100) == []
    await case.idle()
    assert case.wait(9.9) == ["/1"]
    assert case.wait(0.2) == ["/1", "408", "eof"]
    case.end()


async def test_an_idle_connection_is_kept_for_its_time_after_each_answer() -> None:
    case = Timed()
    for path in ("/1", "/2"):
        assert "close" not in case.wait(9)
        case.ask(path)
        assert "close" not in case.wait(1000)
        await case.idle()
    assert case.wait(74.9) == ["/1", "/2"]
    assert case.wait(0.2) == ["/1", "/2", "close"]
    case.end()


async def test_a_connection_whose_caller_has_just_sent_something_is_not_closed() -> None:
    case = Timed()
    case.wire.peer.send(b"GET ")  # the loop has not read it yet
    assert case.wait(20) == []
    case.wire.socket.recv(4)
    assert case.wait(0.1) == ["close"]
    case.end()


async def test_a_connection_that_is_to_end_is_closed_once_it_is_quiet() -> None:
    case, younger = Timed(), Timed()
    case.ask("/1")
    await case.idle()
    for one in (case, younger):
        one.wait(7)
        one.connection.shut()
    assert case.wait(4.9) == ["/1"]
    assert case.wait(0.2) == ["/1", "close"]
    assert younger.wait(2.9) == []
    assert younger.wait(0.2) == ["close"]  # its time for a head is over before
    case.end()
    younger.end()


async def test_a_caller_that_was_refused_is_listened_to_for_a_while() -> None:
    case = Timed()
    case.feed(b"garbage\r\n\r\n")
    assert case.wait(2.9) == ["400", "eof"]
    case.feed(b"more garbage")
    assert case.wait(0.2) == ["400", "eof", "abort"]
    case.end()


@pytest.mark.parametrize("path", ["/1", "/close"])
async def test_a_caller_that_takes_nothing_of_its_answers_is_given_up(path: str) -> None:
    case = Timed()
    case.ask(path)
    case.wire.unsent = 100_000
    case.connection.pause_writing()
    await case.idle()
    said = case.wait(LIMITS.unread / 2 - 1)
    assert "abort" not in said
    assert case.wait(LIMITS.unread / 2 + 2)[-1] == "abort"
    case.end()


@pytest.mark.parametrize("path", ["/1", "/close"])
async def test_a_caller_that_takes_a_little_now_and_then_stays(path: str) -> None:
    case = Timed()
    case.ask(path)
    case.wire.unsent = 100_000
    case.connection.pause_writing()
    await case.idle()
    for _ in range(100):
        assert "abort" not in case.wait(LIMITS.unread / 2 - 1)
        case.wire.unsent -= 1
    case.end()


async def test_a_caller_that_has_taken_all_is_idle_again() -> None:
    case = Timed()
    case.ask("/1")
    case.wire.unsent = 100_000
    case.connection.pause_writing()
    await case.idle()
    case.wait(LIMITS.unread / 2)
    case.wire.unsent = 0
    case.connection.resume_writing()
    assert case.wait(74.9) == ["/1"]
    assert case.wait(0.2) == ["/1", "close"]
    case.end()


async def test_an_empty_line_after_a_request_begins_no_head() -> None:
    case = Timed()
    case.ask("/1")
    await case.idle()
    case.feed(b"\r\n")
    assert case.wait(74.9) == ["/1"]
    assert case.wait(0.2) == ["/1", "close"]
    case.end()
