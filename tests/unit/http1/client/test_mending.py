"""Answers that are framed or written oddly: read as RFC 9112 says and as h11 and Python do, or refused."""

import asyncio
import http.client
import io
import socket
from typing import cast

import h11
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tollkeeper_server.snapshot.model import Header

from tests.unit.http1.client.exchange import Case, outcome, read, split
from tests.unit.one_loop import in_one_loop

OK = b"HTTP/1.1 200 OK\r\n"
LENGTH = b"Content-Length: 5\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
CHUNKS = b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"
BEFORE = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
GO_ON = b"HTTP/1.1 100 \r\n"

READ = {
    "length, then chunked": OK + b"Content-Length: 40\r\n" + CHUNKED + b"\r\n" + CHUNKS,
    "chunked, then length": OK + CHUNKED + b"Content-Length: 2\r\n\r\n" + CHUNKS,
    "chunked, and a length that is none": OK + CHUNKED + b"Content-Length: many\r\n\r\n" + CHUNKS,
    "chunked, and two lengths": OK + CHUNKED + LENGTH + b"Content-Length: 6\r\n\r\n" + CHUNKS,
    "the same length twice": OK + LENGTH + LENGTH + b"\r\nhello",
    "the same length twice in a line": OK + b"Content-Length: 5, 5\r\n\r\nhello",
    "a length, and identity": OK + LENGTH + b"Transfer-Encoding: identity\r\n\r\nhello",
    "identity": OK + b"Transfer-Encoding: identity\r\n\r\nhello",
    "chunked as a list": OK + b"Transfer-Encoding: chunked , \r\n\r\n" + CHUNKS,
    "chunked as a list, and a length": OK + LENGTH + b"Transfer-Encoding: , chunked\r\n\r\n" + CHUNKS,
    "chunked, and a tab": OK + b"Transfer-Encoding: chunked\t\r\n\r\n" + CHUNKS,
    "chunked, a tab, and a length": OK + b"Transfer-Encoding: chunked\t\r\n" + LENGTH + b"\r\n" + CHUNKS,
    "identity, then chunked": OK + b"Transfer-Encoding: identity\r\n" + CHUNKED + b"\r\n" + CHUNKS,
    "chunked in HTTP/1.1 and closed": OK + b"Connection: close\r\n" + CHUNKED + b"\r\n" + CHUNKS,
    "chunks in HTTP/1.0": b"HTTP/1.0 200 OK\r\n" + CHUNKED + b"\r\n" + CHUNKS,
    "kept chunks in HTTP/1.0": b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n" + CHUNKED + b"\r\n" + CHUNKS,
    "a folded header": OK + b"X: a\r\n  b\r\n" + LENGTH + b"\r\nhello",
    "a folded length": OK + b"Content-Length:\r\n\t5\r\n\r\nhello",
    "a folded coding": OK + b"Transfer-Encoding:\r\n chunked\r\n\r\n" + CHUNKS,
    "blanks before a colon": OK + b"X : a\r\nContent-Length\t: 5\r\n\r\nhello",
    "lines that end in LF": OK.replace(b"\r", b"") + b"Content-Length: 5\n\nhello",
    "HTTP/1.2": b"HTTP/1.2 200 OK\r\n" + LENGTH + b"\r\nhello",
    "an interim answer that closes": GO_ON + b"Connection: close\r\n\r\n" + OK + LENGTH + b"\r\nhello",
    "an interim answer in HTTP/1.0": b"HTTP/1.0 100 \r\n\r\nHTTP/1.0 200 OK\r\n" + LENGTH + b"\r\nhello",
    "an empty line after what is mended": GO_ON + b"X: a\r\n b\r\n\r\n\r\n" + OK + LENGTH + b"\r\nhello",
    "interim answers before what is mended": BEFORE * 3 + OK + LENGTH + LENGTH + b"\r\nhello",
}  # fmt: skip


@pytest.mark.parametrize("name", READ)
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_what_is_odd_is_read_as_the_rfc_says_and_costs_the_connection(name: str, size: int) -> None:
    data = READ[name]
    pieces = split(data, list(range(size, len(data), size)))

    status, headers, body, problem, kept = in_one_loop(outcome(pieces))

    assert (status, body, problem, kept) == (200, b"hello", "", 0)
    assert dict(headers).get(b"X", b"a") in {b"a", b"a b"}
    names = [name.lower() for name, _ in headers]
    assert names.count(b"content-length") + names.count(b"transfer-encoding") == (name != "identity")


