"""Requests are the same however their bytes are cut, and what can't be read is refused."""

from dataclasses import dataclass, field
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tollkeeper_server.errors import TollkeeperError
from tollkeeper_server.http1.server.parse import RequestHead, RequestParser
from tollkeeper_server.http1.server.refusal import ENDLESS_HEAD, MAX_REQUEST_HEAD_BYTES, NOT_HTTP
from tollkeeper_server.snapshot.model import Header

GET = b"GET / HTTP/1.1\r\n\r\n"
UPGRADES: list[Header] = [(b"connection", b"Upgrade"), (b"upgrade", b"h2c")]


@dataclass
class Got:
    """A request that the parser read."""

    head: RequestHead
    body: bytes = b""
    more_body: bool = True

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
            error = self.parser.feed(piece)
            if error is not None:
                assert self.error is None
                self.error = error
                assert self.parser.is_stopped
        return self

    def result(self) -> list[tuple[RequestHead, bytes, bool]]:
        """Return what was read. How large a head can be depends on how it was cut."""
        return [(msgspec.structs.replace(it.head, size=0), it.body, it.more_body) for it in self.got]


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """Cut bytes into pieces."""
    ends = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(ends) if start < end]


@st.composite
def requests(draw: st.DrawFn) -> tuple[bytes, RequestHead, bytes]:
    """A request as bytes, its head and its body."""
    method = draw(st.sampled_from(["GET", "POST", "DELETE"]))
    path = draw(st.from_regex(rb"/[a-z0-9%~]{0,9}", fullmatch=True))
    query = draw(st.from_regex(rb"([a-z]=[0-9?]{0,5})?", fullmatch=True))
    names = st.from_regex(rb"x-[a-z]{1,9}", fullmatch=True)
    values = st.from_regex(rb"([!-~]([ -~]{0,9}[!-~])?)?", fullmatch=True)
    headers = draw(st.lists(st.tuples(names, values), max_size=4))
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
    lines = b"".join(b"%b: %b\r\n" % header for header in headers)
    target = path + b"?" * bool(query) + query
    data = b"%b %b HTTP/1.1\r\n%b\r\n%b" % (method.encode(), target, lines, sent)
    expects = (b"expect", b"100-Continue") in headers
    return data, RequestHead(method, "1.1", path, query, headers, True, expects, 0), body


@given(st.lists(requests(), max_size=5), st.lists(st.integers(0, 10_000), max_size=12))
def test_however_requests_are_cut_they_are_read_as_they_were_sent(
    sent: list[tuple[bytes, RequestHead, bytes]], places: list[int]
) -> None:
    data = b"".join(it[0] for it in sent)
    reading = Reading().feed(cut(data, places))
    assert reading.error is None
    assert reading.result() == [(head, body, False) for _, head, body in sent]
    assert not reading.parser.in_head
    assert all(
        got.head.size >= len(it[0].partition(b"\r\n\r\n")[0])
        for got, it in zip(reading.got, sent, strict=True)
    )


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
    st.sampled_from([b"", GET, b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n", b"GET / HT"]),
    st.binary(max_size=60),
    st.lists(st.integers(0, 100), max_size=6),
)
def test_noise_is_read_or_refused_the_same_however_it_is_cut(
    start: bytes, noise: bytes, places: list[int]
) -> None:
    reading, whole = Reading().feed(cut(start + noise, places)), Reading().feed([start + noise])
    assert reading.error is whole.error
    assert reading.error in {None, NOT_HTTP}
    assert reading.result() == whole.result()


@pytest.mark.parametrize(
    "beginning",
    [
        b"GET / HTTP/1.1\r\na: ",
        b"GET /",
        b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n1;",
        b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n0\r\na: ",
    ],
)
def test_what_neither_ends_a_head_nor_adds_to_a_body_has_a_bound(beginning: bytes) -> None:
    for before in (b"", GET):
        reading = Reading().feed([before + beginning, b"x" * (MAX_REQUEST_HEAD_BYTES // 2)])
        assert reading.error is None
        reading.feed([b"x" * (MAX_REQUEST_HEAD_BYTES // 2), b"x"])
        assert reading.error is ENDLESS_HEAD


def test_a_body_has_no_bound() -> None:
    piece = b"x" * MAX_REQUEST_HEAD_BYTES
    reading = Reading().feed(
        [b"POST / HTTP/1.1\r\ncontent-length: %d\r\n\r\n" % (4 * len(piece)), *[piece] * 4]
    )
    assert reading.error is None
    assert reading.got[0].body == piece * 4


def test_a_head_counts_from_the_piece_in_which_it_began() -> None:
    first, second = b"GET / HTTP/1.1\r\na: b\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n"
    sizes = [got.head.size for got in Reading().feed([first, second, first + second[:9], second[9:]]).got]
    assert sizes == [len(first), len(second), len(first) + 9, len(first) + len(second)]


def test_after_it_stopped_nothing_is_read() -> None:
    reading = Reading().feed([b"GET / HT"])
    assert reading.parser.in_head
    reading.parser.stop()
    reading.feed([b"TP/1.1\r\n\r\n", GET])
    assert (reading.got, reading.error, reading.parser.in_head) == ([], None, False)
