"""A head that a connection has sent before is read as the first time, whatever differs in it."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tollkeeper_server.http1.server.head import HeadReader
from tollkeeper_server.http1.server.message import RequestHead

from tests.unit.http1.server.test_parse import Got, Reading, cut

LINE = b"POST /v1/chat/completions HTTP/1.1\r\n"
HEADS = [
    b"Host: a\r\nContent-Length: %d\r\n",
    b"Content-Length: %d\r\nHost: a\r\nAuthorization: Bearer x\r\n",
    b"Host: a:1\r\nX-Content-Length: 5\r\ncontent-LENGTH:\t%d\r\nX: Content-Length: 5\r\n",
    b"Host: a\r\nX: 1\r\nX: 2\r\nContent-Length:%d\r\nExpect: 100-continue\r\n",
]
UPGRADE = b"Host: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: %d\r\n"
# What an edit puts in: pieces of which other heads are made.
BITS = st.sampled_from(
    [
        b"", b"\r", b"\n", b"\r\n", b"\r\n\r\n", b" ", b":", b",", b"0", b"1", b"+", b"-", b"9" * 18,
        b"1" * 20, b"0" * 30, b"\x00", b"\xb2", b"_", b"Host: b\r\n", b"Content-Length: 3\r\n",
        b"\r\nContent-Length: 3",
        b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: gzip\r\n", b"X: y\r\n", b"?",
        b"TE: chunked\r\n", b"Connection: close\r\n", b"Expect: 100-continue\r\n",
    ]
)  # fmt: skip


def request_of(head: bytes, body: bytes) -> bytes:
    """Return a request with a head of HEADS."""
    return LINE + head % len(body) + b"\r\n" + body


def known(head: bytes = HEADS[0], body: bytes = b"hello") -> Reading:
    """Return a parser that has read such a request of a caller with a token."""
    return Reading().feed([request_of(head, body)])


def read_after(first: bytes, data: bytes, places: list[int]) -> tuple[object, object, object]:
    """Return what is read of bytes behind a request, and as which sizes of heads."""
    reading = Reading().feed([first] if first else [])
    count = len(reading.got)
    assert reading.error is None
    reading.feed(cut(data, places))
    return reading.result()[count:], [it.head.size for it in reading.got[count:]], reading.error


@given(
    st.sampled_from([*HEADS, UPGRADE]),
    st.lists(st.tuples(st.integers(0, 300), st.integers(0, 9), BITS), max_size=3),
    st.lists(st.integers(0, 300), max_size=3),
)
@example(HEADS[0], [(len(LINE) + 25, 1, b"05")], [])
@example(HEADS[0], [(len(LINE) + 25, 1, b"5\r\nTransfer-Encoding: chunked")], [])
@example(HEADS[0], [(len(LINE) + 25, 1, b"\xb2")], [])
def test_a_head_of_which_anything_differs_is_read_as_if_it_were_the_first(
    head: bytes, edits: list[tuple[int, int, bytes]], places: list[int]
) -> None:
    first = request_of(head, b"hello")
    data = first
    for at, size, bit in edits:
        at %= len(data)
        data = data[:at] + bit + data[at + size :]
    assert read_after(first, data + first, places) == read_after(b"", data + first, places)


def traced(number: int, body: bytes = b"hello") -> bytes:
    """Return a request with values that no other has, and one that frames it."""
    values = b"X-Trace: \t%d\r\nHost: a\r\nCONNECTION: keep-alive\r\nX: 1\r\nx: %d\r\n" % (number, number * 3)
    return LINE + values + b"Content-Length: %d\r\nX-Id: %d\r\n\r\n" % (len(body), number) + body


@given(
    st.lists(st.tuples(st.integers(0, 300), st.integers(0, 9), BITS), max_size=3),
    st.lists(st.integers(0, 300), max_size=3),
)
@example([(len(LINE) + 10, 1, b"\r")], [])
@example([(len(LINE) + 10, 1, b"\x00")], [])
@example([(len(LINE) + 10, 1, b"9\r\nTransfer-Encoding: chunked")], [])
@example([(len(LINE) + 19, 1, b"b")], [])
@example([(len(LINE) + 34, 10, b"close")], [])
def test_a_head_is_read_as_if_it_were_the_first_where_values_differ_each_time(
    edits: list[tuple[int, int, bytes]], places: list[int]
) -> None:
    before = traced(1) + traced(2) + traced(3)
    data = traced(4)
    for at, size, bit in edits:
        at %= len(data)
        data = data[:at] + bit + data[at + size :]
    assert read_after(before, data + traced(5), places) == read_after(b"", data + traced(5), places)


def test_none_follows_the_last() -> None:
    first = request_of(HEADS[0], b"hello")
    last = request_of(b"Connection: close\r\n" + HEADS[0], b"hello")
    assert read_after(first, last + first, []) == read_after(b"", last + first, [])


@given(
    st.sampled_from(HEADS),
    st.lists(st.binary(max_size=30), max_size=5),
    st.lists(st.integers(0, 10_000), max_size=9),
)
def test_the_same_head_with_other_lengths_has_each_its_body(
    head: bytes, bodies: list[bytes], places: list[int]
) -> None:
    reading = known(head)
    reading.feed(cut(b"".join(request_of(head, body) for body in bodies), places))
    assert reading.error is None
    assert [(got.body, got.more_body) for got in reading.got[1:]] == [(body, False) for body in bodies]
    for got in reading.got[1:]:
        length = b"%d" % len(got.body)
        assert [value for name, value in got.head.headers if name == b"content-length"] == [length]


def is_kept(first: bytes, *, is_known: bool = True) -> bool:
    """Return whether a head is not read once more when it comes again."""
    reading = Reading()

    def begin(head: RequestHead) -> Got:
        reading.got.append(Got(head, is_known=is_known))
        return reading.got[-1]

    reading.parser._begin = begin
    reading.feed([first, first])
    assert len(reading.got) == 2
    return reading.got[0].head is reading.got[1].head


def test_a_head_with_other_values_is_not_read_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    reading = Reading().feed([traced(1), traced(2)])
    monkeypatch.setattr(HeadReader, "read", None)
    reading.feed([traced(number, b"x" * number) for number in range(3, 30)])
    assert reading.error is None
    assert len(reading.got) == 29


@pytest.mark.parametrize(
    ("line", "others"),
    [
        (b"Host: %b", [b"b", b"c", b"b c"]),
        (b"Connection: %b", [b"keep-alive", b"close", b"x"]),
        (b"Expect: %b", [b"", b"100-continue", b"x"]),
        (b"TE: %b", [b"trailers", b"x", b"chunked"]),
    ],
)
def test_what_a_head_is_read_by_is_read_each_time(line: bytes, others: list[bytes]) -> None:
    heads = [b"Content-Length: %d\r\n" + line % other + b"\r\n" for other in others]
    if not line.startswith(b"Host"):
        heads = [b"Host: a\r\n" + head for head in heads]
    first, second, third = (request_of(head, b"") for head in heads)
    assert read_after(first + second, third, []) == read_after(b"", third, [])


@pytest.mark.parametrize("head", [*HEADS, UPGRADE])
def test_the_same_head_is_read_once(head: bytes) -> None:
    assert is_kept(request_of(head, b"hello"))


def test_nothing_is_kept_for_a_caller_without_a_token() -> None:
    assert not is_kept(request_of(HEADS[0], b"hello"), is_known=False)


@pytest.mark.parametrize("more", [b"X: " + b"x" * 5000 + b"\r\n", b"X:\r\n" * 100])
def test_no_head_is_kept_that_takes_much_memory(more: bytes) -> None:
    assert not is_kept(request_of(more + HEADS[0], b"hello"))


def test_a_head_is_kept_beside_such_as_have_no_body() -> None:
    first, get = request_of(HEADS[0], b"hello"), b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    reading = Reading().feed([first, get, first])
    assert reading.got[2].head is reading.got[0].head


def test_a_connection_whose_heads_all_differ_keeps_no_more_of_them() -> None:
    reading = Reading()
    for number in range(20):
        head = LINE + b"Host: a\r\nX-%d: 1\r\nContent-Length: 0\r\n\r\n" % number
        reading.feed([head, head])
    pairs = zip(reading.got[::2], reading.got[1::2], strict=True)
    same = [first.head is second.head for first, second in pairs]
    assert same == [True] * 8 + [False] * 12


@pytest.mark.parametrize("where", ["begin", "feed", "feed_end"])
@pytest.mark.parametrize("in_pieces", [False, True])
def test_what_fails_here_is_no_fault_of_the_caller(
    where: str, in_pieces: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise LookupError("a fault of ours")

    reading = known()
    if where == "begin":
        reading.parser._begin = fail  # type: ignore[assignment]
    else:
        monkeypatch.setattr(Got, where, fail)
    again = request_of(HEADS[0], b"hello")
    reading.feed([again[:-2], again[-2:]] if in_pieces else [again])
    assert reading.error is not None
    assert reading.error.outcome.http == 500
    (record,) = caplog.records
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], LookupError)
    assert reading.parser.is_stopped
