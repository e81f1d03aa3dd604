"""Answers without their content coding.

Identity is what upstreams are asked for; some code their answers all the same.
"""

from collections.abc import AsyncIterator, Iterator

from tollkeeper_server.dataplane.codings import Decoder, decode_parts, is_coding, make_decoder
from tollkeeper_server.dataplane.headers import content_coding
from tollkeeper_server.dataplane.reply.remade import Remade
from tollkeeper_server.dataplane.request.peek import media_type
from tollkeeper_server.dataplane.transport import GarbageError, Incoming

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
        incoming = decoded(incoming, coding)
    return incoming


def decoded(incoming: Incoming, coding: bytes) -> Incoming:
    """Return an answer without its content coding, which is decoded as it is read.

    Where it can't be decoded, reading raises `GarbageError`.
    """
    headers = [
        header
        for header in incoming.headers
        if header[0].lower() not in {b"content-encoding", b"content-length"}
    ]
    return Remade(incoming, _decode(incoming, coding, make_decoder(coding)), headers)


async def _decode(incoming: Incoming, coding: bytes, decoder: Decoder) -> AsyncIterator[bytes]:
    empty = True
    try:
        async for chunk in incoming.chunks():
            empty = empty and not chunk
            for part in decoder.decode(chunk):
                if part:
                    yield part
    except ValueError as error:
        raise GarbageError(f"the answer is not {coding.decode()}, which it claims to be") from error
    if not empty and not decoder.ended():
        raise GarbageError(f"the answer's {coding.decode()} coding has no end")
