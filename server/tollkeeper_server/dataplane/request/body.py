"""Reading a request's body, within bounds of size and time."""

import asyncio
from collections.abc import AsyncIterator, Callable

from tollkeeper_server.dataplane.exchange import ClientGoneError, Exchange
from tollkeeper_server.errors import Reason, TollkeeperError


def arrived_body(exchange: Exchange) -> bytes | None:
    """Return the whole body if all of it is there; else None. Raises BODY_TOO_LARGE as `read_body` does."""
    if exchange.body_read:
        return b""
    limit = exchange.limits.max_body
    refuse_declared(exchange, limit)
    whole = exchange.caller.whole_body() if exchange.caller is not None else None
    if whole is not None:
        exchange.body_read = True
        if len(whole) > limit:
            raise too_large(limit)
    return whole


async def read_body(exchange: Exchange) -> bytes:
    """Return the whole body.

    Raises BODY_TOO_LARGE as soon as it is known to exceed `max_body`, REQUEST_TIMEOUT if it stalls, and
    `ClientGoneError`.
    """
    arrived = arrived_body(exchange)
    if arrived is not None:
        return arrived
    limit = exchange.limits.max_body
    chunks: list[bytes] = []
    size = 0
    more = True
    while more:
        chunk, more = await _next(exchange)
        size += len(chunk)
        if size > limit:
            raise too_large(limit)
        chunks.append(chunk)
    return b"".join(chunks)


async def stream_body(exchange: Exchange, on_end: Callable[[], None]) -> AsyncIterator[bytes]:
    """Yield the body as it arrives, and call `on_end` when all of it has.

    Raises as `read_body` does, by `max_upload`, and leaves the error in `exchange.body_error`: the code that
    consumes the body may wrap it.
    """
    limit = exchange.limits.max_upload
    size = 0
    more = not exchange.body_read
    try:
        while more:
            chunk, more = await _next(exchange)
            size += len(chunk)
            if size > limit:
                raise too_large(limit)
            exchange.request_bytes = size
            if not more:
                on_end()
            if chunk:
                yield chunk
    except (TollkeeperError, ClientGoneError) as error:
        exchange.body_error = error
        raise


async def discard_body(exchange: Exchange) -> None:
    """Read and drop the rest of the body, within bounds, before an answer ends.

    On HTTP/2, body data after the end of an answer can cost the whole connection.
    """
    left = exchange.limits.discard_bytes
    try:
        async with asyncio.timeout(exchange.limits.discard_seconds):
            while left > 0 and not exchange.body_read:
                message = await exchange.receive()
                if message["type"] == "http.disconnect" or not message.get("more_body", False):
                    exchange.body_read = True
                left -= len(message.get("body", b""))
    except TimeoutError:
        return


async def _next(exchange: Exchange) -> tuple[bytes, bool]:
    seconds = exchange.limits.stall_seconds
    try:
        async with asyncio.timeout(seconds):
            message = await exchange.receive()
    except TimeoutError as error:
        raise TollkeeperError(
            Reason.REQUEST_TIMEOUT,
            f"the request's body stalled for {seconds:.0f} seconds; send it without pauses",
        ) from error
    if message["type"] == "http.disconnect":
        raise ClientGoneError
    more: bool = message.get("more_body", False)
    if not more:
        exchange.body_read = True
    return message.get("body", b""), more


def refuse_declared(exchange: Exchange, limit: int) -> None:
    """Raise BODY_TOO_LARGE if the request's head says that its body exceeds `limit` bytes."""
    if b"content-length" in exchange.headers and exchange.declared_bytes > limit:
        raise too_large(limit)


def too_large(limit: int, *, decoded: bool = False) -> TollkeeperError:
    """Return the error for a body that exceeds `limit` bytes, or does when it is `decoded`."""
    return TollkeeperError(
        Reason.BODY_TOO_LARGE,
        f"the request's body is{', decoded,' if decoded else ''} larger than the {limit:,} bytes this "
        "gateway takes; send less, or have TOLLKEEPER_MAX_BODY_BYTES "
        "(of uploads TOLLKEEPER_MAX_UPLOAD_BYTES) raised",
        field="body",
    )
