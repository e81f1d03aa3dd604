"""Answers without their content coding.

Identity is what upstreams are asked for; some code their answers all the same.
"""

from collections.abc import AsyncIterator, Callable, Iterator

from tollkeeper_server.dataplane.codings import decode_parts, is_coding, make_decoder
from tollkeeper_server.dataplane.headers import content_coding
from tollkeeper_server.dataplane.request.peek import media_type
from tollkeeper_server.dataplane.transport import GarbageError, Incoming
from tollkeeper_server.snapshot.model import Header

# Nobody needs more than one.
_MAX_CODINGS = 4


def decode_body(body: bytes, coding: bytes, limit: int) -> bytes:
    """Return a body without its coding: as it is if that is unknown, and nothing if it can't be undone.

    Of what is longer than `limit`, the rest is left out.
    """
    for one in reversed(_codings(coding)):
        body = _undo(body, one, limit)
    return body


def _codings(coding: bytes) -> list[bytes]:
    """Return the codings that `content_coding` found; none if one of them can't be undone."""
    found = coding.split(b",")
    return found if len(found) <= _MAX_CODINGS and all(map(is_coding, found)) else []


def decoded_parts(body: bytes, coding: bytes, limit: int) -> Iterator[bytes]:
    """Yield the parts of what `decode_body` returns. Raises ValueError where the coding can't be undone."""
    codings = _codings(coding)
    for one in reversed(codings[1:]):
        body = _undo(body, one, limit)
    if codings:
        yield from _parts(body, codings[0], limit)
    else:
        yield body


def _undo(body: bytes, coding: bytes, limit: int) -> bytes:
    try:
        return b"".join(_parts(body, coding, limit))
    except ValueError:
        return b""


def _parts(body: bytes, coding: bytes, limit: int) -> Iterator[bytes]:
    size = 0
    for part in decode_parts(body, make_decoder(coding)):
        yield part
        size += len(part)
        if size >= limit:
            return


def decode_stream(incoming: Incoming, *, asked_stream: bool) -> Incoming:
    """Return an answer without a coding that can be undone if it is a stream, or if one was asked for."""
    codings = _codings(content_coding(incoming.headers))
    if not codings:
        return incoming
    if not asked_stream:
        kinds = [value for name, value in incoming.headers if name.lower() == b"content-type"]
        if not kinds or media_type(kinds[0]) != b"text/event-stream":
            return incoming
    for coding in reversed(codings):
        incoming = Decoded(incoming, coding)
    return incoming


class Decoded:
    """An answer without its content coding: an `Incoming` that decodes as it is read."""

    __slots__ = ("_coding", "_decoder", "_incoming", "_parts", "headers", "status")

    def __init__(self, incoming: Incoming, coding: bytes) -> None:
        self.status: int = incoming.status
        self.headers: list[Header] = [
            header
            for header in incoming.headers
            if header[0].lower() not in {b"content-encoding", b"content-length"}
        ]
        self._incoming = incoming
        self._coding = coding
        self._decoder = make_decoder(coding)
        self._parts = self._decode()

    def whole_body(self) -> bytes | None:
        """Return None: it is decoded as it is read."""
        return None

    def chunks(self) -> AsyncIterator[bytes]:
        """Yield what arrives, decoded. Raises `TransportError`, also where it can't be decoded."""
        return self._parts

    def rest(self) -> None:
        self._incoming.rest()

    def go_on(self) -> None:
        self._incoming.go_on()

    async def pour(self, take: Callable[[bytes], bool]) -> bool:
        """Hand over what arrives, decoded."""
        async for part in self._parts:
            if not take(part):
                return False
        return True

    def close(self) -> None:
        """Give the answer up."""
        self._incoming.close()

    async def _decode(self) -> AsyncIterator[bytes]:
        empty = True
        try:
            async for chunk in self._incoming.chunks():
                empty = empty and not chunk
                for part in self._decoder.decode(chunk):
                    if part:
                        yield part
        except ValueError as error:
            raise GarbageError(f"the answer is not {self._coding.decode()}, which it claims to be") from error
        if not empty and not self._decoder.ended():
            raise GarbageError(f"the answer's {self._coding.decode()} coding has no end")
