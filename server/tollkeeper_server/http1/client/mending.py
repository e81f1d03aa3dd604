"""Heads of answers that httptools refuses or takes otherwise, though RFC 9112 says how a client reads them.

Such an answer is framed twice or in unusual words, says its length several times, folds a header over lines,
has blanks before a colon, or ends lines with LF alone. The connection that it came on is not used again.
"""

import re
from collections.abc import Callable
from typing import Protocol

import httptools

from tollkeeper_server.dataplane.transport import GarbageError
from tollkeeper_server.http1.client.head import UnclearError, tokens_of
from tollkeeper_server.http1.framing import CLOSE, FRAMING, TOKEN_BYTES, join_head
from tollkeeper_server.snapshot.model import Header

_STATUS_LINE = re.compile(rb"HTTP/1\.[0-9] ([0-9]{3})(?: .*)?", re.DOTALL)
_BEGINNING = b"HTTP/1."
_BLANKS = b" \t"
_CONTROLS = bytes({*range(32), 127} - {9})


class Reader(Protocol):
    """What httptools calls while it reads (answer_reader.py)."""

    on_body: Callable[[bytes], None]

    def on_message_begin(self) -> None: ...
    def on_header(self, name: bytes, value: bytes) -> None: ...
    def on_headers_complete(self) -> None: ...
    def on_message_complete(self) -> None: ...


def new_parser(reader: Reader) -> httptools.HttpResponseParser:
    """Return a parser that calls `reader`, and takes blanks after a chunk's size (RFC 9112, 7.1.1)."""
    parser = httptools.HttpResponseParser(reader)
    parser.set_dangerous_leniencies(lenient_spaces_after_chunk_size=True)
    return parser


class MendingParser:
    """Takes the place of httptools' parser for one answer: mends the head, and has httptools read the rest.

    `feed_data` raises `GarbageError` for a head that can't be read in one way, and what httptools raises.
    """

    __slots__ = ("_at", "_headers", "_held", "_parser", "_status")

    def __init__(self, reader: Reader) -> None:
        self._parser = new_parser(reader)
        self._held: bytearray | None = bytearray()
        self._at = 0
        self._status = b""
        self._headers: list[Header] = []

    def feed_data(self, data: bytes) -> None:
        """Take the bytes that follow, the first of them those of the head that was refused."""
        held = self._held
        if held is None:
            self._parser.feed_data(data)
            return
        held += data
        while (end := held.find(b"\n", self._at)) >= 0:
            line = bytes(held[self._at : end]).removesuffix(b"\r")
            self._at = end + 1
            if self._take(line):
                self._held = None
                self._parser.feed_data(self._mended() + held[self._at :])
                return
        rest = held[self._at :]
        # An empty line before the head may have come in half.
        if not self._status and rest != b"\r" and not rest.startswith(_BEGINNING[: len(rest)]):
            raise _invalid()

    def get_status_code(self) -> int:
        return self._parser.get_status_code()

    def get_http_version(self) -> str:
        return self._parser.get_http_version()

    def should_keep_alive(self) -> bool:
        return self._parser.should_keep_alive()

    def _take(self, line: bytes) -> bool:
        """Read a line; return whether it ends the head of the answer, which interim ones (1xx) precede."""
        if line.translate(None, _CONTROLS) != line:
            raise _invalid()
        if not self._status:
            if line:
                match = _STATUS_LINE.fullmatch(line)
                if match is None:
                    raise _invalid()
                self._status = match[1]
            return False
        if not line:
            if not self._status.startswith(b"1") or self._status == b"101":
                return True
            self._status = b""
            self._headers.clear()
        elif line[:1] in _BLANKS:
            if not self._headers:
                raise _invalid()
            name, value = self._headers.pop()
            self._headers.append((name, b" ".join(filter(None, (value, line.strip(_BLANKS))))))
        else:
            name, colon, value = line.partition(b":")
            name = name.rstrip(_BLANKS)
            if not colon or not name or name.translate(None, TOKEN_BYTES):
                raise _invalid()
            self._headers.append((name, value.strip(_BLANKS)))
        return False

    def _mended(self) -> bytes:
        lines = [b"HTTP/1.1 %b " % self._status]
        lines += [b"%b: %b" % header for header in _framed_once(self._headers)]
        return join_head([*lines, CLOSE])


def _framed_once(headers: list[Header]) -> list[Header]:
    """Return headers with one that says where the body ends, or none (RFC 9112, 6.3)."""
    unframed = [header for header in headers if header[0].lower() not in FRAMING]
    codings = [coding for coding in tokens_of(headers, b"transfer-encoding") if coding != b"identity"]
    if codings == [b"chunked"]:
        return [*unframed, (b"transfer-encoding", b"chunked")]
    if codings:  # no request accepts more than chunks (RFC 9112, 7.4)
        raise GarbageError("the upstream sent its answer in a transfer coding that it was not asked for")
    said = [value for name, value in headers if name.lower() == b"content-length"]
    lengths = {length.strip(_BLANKS) for value in said for length in value.split(b",")}
    if len(lengths) > 1:
        raise GarbageError("the upstream gave its answer two lengths that contradict each other")
    return [*unframed, *((b"content-length", length) for length in lengths)]


def can_mend(refusal: Exception) -> bool:
    """Return whether a head that was refused may be one that RFC 9112 says how to read."""
    own = refusal.__context__
    if isinstance(own, GarbageError):
        return isinstance(own, UnclearError)
    return not isinstance(refusal, httptools.HttpParserInvalidStatusError)


def _invalid() -> GarbageError:
    return GarbageError("what the upstream sent is not a valid HTTP response")
