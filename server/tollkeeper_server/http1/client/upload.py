"""Sending a request's body while it is still being produced."""

from collections.abc import AsyncIterator
from typing import Protocol

from tollkeeper_server.dataplane.transport import CutError
from tollkeeper_server.http1.framing import LAST_CHUNK


class Sink(Protocol):
    """The connection that a body goes out on (connection.py)."""

    def write(self, *pieces: bytes) -> None: ...
    async def drain(self) -> None: ...


async def send_stream(sink: Sink, body: AsyncIterator[bytes], length: int | None) -> None:
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
