"""Requests are the same however their bytes are cut, and what can't be read is refused."""

from dataclasses import dataclass, field
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tollkeeper_server.errors import TollkeeperError
from tollkeeper_server.http1.framing import FRAMING
from tollkeeper_server.http1.server.message import RequestHead
from tollkeeper_server.http1.server.parse import RequestParser
from tollkeeper_server.http1.server.refusal import (
    ENDLESS_HEAD,
    MANY_HEADERS,
    MAX_HEADERS,
    MAX_REQUEST_HEAD_BYTES,
)
from tollkeeper_server.http1.server.strict import LONG_LINE, MAX_LINE_BYTES
from tollkeeper_server.snapshot.model import Header

GET = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"
UPGRADES: list[Header] = [(b"connection", b"Upgrade"), (b"upgrade", b"h2c")]


@dataclass
class Got:
    """A request that the parser read."""

    head: RequestHead
    body: bytes = b""
    more_body: bool = True
    is_full: bool = False
    is_known: bool = True

    def feed(self, piece: bytes) -> None:
        """Take a part of the body."""
        assert self.more_body
        self.body += piece

    def feed_end(self) -> None:
        """Take the end of the body."""
        self.more_body = False


@dataclass
class Reading:
    """A parser, and what it has read."""

    got: list[Got] = field(default_factory=list)
    error: TollkeeperError | None = None

    def __post_init__(self) -> None:
        self.parser = RequestParser(self.begin)

    def begin(self, head: RequestHead) -> Got:
        """Take a request."""
        self.got.append(Got(head))
        return self.got[-1]

    def feed(self, pieces: list[bytes]) -> "Reading":
        """Feed the parser until it refuses."""
        for piece in pieces:
            self._note(self.parser.feed(piece))
            self.read_on()
            while self.got and not self.got[-1].more_body and not self.parser.may_begin:
                assert not self.parser.in_head
                self.parser.may_begin = True  # as if it were answered at once
                self._note(self.parser.feed())
                self.read_on()
        return self

    def read_on(self) -> None:
        """Read what takes several turns."""
        while self.parser.is_tired:
            self._note(self.parser.feed())

    def _note(self, error: TollkeeperError | None) -> None:
        if error is not None:
            assert self.error in {None, error}
            self.error = error
            assert self.parser.is_stopped

    def result(self) -> list[tuple[RequestHead, bytes, bool]]:
        """Return what was read."""
        return [(_comparable(it.head), it.body, it.more_body) for it in self.got]


def _comparable(head: RequestHead) -> RequestHead:
    """Return a head without its size, and without the blanks behind values, which are no part of them."""
    headers = [(name, value.rstrip(b" \t")) for name, value in head.headers]
    return msgspec.structs.replace(head, size=0, length=0, headers=headers)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """Cut bytes into pieces."""
    ends = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(ends) if start < end]


def line_of(header: Header, blank: bytes) -> bytes:
    """Return the line of a header with blanks around its value; what frames the body has none behind it."""
    name, value = header
    return b"%b:%b%b%b\r\n" % (name, blank, value, b"" if name in FRAMING else blank)


@st.composite
def requests(draw: st.DrawFn) -> tuple[bytes, RequestHead, bytes]:
    """A request as bytes, its head and its body."""
    method = draw(st.sampled_from(["GET", "POST", "DELETE"]))
    path = draw(st.from_regex(rb"/[a-z0-9%~]{0,9}", fullmatch=True))
    query = draw(st.from_regex(rb"([a-z]=[0-9?]{0,5})?", fullmatch=True))
    names = st.from_regex(rb"x-[a-z]{1,9}", fullmatch=True)
    values = st.from_regex(rb"([!-~]([ -~]{0,9}[!-~])?)?", fullmatch=True)
    headers = [(b"host", b"a:1"), *draw(st.lists(st.tuples(names, values), max_size=4))]
    headers += draw(st.sampled_from([[], UPGRADES, [(b"expect", b"100-Continue")]]))
    pieces = draw(st.lists(st.binary(min_size=1, max_size=20), max_size=4))
    framing = draw(st.sampled_from(["none", "length", "chunked"]))
    body, sent = b"".join(pieces), b""
    if framing == "none":
        body = b""
    elif framing == "length":
        headers.append((b"content-length", b"%d" % len(body)))
        sent = body
    else:
        headers.append((b"transfer-encoding", b"chunked"))
        sent = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n"
        sent += draw(st.sampled_from([b"", b"x-trailer: 1\r\n"])) + b"\r\n"
    blank = draw(st.sampled_from([b"", b" ", b"\t "]))
    lines = b"".join(line_of(header, blank) for header in headers)
    target = path + b"?" * bool(query) + query
    data = draw(st.sampled_from([b"", b"\r\n"]))
    data += b"%b %b HTTP/1.1\r\n%b\r\n%b" % (method.encode(), target, lines, sent)
    expects = (b"expect", b"100-Continue") in headers
    return data, RequestHead(method, "1.1", path, query, headers, True, expects, 0, 0), body


