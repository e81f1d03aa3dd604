"""The body of a request in chunks (RFC 9112, 7.1), as httptools reads it."""

import httptools

from tollkeeper_server.errors import TollkeeperError
from tollkeeper_server.http1.server.message import RequestBody
from tollkeeper_server.http1.server.refusal import ENDLESS_HEAD, MAX_REQUEST_HEAD_BYTES

# httptools reads bodies behind a head. The one that came was read already.
_HEAD = b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n"
_BLANK_LINE = b"\r\n\r\n"
# Chunks are read in pieces of so many bytes, between which the reader of the body can say that it has enough:
# each chunk costs time, however small it is.
_PIECE_BYTES = 2 * 1024
# So much of them is read at once: steps, of which each chunk and trailer is one, and each piece several.
_MOST_STEPS = 512
_PIECE_STEPS = 8


class ChunkedBody:
    """Reads a body in chunks, in steps: none of them takes long, however small the chunks are."""

    __slots__ = ("_body", "_parser", "_steps", "_tail", "_taken")

    def __init__(self, body: RequestBody) -> None:
        """`body` takes what the chunks hold."""
        self._body = body
        self._taken = _Taken(body)
        self._parser = httptools.HttpRequestParser(self._taken)
        self._parser.feed_data(_HEAD)
        self._steps = 0
        # The last bytes that were read.
        self._tail = b""

    @property
    def has_ended(self) -> bool:
        """Whether the body was read to its end."""
        return self._taken.has_ended

    @property
    def is_tired(self) -> bool:
        """Whether as many steps were taken as are at once. `rest` allows further ones."""
        return self._steps + self._taken.steps >= _MOST_STEPS

    def rest(self) -> None:
        """Count the steps from zero."""
        self._steps = self._taken.steps = 0

    def may_go_on(self) -> bool:
        """Return whether the reader of the body takes more, and another step may be taken."""
        return not self._body.is_full and not self.is_tired

    def feed(self, data: bytes, at: int) -> tuple[int, TollkeeperError | None]:
        """Read a part of `data` from `at`; return where the rest begins, and why it can't be read.

        Raises HttpParserError if these are no chunks.
        """
        # A body in chunks ends with an empty line. Whether one is its end, only the parser knows.
        end, tail = -1, self._tail
        if tail:
            end = (tail + data[at : at + 3]).find(_BLANK_LINE) + 4 - len(tail)
        if end > 0:
            end += at
        else:
            end = data.find(_BLANK_LINE, at, at + _PIECE_BYTES) + 4
            if end < 4:
                end = min(at + _PIECE_BYTES, len(data))
        piece = data[at:end]
        taken = self._taken
        self._steps += _PIECE_STEPS
        self._parser.feed_data(piece)
        if not taken.has_ended:
            self._tail = (tail + piece)[-3:]
            taken.without_body += len(piece)
            if taken.without_body > MAX_REQUEST_HEAD_BYTES:
                return end, ENDLESS_HEAD  # extensions of a chunk, or trailers: none of them need end
        return end, None


class _Taken:
    """What httptools calls with what it finds. It refers to no parser, so that there is no circle."""

    __slots__ = ("_body", "has_ended", "steps", "without_body")

    def __init__(self, body: RequestBody) -> None:
        self._body = body
        self.has_ended = False
        self.steps = 0
        self.without_body = 0
        """How many bytes were read since any belonged to the body."""

    def on_header(self, _name: bytes, _value: bytes) -> None:
        """Count a trailer, which is no header (RFC 9110, 6.5.1)."""
        self.steps += 1

    def on_body(self, part: bytes) -> None:
        """Take a part of the body."""
        self.without_body = 0
        self.steps += 1
        self._body.feed(part)

    def on_message_complete(self) -> None:
        """Take the end of the body."""
        self.has_ended = True
        self._body.feed_end()
