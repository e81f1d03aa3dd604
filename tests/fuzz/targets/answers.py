"""HTTP/1.1 of upstreams: one answer comes out in whatever pieces it came, as h11 and callers read it."""

import asyncio
from collections.abc import Sequence
from random import Random
from typing import ClassVar

import httptools
from tollkeeper_server.dataplane.headers import lowered, response_headers
from tollkeeper_server.http1.framing import CHUNKED, LAST_CHUNK, encode_head
from tollkeeper_server.snapshot.model import Header

from tests.fuzz.by_h11 import read_answer as read_by_h11
from tests.fuzz.mutate import cuts
from tests.fuzz.target import Target
from tests.unit.http1.client.exchange import outcome as read_answer


class Answers(Target):
    """`http1/client/`, from the bytes to the answer that the data plane gets."""

    name: ClassVar[str] = "answers"
    words: ClassVar[Sequence[bytes]] = (
        b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 103 x\r\n\r\n", b"HTTP/1.0 200\r\n", b"HTTP/1.1 204 \r\n",
        b" 304 ", b" 101 ", b"Content-Length: 5\r\n", b"Content-Length: 5, 5\r\n",
        b"Transfer-Encoding: chunked\r\n", b"identity", b"gzip, ", b"Connection: close\r\n", b"keep-alive",
        b"2\r\nhe\r\n", b"0\r\n\r\n", b"\r\n\r\n", b"\n\n", b"\r\n ", b" :",
    )  # fmt: skip

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None

    def __exit__(self, *_: object) -> None:
        """Close the loop."""
        if self._loop is not None:
            self._loop.close()
            self._loop = None

    def check(self, data: bytes, random: Random) -> str:
        """Read it whole, and in pieces."""
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
        status, headers, body, problem, kept = self._loop.run_until_complete(read_answer([data]))
        other = self._loop.run_until_complete(read_answer(cuts(random, data)))
        # What came of an answer before it broke depends on the pieces, and on what was refused with them.
        # So does whether a connection was kept before more came than was asked for.
        if not problem or not other[3]:
            whole = status, headers, body, problem
            assert whole == other[:4], f"{whole!r} if it comes whole, else {other!r}"
        assert status == 0 or 200 <= status <= 599
        assert kept <= 1
        assert not (kept and problem), "a connection is kept that broke"
        assert problem or status, "there is neither an answer nor a reason"
        for name, value in headers:
            assert name
            assert not {0, 10, 13} & {*name, *value}, (name, value)
        if not problem:
            _check_relayed(status, headers, body)
            if (by_h11 := read_by_h11(data)) is not None:
                assert (b"%d" % status, body) == (*by_h11.line, by_h11.body), f"h11 reads {by_h11}"
        return f"{status} {problem} {bool(body)} {kept}"


class _Caller:
    """What httptools calls while a caller reads."""

    def __init__(self) -> None:
        self.headers: list[Header] = []
        self.body = b""
        self.answers = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header."""
        self.headers.append((name, value))

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        self.body += body

    def on_message_complete(self) -> None:
        """Count an answer."""
        self.answers += 1


def _check_relayed(status: int, headers: list[Header], body: bytes) -> None:
    """Hold the answer that a caller gets to the one that the upstream gave."""
    answered = response_headers(lowered(headers), "req_1", drop_length=False)
    caller = _Caller()
    parser = httptools.HttpResponseParser(caller)
    if any(name == b"content-length" for name, _ in answered):
        parser.feed_data(encode_head(status, answered) + body)
    elif status in {204, 304}:
        parser.feed_data(encode_head(status, answered))
    else:
        chunk = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
        parser.feed_data(encode_head(status, answered, CHUNKED) + chunk + LAST_CHUNK)
        assert caller.headers.pop()[0].lower() == b"transfer-encoding"
    assert (parser.get_status_code(), caller.body, caller.answers) == (status, body, 1)
    assert [(name, value.strip()) for name, value in caller.headers] == [
        (name, value.strip()) for name, value in answered
    ]