USUAL = {
    "no phrase and no blank": b"HTTP/1.1 200\r\n" + LENGTH + b"\r\nhello",
    "no phrase": b"HTTP/1.1 200 \r\n" + LENGTH + b"\r\nhello",
    "a phrase in UTF-8": "HTTP/1.1 200 Très bien\r\n".encode() + LENGTH + b"\r\nhello",
    "many interim answers": BEFORE * 200 + OK + LENGTH + b"\r\nhello",
    "interim answers with a length": b"HTTP/1.1 100 \r\nContent-Length: 9\r\n\r\n"
    + OK
    + LENGTH
    + b"\r\nhello",
    "blanks after a length": OK + b"Content-Length:5 \t\r\n\r\nhello",
    "chunked in capitals": OK + CHUNKED.upper() + b"\r\n" + CHUNKS,
    "blanks after a chunk's size": OK + CHUNKED + b"\r\n" + b"5 \t;a=b\r\nhello\r\n0  \r\n\r\n",
    "trailers": OK + CHUNKED + b"\r\n" + CHUNKS[:-2] + b"X: y\r\n\r\n",
}


@pytest.mark.parametrize("name", USUAL)
def test_what_needs_no_mending_keeps_the_connection(name: str) -> None:
    status, _, body, problem, kept = in_one_loop(outcome([USUAL[name]]))

    assert (status, body, problem, kept) == (200, b"hello", "", 1)


CODING = "a transfer coding that it was not asked for"
STATUS = "not the status of an answer"
REFUSED = {
    b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!": "contradict",
    b"Content-Length: 5, 6\r\n\r\nhello!": "contradict",
    b"Content-Length: 5\r\nTransfer-Encoding: identity\r\nContent-Length: 6\r\n\r\nhello!": "contradict",
    b"Content-Length: +5\r\n\r\nhello": "not a valid",
    b"Content-Length: -5\r\n\r\nhello": "not a valid",
    b"Content-Length:\r\n\r\nhello": "not a valid",
    b"Content-Length: 99999999999999999999999\r\n\r\nhello": "not a valid",
    b"Transfer-Encoding: gzip, chunked\r\n\r\n" + CHUNKS: CODING,
    b"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKS: CODING,
    b"Transfer-Encoding: gzip\r\n\r\nhello": CODING,
    b"Transfer-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello": CODING,
    b"Transfer-Encoding: chunked, gzip\r\n\r\nhello": CODING,
    b"Transfer-Encoding: chunked, chunked\r\n\r\n" + CHUNKS: CODING,
    b"Transfer-Encoding: chunked;q=1\r\n\r\n" + CHUNKS: CODING,
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKS: CODING,
    b"Transfer-Encoding: xchunked\r\n\r\nhello": CODING,
    b" X: a\r\nContent-Length: 5\r\n\r\nhello": "not a valid",
    b"X Y: a\r\n\r\n": "not a valid",
    b": a\r\n\r\n": "not a valid",
    b"no colon\r\n": "not a valid",
    b"X: a\0b\r\n": "not a valid",
    b"X: a\rb\r\n\r\n": "not a valid",
    b"X : a\0b\r\n": "not a valid",
    b"X : a\rb\r\n": "not a valid",
    b"X : a\x1bb\r\n": "not a valid",
}  # fmt: skip


@pytest.mark.parametrize("rest", REFUSED)
@pytest.mark.parametrize("before", [b"", BEFORE])
def test_what_can_not_be_read_in_one_way_is_refused_at_once(before: bytes, rest: bytes) -> None:
    async def run() -> None:
        case = Case()
        case.feed(before + OK + rest)
        assert case.wire.closed
        status, _, body, problem = await read(case.answer)
        assert (status, body) == (0, b"")
        assert REFUSED[rest] in problem

    asyncio.run(run())


@pytest.mark.parametrize(
    "status", ["000", "001", "099", "101", "600", "999", "20", "2000", "-20", "2e2", "2\u00b20"]
)
@pytest.mark.parametrize("framing", [LENGTH, LENGTH * 2, b"Upgrade: x\r\nConnection: upgrade\r\n"])
def test_a_status_that_no_answer_may_have_is_refused(status: str, framing: bytes) -> None:
    data = b"HTTP/1.1 %b OK\r\n" % status.encode() + framing + b"\r\nhello"
    got, _, body, problem, kept = in_one_loop(outcome([data]))

    assert (got, body, kept) == (0, b"", 0)
    assert problem.startswith("GarbageError: ")


@pytest.mark.parametrize("status", [200, 299, 304, 418, 451, 529, 599])
def test_every_status_of_an_answer_is_one(status: int) -> None:
    data = b"HTTP/1.1 %d \r\nContent-Length: 0\r\n\r\n" % status

    assert in_one_loop(outcome([data]))[0] == status


