"""Reading a request's body, within bounds of size and time."""

import asyncio
from collections.abc import AsyncIterator, Callable

from tollkeeper_server.dataplane.exchange import ClientGoneError, Exchange
from tollkeeper_server.errors import Reason, TollkeeperError

STALL_SECONDS = 60.0
"""The longest silence within a request's body."""

# Enough to let a client finish sending a body of usual size and read the answer; a client that has
# more to send, or is slower, finds the connection closed.
DISCARD_BYTES = 64 * 1024 * 1024
DISCARD_SECONDS = 10.0


def arrived_body(exchange: Exchange, limit: int) -> bytes | None:
    """Returns the whole body if all of it is there; else None. Raises BODY_TOO_LARGE as `read_body` does."""
    if exchange.body_read:
        return b""
    refuse_declared(exchange, limit)
    whole = exchange.caller.whole_body() if exchange.caller is not None else None
    if whole is not None:
        exchange.body_read = True
        if len(whole) > limit:
            raise _too_large(limit)
    return whole


async def read_body(exchange: Exchange, limit: int) -> bytes:
    """Returns the whole body.

    Raises BODY_TOO_LARGE as soon as it is known to exceed `limit` bytes, REQUEST_TIMEOUT if it
    stalls, and `ClientGoneError`.
    """
    arrived = arrived_body(exchange, limit)
    if arrived is not None:
        return arrived
    chunks: list[bytes] = []
    size = 0
    more = True
    while more:
        chunk, more = await _next(exchange)
        size += len(chunk)
        if size > limit:
            raise _too_large(limit)
        chunks.append(chunk)
    return b"".join(chunks)


async def stream_body(exchange: Exchange, limit: int, on_end: Callable[[], None]) -> AsyncIterator[bytes]:
    """Yields the body as it arrives, and calls `on_end` when all of it has.

    Raises as `read_body` does, and leaves the error in `exchange.body_error`: what consumes the body
    may wrap it.
    """
    size = 0
    more = not exchange.body_read
    try:
        while more:
            chunk, more = await _next(exchange)
            size += len(chunk)
            if size > limit:
                raise _too_large(limit)
            exchange.request_bytes = size
            if not more:
                on_end()
            if chunk:
                yield chunk
    except (TollkeeperError, ClientGoneError) as error:
        exchange.body_error = error
        raise


async def discard_body(exchange: Exchange) -> None:
    """Reads and drops what has not been read of the body, within bounds, before an answer ends.

    On HTTP/2, body data after the end of an answer can cost the whole connection.
    """
    left = DISCARD_BYTES
    try:
        async with asyncio.timeout(DISCARD_SECONDS):
            while left > 0 and not exchange.body_read:
                message = await exchange.receive()
                if message["type"] == "http.disconnect" or not message.get("more_body", False):
                    exchange.body_read = True
                left -= len(message.get("body", b""))
    except TimeoutError:
        return


async def _next(exchange: Exchange) -> tuple[bytes, bool]:
    try:
        async with asyncio.timeout(STALL_SECONDS):
            message = await exchange.receive()
    except TimeoutError as error:
        raise TollkeeperError(
            Reason.REQUEST_TIMEOUT,
            f"the request's body stalled for {STALL_SECONDS:.0f} seconds; send it without pauses",
        ) from error
    if message["type"] == "http.disconnect":
        raise ClientGoneError
    more: bool = message.get("more_body", False)
    if not more:
        exchange.body_read = True
    return message.get("body", b""), more


def refuse_declared(exchange: Exchange, limit: int) -> None:
    """Raises BODY_TOO_LARGE if the request's head says that its body exceeds `limit` bytes."""
    if b"content-length" in exchange.headers and exchange.declared_bytes > limit:
        raise _too_large(limit)


def _too_large(limit: int) -> TollkeeperError:
    return TollkeeperError(
        Reason.BODY_TOO_LARGE,
        f"the request's body is larger than the {limit:,} bytes this gateway takes; "
        "send less, or have TOLLKEEPER_MAX_BODY_BYTES (of uploads TOLLKEEPER_MAX_UPLOAD_BYTES) raised",
        field="body",
    )
