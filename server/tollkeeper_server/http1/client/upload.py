"""Sending a request's body while it is still being produced, or in pieces if it is long."""

from collections.abc import AsyncIterator
from typing import Protocol

from tollkeeper_server.dataplane.transport import CutError, Parts
from tollkeeper_server.http1.framing import LAST_CHUNK

WRITTEN_AT_ONCE = 256 * 1024
"""The most of a body that is written before the upstream has taken any: TLS codes all that it is given."""


class Sink(Protocol):
    """The connection that a body goes out on (connection.py)."""

    def write(self, piece: bytes | memoryview, *more: bytes | memoryview) -> None: ...
    async def drain(self) -> None: ...


async def in_pieces(body: bytes | Parts) -> AsyncIterator[memoryview]:
    """Yield a body in pieces of which none is long."""
    for part in body.parts if isinstance(body, Parts) else (body,):
        view = memoryview(part)
        for at in range(0, len(view), WRITTEN_AT_ONCE):
            yield view[at : at + WRITTEN_AT_ONCE]


async def send_stream(
    sink: Sink, body: AsyncIterator[bytes] | AsyncIterator[memoryview], length: int | None
) -> None:
    """Send a body, in chunks if its length is not known.

    Raises `CutError` if the body fails or is not as long as it was said to be: the upstream must not
    take a part for the whole body, nor the surplus for another request.
    """
    left = length
    try:
        async for piece in body:
            if not piece:
                continue
            if left is None:
                sink.write(b"%x\r\n" % len(piece), piece, b"\r\n")
            else:
                left -= len(piece)
                if left < 0:
                    break
                sink.write(piece)
            del piece  # otherwise it stays in memory until the next one comes
            await sink.drain()
    except Exception as error:
        raise CutError("the request's body broke off") from error
    finally:
        close = getattr(body, "aclose", None)
        if close is not None:
            await close()
    if left is None:
        sink.write(LAST_CHUNK)
    elif left:
        raise CutError("the request's body is not as long as announced")