@pytest.mark.parametrize(
    ("head", "kept"),
    [
        (b"204 \r\nContent-Length: 5\r\n", 1),
        (b"304 \r\nContent-Length: 5\r\n", 1),
        (b"204 \r\nTransfer-Encoding: chunked\r\n", 0),
        (b"304 \r\nTransfer-Encoding: chunked\r\n", 0),
        (b"304 \r\nTransfer-Encoding: gzip, chunked\r\n", 0),
        (b"304 \r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n", 0),
    ],
)
def test_what_has_no_body_ends_with_its_head(head: bytes, kept: int) -> None:
    status, headers, body, problem, was_kept = in_one_loop(outcome([b"HTTP/1.1 " + head + b"\r\n"]))

    assert (body, problem, was_kept) == (b"", "", kept)
    assert status == 304 or b"Content-Length" not in dict(headers)


class _Wire:
    """Bytes, as `http.client` takes them."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, _mode: str) -> io.BytesIO:
        """Return them as a file."""
        return io.BytesIO(self._data)


def _by_python(data: bytes) -> tuple[int, bytes] | None:
    response = http.client.HTTPResponse(cast("socket.socket", _Wire(data)), method="POST")
    try:
        response.begin()
        body = response.read()
    except (http.client.HTTPException, ValueError, OSError):
        return None
    return response.status, body


def _by_h11(data: bytes) -> tuple[int, bytes, list[Header], bool] | None:
    """Return the status, body and headers that h11 reads, and whether it would keep the connection."""
    connection = h11.Connection(h11.CLIENT)
    connection.send(h11.Request(method="POST", target="/", headers=[("host", "h"), ("content-length", "0")]))
    connection.send(h11.EndOfMessage())
    status, body, headers = 0, b"", list[Header]()
    try:
        connection.receive_data(data)
        connection.receive_data(b"")
        while not isinstance(event := connection.next_event(), h11.EndOfMessage | h11.ConnectionClosed):
            assert event is not h11.NEED_DATA
            if isinstance(event, h11.Response):
                status, headers = event.status_code, list(event.headers)
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
    except h11.RemoteProtocolError:
        return None
    return status, body, headers, connection.their_state is h11.DONE


LINES = st.sampled_from(
    [
        b"Content-Length: 5", b"content-length:5", b"Content-Length: 6", b"Content-Length: 5, 5",
        b"Content-Length: 05", b"Content-Length : 5", b"Content-Length: x", b"Content-Length:",
        b"Transfer-Encoding: chunked", b"transfer-encoding:  Chunked", b"Transfer-Encoding: identity",
        b"Transfer-Encoding: gzip, chunked", b"Transfer-Encoding: gzip", b"Transfer-Encoding:\r\n chunked",
        b"Connection: close", b"Connection: keep-alive", b"X-A: b", b"X-A:  b \r\n\tc  ", b"X-A : b",
        b"X A: b", b"X-A:",
    ]
)  # fmt: skip
HEADS = st.tuples(
    st.sampled_from([b"", b"HTTP/1.1 100 Continue\r\n\r\n", BEFORE, BEFORE * 3]),
    st.sampled_from([b"HTTP/1.1", b"HTTP/1.0"]),
    st.sampled_from([b"200 OK", b"200 ", b"200", b"404 Not Found", b"503 \xc3\xa9"]),
    st.lists(LINES, max_size=5),
)
BODIES = st.sampled_from([b"hello", b"hello!", CHUNKS, CHUNKS[:-2] + b"X: y\r\n\r\n", CHUNKS[:-5], b""])


def _plain(headers: list[Header]) -> list[Header]:
    framing = {b"content-length", b"transfer-encoding", b"connection"}
    return [
        (name.lower(), b" ".join(value.split())) for name, value in headers if name.lower() not in framing
    ]


@given(HEADS, BODIES, st.lists(st.integers(0, 300), max_size=4))
@example((b"", b"HTTP/1.1", b"200 OK", [b"Content-Length: 5", b"Transfer-Encoding: chunked"]), CHUNKS, [])
def test_answers_are_read_as_others_read_them(
    head: tuple[bytes, bytes, bytes, list[bytes]], body: bytes, cuts: list[int]
) -> None:
    """What h11 reads is read so, and what h11 refuses is refused or read as Python does."""
    before, version, status, lines = head
    final = b"\r\n".join([b"%b %b" % (version, status), *lines, b"", body])

    got_status, headers, got, problem, kept = in_one_loop(outcome(split(before + final, cuts)))

    # A proxy removes these blanks (RFC 9112, 5.1), which neither of them is, and identity says nothing.
    plain = final.replace(b" :", b":").replace(b"Transfer-Encoding: identity\r\n", b"")
    strict = _by_h11(before + plain)
    if strict is not None:
        expected_status, expected, expected_headers, keeps = strict
        assert (got_status, got, problem) == (expected_status, expected, "")
        assert _plain(headers) == _plain(expected_headers)
        assert keeps or not kept or version == b"HTTP/1.0"
    elif not problem:
        # Python reads neither lists nor folded lines as framing.
        simple = plain.replace(b"5, 5", b"5").replace(b":\r\n ", b": ")
        assert (got_status, got) == _by_python(simple)