@given(st.lists(requests(), max_size=5), st.lists(st.integers(0, 10_000), max_size=12))
def test_however_requests_are_cut_they_are_read_as_they_were_sent(
    sent: list[tuple[bytes, RequestHead, bytes]], places: list[int]
) -> None:
    data = b"".join(it[0] for it in sent)
    reading = Reading().feed(cut(data, places))
    assert reading.error is None
    assert reading.result() == [(head, body, False) for _, head, body in sent]
    assert not reading.parser.in_head
    assert [got.head.size for got in reading.got] == [it[0].index(b"\r\n\r\n") + 4 for it in sent]


@given(
    st.lists(requests(), min_size=1, max_size=3),
    st.integers(0, 10_000),
    st.lists(st.integers(0, 10_000), max_size=9),
)
def test_however_requests_break_off_no_more_is_read_than_was_sent(
    sent: list[tuple[bytes, RequestHead, bytes]], end: int, places: list[int]
) -> None:
    data = b"".join(it[0] for it in sent)
    data = data[: end % len(data)]
    reading = Reading().feed(cut(data, places))
    assert reading.error is None
    assert reading.result() == Reading().feed([data]).result()
    for (_, head, body), (read_head, read_body, more) in zip(sent, reading.result(), strict=False):
        assert read_head == head
        assert body.startswith(read_body) if more else body == read_body


