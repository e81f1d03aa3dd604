"""HTTP/1.1 of callers: in whatever pieces the bytes come, the same requests come out, as h11 reads them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import ClassVar

from tollkeeper_server.http1.framing import FRAMING, TOKEN_BYTES
from tollkeeper_server.http1.server.message import RequestHead
from tollkeeper_server.http1.server.parse import RequestParser
from tollkeeper_server.snapshot.model import Header

from tests.fuzz.by_h11 import Message, read_requests
from tests.fuzz.mutate import cuts
from tests.fuzz.target import Target, outcome

# RFC 9110, 7.2, but for what is within brackets.
_HOST = re.compile(rb"(\[[^\[\]]+\]|[^\s,/?#@\[\]\\:]+)?(:[0-9]*)?")
_Head = tuple[str, str, bytes, bytes, tuple[tuple[bytes, bytes], ...], bool, bool]


@dataclass
class _Body:
    is_known: bool
    more_body: bool = True
    is_full: bool = False
    content: bytes = b""

    def feed(self, piece: bytes) -> None:
        """Take a part of the body."""
        assert self.more_body, "a body goes on after its end"
        self.content += piece

    def feed_end(self) -> None:
        """Take the end of the request."""
        assert self.more_body, "a body ends twice"
        self.more_body = False


class Requests(Target):
    """`http1/server/parse.py`."""

    name: ClassVar[str] = "requests"
    words: ClassVar[Sequence[bytes]] = (
        b"GET / HTTP/1.1\r\n", b"POST /v1/chat/completions HTTP/1.1\r\n", b"Host: a\r\n", b"HTTP/1.0",
        b"HTTP/2", b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"Expect: 100-continue\r\n",
        b"Connection: close\r\n", b"Upgrade: h2c\r\n", b"5\r\nhello\r\n", b"0\r\n\r\n", b"\r\n\r\n",
        b"\n\n", b"OPTIONS * ", b"http://a/b", b"TE: trailers", b"Trailer: x\r\n", b";a=b", b"%00", b"/../",
        b"ffffffff",
    )  # fmt: skip

    def check(self, data: bytes, random: Random) -> str:
        """Read them whole, and in pieces of a caller who has shown a token, whose heads are remembered."""
        whole, problem = _read([data], is_known=False)
        pieces, other = _read(cuts(random, data), is_known=True)
        # Of several reasons to refuse a request, which is seen first may depend on the pieces.
        assert bool(problem) == bool(other), f"{problem!r} if it comes whole, else {other!r}"
        assert whole == pieces, f"{whole!r} if it comes whole, else {pieces!r}"
        for (_, version, path, query, headers, _, _), _, _ in whole:
            assert b"\n" not in path + query
            for name, value in headers:
                assert name
                assert not name.translate(None, TOKEN_BYTES), name
                assert not {0, 10, 13} & {*value}, value
            _check_framing(version, headers)
        # Each of them refuses what the other takes.
        for (head, body, is_begun), by_h11 in zip(whole, read_requests(data), strict=False):
            if not is_begun:
                _check_same(head, body, by_h11)
        return f"{len(whole)} {problem}"


def _check_framing(version: str, headers: Sequence[Header]) -> None:
    """Hold headers to what all servers must agree on (RFC 9112, 3.2 and 6)."""
    lengths, codings, hosts = (
        [value.strip() for name, value in headers if name == wanted]
        for wanted in (b"content-length", b"transfer-encoding", b"host")
    )
    assert len(hosts) == 1 or (version == "1.0" and not hosts), hosts
    assert all(map(_HOST.fullmatch, hosts)), hosts
    assert len(lengths) + len(codings) <= 1, headers
    assert all(length.isdigit() for length in lengths), lengths
    assert not codings or (version == "1.1" and codings[0].lower() == b"chunked"), codings


def _check_same(head: _Head, body: bytes, other: Message) -> None:
    method, version, path, query, headers, _, _ = head
    assert (method.encode(), version.encode()) == (other.line[0], other.line[2])
    others_path, _, others_query = other.line[1].partition(b"?")
    if others_path.startswith(b"/"):  # of other forms, odd ones stay as they are, and lead nowhere
        assert (path, query) == (others_path, others_query), f"h11 reads {other.line[1]!r}"
    # h11 writes framing in its own way; the bodies tell of it.
    ours, others = (
        [(name, value.strip()) for name, value in of if name not in FRAMING]
        for of in (headers, other.headers)
    )
    assert ours == others, f"h11 reads {others}"
    assert body == other.body, f"{body!r}, h11 reads {other.body!r}"


def _read(pieces: list[bytes], *, is_known: bool) -> tuple[list[tuple[_Head, bytes, bool]], str]:
    """Return the requests, each with its body and whether more of it is to come, and why reading ended."""
    heads: list[_Head] = []
    bodies: list[_Body] = []

    def begin(head: RequestHead) -> _Body:
        heads.append(
            (
                head.method,
                head.version,
                head.path,
                head.query,
                tuple(head.headers),
                head.keeps,
                head.expects,
            )
        )
        bodies.append(_Body(is_known))
        return bodies[-1]

    parser = RequestParser(begin)
    problem = ""
    for piece in pieces:
        error = parser.feed(piece)
        while error is None and bodies and parser.unread_bytes:
            if not bodies[-1].more_body:
                parser.may_begin = True  # as once a request is answered
            elif not parser.is_tired:
                break
            error = parser.feed()
        if error is not None:
            problem = outcome(error)
            break
        parser.may_begin = not bodies or not bodies[-1].more_body
    requests = [(head, body.content, body.more_body) for head, body in zip(heads, bodies, strict=True)]
    if problem and requests and requests[-1][2]:
        # How much of a request came before what can't be read does not matter: it is refused.
        requests[-1] = (requests[-1][0], b"", True)
    return requests, problem
