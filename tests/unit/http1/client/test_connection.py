import asyncio
import gc
from dataclasses import dataclass
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tollkeeper_server.dataplane.transport import ConnectError, Outgoing
from tollkeeper_server.domain.upstream import Timeouts
from tollkeeper_server.http1.client.answer import HELD_BYTES
from tollkeeper_server.http1.client.connection import UpstreamConnection
from tollkeeper_server.snapshot.model import Header

from tests.unit.http1.client.exchange import REQUEST, Case, outcome, read, split
from tests.unit.http1.loop import FakeLoop
from tests.unit.one_loop import in_one_loop

TOKENS = st.text("abcXYZ-", min_size=1, max_size=6).map(lambda text: b"x-" + text.encode())
VALUES = st.binary(max_size=10).map(lambda raw: bytes(byte for byte in raw if byte >= 0x21 and byte != 0x7F))
FRAMINGS = st.sampled_from(["length", "chunked", "close"])


@st.composite
def messages(draw: st.DrawFn) -> tuple[bytes, int, list[Header], bytes]:
    """Draw an answer as bytes, and what it says."""
    pieces = draw(st.lists(st.binary(min_size=1, max_size=40), max_size=5))
    headers = draw(st.lists(st.tuples(TOKENS, VALUES), max_size=4))
    status = draw(st.sampled_from([200, 201, 299, 404, 500]))
    framing = draw(FRAMINGS)
    body = b"".join(pieces)
    if framing == "length":
        headers.append((b"Content-Length", b"%d" % len(body)))
        wire = body
    elif framing == "chunked":
        headers.append((b"Transfer-Encoding", b"chunked"))
        wire = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n"
        wire += draw(st.sampled_from([b"", b"X-Trailer: 1\r\nX-Other: 2\r\n"])) + b"\r\n"
    else:
        wire = body
    interim = draw(
        st.sampled_from([b"", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 E\r\nLink: x\r\n\r\n"])
    )
    head = b"".join(b"%b: %b\r\n" % header for header in headers)
    return interim + b"HTTP/1.1 %d Some reason\r\n%b\r\n" % (status, head) + wire, status, headers, body


CUTS = st.lists(st.integers(0, 10_000), max_size=8)


@given(messages(), CUTS)
def test_however_an_answer_is_split_it_is_the_same(
    message: tuple[bytes, int, list[Header], bytes], cuts: list[int]
) -> None:
    data, status, headers, body = message
    framed = headers[-1:] and headers[-1][0] in {b"Content-Length", b"Transfer-Encoding"}

    assert in_one_loop(outcome(split(data, cuts))) == (status, headers, body, "", 1 if framed else 0)


@given(messages(), st.integers(0, 10_000), CUTS)
def test_however_an_answer_breaks_off_it_is_told(
    message: tuple[bytes, int, list[Header], bytes], end: int, cuts: list[int]
) -> None:
    data, _, headers, body = message
    whole = in_one_loop(outcome([data]))
    broken = data[: end % len(data)]
    got = in_one_loop(outcome(split(broken, cuts)))

    assert got == in_one_loop(outcome([broken]))
    if headers[-1:] and headers[-1][0] in {b"Content-Length", b"Transfer-Encoding"}:
        assert got[3] == "CutError: the upstream closed the connection" or got == whole
    assert body.startswith(got[2])


@given(
    st.binary(max_size=80), CUTS, st.sampled_from([b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 X\r\n\r\n"])
)
def test_whatever_arrives_is_an_answer_or_told(noise: bytes, cuts: list[int], start: bytes) -> None:
    data = start + noise

    assert in_one_loop(outcome(split(data, cuts))) == in_one_loop(outcome([data]))


@given(
    st.lists(st.integers(1, 150_000), min_size=1, max_size=12),
    st.lists(st.booleans(), max_size=30),
    st.booleans(),
)
def test_however_slowly_an_answer_is_read_it_is_the_same(
    sizes: list[int], reads: list[bool], chunked: bool
) -> None:
    async def run() -> None:
        case = Case()
        pieces = [bytes([number]) * size for number, size in enumerate(sizes)]
        body = b"".join(pieces)
        if chunked:
            case.feed(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            arriving = [b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces] + [b"0\r\n\r\n"]
        else:
            case.feed(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body))
            arriving = pieces
        got = b""
        turns = iter(reads)
        while arriving:
            # A loop gives nothing more to a connection that has asked to pause.
            if case.wire.paused and not case.answer._held:
                await asyncio.sleep(0)  # it waits for its turn to read on
            elif case.wire.paused or (next(turns, False) and case.answer._held):
                got += await anext(case.answer)
            else:
                case.feed(arriving.pop(0))
                assert case.answer._size <= HELD_BYTES + 150_000
        got += (await read(case.answer))[2]
        assert got == body
        assert not case.wire.paused
        assert case.owner.kept == [case.connection]

    asyncio.run(run())


async def test_a_stale_answer_does_not_touch_the_next_one() -> None:
    case = Case()
    case.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    stale = case.answer
    case.answer = case.connection.begin(REQUEST, b"", asyncio.get_running_loop().time(), inf)
    stale.close()

    assert not case.wire.closed
    case.feed(b"HTTP/1.1 204 No Content\r\n\r\n")
    assert (await read(case.answer))[0] == 204


async def test_a_connection_lost_before_it_is_used_is_told() -> None:
    case = Case()
    case.answer.close()
    case.connection.connection_lost(None)
    answer = case.connection.begin(REQUEST, b"", asyncio.get_running_loop().time(), inf)

    with pytest.raises(ConnectError):
        await answer.head()


HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n"


@dataclass
class Limited:
    """A request that has 10 seconds to the first byte, 5 from one byte to the next, and 60 in all."""

    def __post_init__(self) -> None:
        self.loop = FakeLoop()
        timeouts = Timeouts(first_byte=10, idle=5, total=60)
        self.case = Case(Outgoing("POST", "", [], b"", timeouts), timeouts.total, self.loop.loop)

    def lives_for(self, seconds: float) -> bool:
        """Let time go by; return whether the request is under way still."""
        self.loop.move_on(seconds)
        return not self.case.wire.closed


async def test_the_first_byte_the_next_and_the_last_have_their_times() -> None:
    silent, stuck, slow = Limited(), Limited(), Limited()
    assert silent.lives_for(9.9)
    assert not silent.lives_for(0.2)
    assert stuck.lives_for(9.9)
    stuck.case.feed(HEAD)
    assert stuck.lives_for(4.9)
    assert not stuck.lives_for(0.2)
    for _ in range(14):
        slow.case.feed(HEAD if slow.case.answer.status == 0 else b"x")
        assert slow.lives_for(4)
    slow.case.feed(b"x")
    assert slow.lives_for(3.9)
    assert not slow.lives_for(0.2)
    for one in (silent, stuck, slow):
        assert (await read(one.case.answer))[3] == "TimeoutExpiredError: the upstream did not answer in time"


async def test_a_slow_reader_costs_the_upstream_no_time_but_of_the_whole() -> None:
    limited, other = Limited(), Limited()
    for one in (limited, other):
        one.case.feed(HEAD + b"x" * (HELD_BYTES + 1))
        assert one.case.wire.paused
        assert one.lives_for(50)
    assert not limited.lives_for(10.1)
    other.case.answer.whole_body()
    await anext(other.case.answer)
    assert not other.case.wire.paused
    assert other.lives_for(4.9)
    assert not other.lives_for(0.2)


async def test_a_connection_that_is_kept_has_no_time_limit() -> None:
    limited = Limited()
    limited.case.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    assert limited.lives_for(10_000)
    assert limited.loop.pending() == []


async def test_a_connection_that_has_ended_is_not_left_to_the_garbage_collector() -> None:
    def made() -> int:
        return sum(isinstance(it, UpstreamConnection) for it in gc.get_objects())

    gc.collect()
    gc.disable()
    try:
        case = Case()
        case.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        assert made() == 1
        case.end()
        case.owner.kept.clear()
        del case
        assert made() == 0
    finally:
        gc.enable()