@given(
    st.sampled_from(
        [b"", GET, b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n", b"GET / HT"]
    ),
    st.binary(max_size=60),
    st.lists(st.integers(0, 100), max_size=6),
)
def test_noise_is_read_or_refused_the_same_however_it_is_cut(
    start: bytes, noise: bytes, places: list[int]
) -> None:
    reading, whole = Reading().feed(cut(start + noise, places)), Reading().feed([start + noise])
    assert reading.error is whole.error
    assert reading.result() == whole.result()


@pytest.mark.parametrize(
    ("beginning", "error"),
    [
        (b"GET / HTTP/1.1\r\nhost: a\r\na: ", ENDLESS_HEAD),
        (b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n1;", ENDLESS_HEAD),
        (b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\na: ", ENDLESS_HEAD),
    ],
)
def test_what_neither_ends_a_head_nor_adds_to_a_body_has_a_bound(
    beginning: bytes, error: TollkeeperError
) -> None:
    for before in (b"", GET):
        reading = Reading().feed([before + beginning, b"x" * (MAX_REQUEST_HEAD_BYTES // 2)])
        assert reading.error is None
        reading.feed([b"x" * (MAX_REQUEST_HEAD_BYTES // 2), b"x"])
        assert reading.error is error


@pytest.mark.parametrize("pieces", [1, 2, 700])
def test_a_request_line_has_a_bound(pieces: int) -> None:
    line = b"GET /?" + b"x" * MAX_LINE_BYTES
    for data in (line, line + GET[5:]):
        step = len(data) // pieces + 1
        reading = Reading().feed([data[at : at + step] for at in range(0, len(data), step)])
        assert reading.error is LONG_LINE


def test_a_body_has_no_bound() -> None:
    piece = b"x" * MAX_REQUEST_HEAD_BYTES
    reading = Reading().feed(
        [b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n" % (4 * len(piece)), *[piece] * 4]
    )
    assert reading.error is None
    assert reading.got[0].body == piece * 4


def test_nothing_is_read_beyond_a_request_before_the_next_may_begin() -> None:
    reading = Reading()
    assert reading.parser.feed(GET * 1000 + GET[:9]) is None
    for number in range(1000):
        assert len(reading.got) == number + 1
        assert reading.parser.kept_bytes == len(GET) * (999 - number) + 9
        reading.parser.may_begin = True
        assert reading.parser.feed() is None
    assert len(reading.got) == 1000
    assert reading.parser.in_head
    assert (reading.parser.unread_bytes, reading.parser.kept_bytes) == (0, 9)


def test_chunks_wait_for_the_reader_of_the_body() -> None:
    reading = Reading()
    chunks = b"1\r\nx\r\n" * 100_000 + b"0\r\n\r\n"
    reading.parser.feed(b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n")
    (got,) = reading.got
    got.is_full = True
    reading.parser.feed(chunks)
    assert (got.body, reading.parser.kept_bytes) == (b"", len(chunks))
    got.is_full = False
    reading.parser.feed(GET)
    reading.read_on()
    assert (got.body, got.more_body) == (b"x" * 100_000, False)
    assert reading.parser.kept_bytes == len(GET)


@pytest.mark.parametrize(
    ("sent", "before"),
    [
        (b"1\r\nx\r\n", b""),
        (b"4\r\n\r\n\r\n\r\n", b""),
        (b"1;a\r\n\n\r\n", b""),
        (b"a:b\r\n", b"0\r\n"),
    ],
    ids=["chunks", "chunks that look like ends", "extensions", "trailers"],
)
def test_what_takes_long_to_read_is_read_in_turns_also_by_a_reader_who_takes_all(
    sent: bytes, before: bytes
) -> None:
    reading = Reading()
    reading.parser.feed(b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n" + before)
    turns = 0
    reading.parser.feed(sent * 10_000 + (b"\r\n" if before else b"0\r\n\r\n"))
    while reading.parser.is_tired:
        left = reading.parser.unread_bytes
        assert reading.parser.feed() is None
        assert 0 < left - reading.parser.unread_bytes <= 1000 * len(sent)
        turns += 1
    assert turns >= 10
    assert reading.parser.unread_bytes == 0
    assert not reading.got[0].more_body


def test_large_chunks_are_read_at_once() -> None:
    reading = Reading()
    reading.parser.feed(b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n")
    reading.parser.feed(b"10000\r\n" + b"x" * 65_536 + b"\r\n0\r\n\r\n")
    assert not reading.parser.is_tired
    assert (len(reading.got[0].body), reading.got[0].more_body) == (65_536, False)


@pytest.mark.parametrize("line", [b"a:\r\n", b"te: trailers\r\n", b"x-abc: " + b"d" * 100 + b"\r\n"])
def test_a_head_has_no_more_headers_than_anybody_needs(line: bytes) -> None:
    begun = b"GET / HTTP/1.1\r\nhost: a\r\n"
    most = begun + line * (MAX_HEADERS - 1) + b"\r\n"
    reading = Reading().feed([most, b"\r\n" + most])
    assert reading.error is None
    assert [len(got.head.headers) for got in reading.got] == [MAX_HEADERS, MAX_HEADERS]
    for step in 1000, 1_000_000:
        more = begun + line * (MAX_HEADERS + 1) + b"\r\n"
        reading = Reading().feed([more[at : at + step] for at in range(0, len(more), step)])
        assert (reading.error, reading.got) == (MANY_HEADERS, [])


@pytest.mark.parametrize("where", ["begin", "feed", "feed_end"])
def test_what_fails_here_is_logged_once_and_is_no_fault_of_the_caller(
    where: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise LookupError("a fault of ours")

    reading = Reading()
    if where == "begin":
        reading.parser._begin = fail  # type: ignore[assignment]
    else:
        monkeypatch.setattr(Got, where, fail)
    reading.parser.feed(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\n\r\n")
    error = reading.parser.feed(b"x") if where != "begin" else reading.parser._problem
    assert error is not None
    assert error.outcome.http == 500
    (record,) = caplog.records
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], LookupError)
    assert reading.parser.is_stopped


def test_after_it_stopped_nothing_is_read() -> None:
    reading = Reading().feed([b"GET / HT"])
    assert reading.parser.in_head
    reading.parser.stop()
    reading.feed([b"TP/1.1\r\n\r\n", GET])
    assert (reading.got, reading.error, reading.parser.in_head) == ([], None, False)
