"""Reading a request's body, within bounds of size and time."""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor

from tollkeeper_server.dataplane.exchange import UNKNOWN_BYTES, ClientGoneError, Exchange
from tollkeeper_server.dataplane.request.room import COUNTED_BYTES
from tollkeeper_server.errors import Reason, TollkeeperError

# What is longer is put together in a thread: the interpreter goes on meanwhile.
_LONG = 4 * 1024 * 1024
# One: while a body is put together, it is there twice.
_JOINING = ThreadPoolExecutor(1, "joining")


def arrived_body(exchange: Exchange) -> bytes | None:
    """Return the whole body if all of it is there; else None.

    Raises BODY_TOO_LARGE as `read_body` does, and what `BodyRoom` raises.
    """
    if exchange.body_read:
        return b""
    declared, limit = exchange.declared_bytes, exchange.limits.max_body
    if declared > COUNTED_BYTES or declared > limit:
        refuse_declared(exchange, limit)
        if COUNTED_BYTES < declared < UNKNOWN_BYTES and exchange.room is not None:
            exchange.room.check(exchange.token_id, declared)
    whole = exchange.caller.whole_body() if exchange.caller is not None else None
    if whole is not None:
        exchange.body_read = True
        size = len(whole)
        if size > limit:
            raise too_large(limit)
        if size > COUNTED_BYTES:
            hold(exchange, size)
    return whole


def hold(exchange: Exchange, size: int) -> None:
    """Count so many bytes of a body, until the exchange ends. Raises as `BodyRoom.take` does."""
    if exchange.room is not None:
        exchange.room.take(exchange.token_id, size)
        exchange.held_bytes += size


async def read_body(exchange: Exchange) -> bytes:
    """Return the whole body.

    Raises BODY_TOO_LARGE as soon as it is known to exceed `max_body`, REQUEST_TIMEOUT if it stalls or comes
    too slowly, what `BodyRoom` raises, and `ClientGoneError`.
    """
    arrived = arrived_body(exchange)
    if arrived is not None:
        return arrived
    limit = exchange.limits.max_body
    chunks: list[bytes] = []
    pace = _Pace(exchange)
    more = True
    while more:
        chunk, more = await pace.next()
        if pace.size > limit:
            raise too_large(limit)
        if pace.size > COUNTED_BYTES:
            hold(exchange, pace.size - exchange.held_bytes)
        chunks.append(chunk)
        chunk = b""  # otherwise it stays in memory beside the whole
    if pace.size <= _LONG:
        return b"".join(chunks)
    return await asyncio.get_running_loop().run_in_executor(_JOINING, _join, chunks)


def _join(chunks: list[bytes]) -> bytes:
    whole = b"".join(chunks)
    chunks.clear()
    return whole


async def stream_body(exchange: Exchange, on_end: Callable[[], None]) -> AsyncIterator[bytes]:
    """Yield the body as it arrives, and call `on_end` when all of it has.

    Raises as `read_body` does, by `max_upload`, and leaves the error in `exchange.body_error`: the code that
    consumes the body may wrap it.
    """
    limit = exchange.limits.max_upload
    pace = _Pace(exchange)
    more = not exchange.body_read
    try:
        while more:
            chunk, more = await pace.next()
            if pace.size > limit:
                raise too_large(limit)
            exchange.request_bytes = pace.size
            if not more:
                on_end()
            if chunk:
                yield chunk
            chunk = b""  # otherwise it stays in memory until the next one comes
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
                del message  # otherwise it stays in memory until the next one comes
    except TimeoutError:
        return


class _Pace:
    """Reads the parts of a body, and holds the caller to a pace.

    Only the time counts in which the caller is waited for: an upstream may be slower than it.
    """

    __slots__ = ("_exchange", "_waited", "size")

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._waited = 0.0
        self.size = 0
        """How many bytes have come."""

    async def next(self) -> tuple[bytes, bool]:
        """Return the next part, and whether more follows. Raises REQUEST_TIMEOUT and `ClientGoneError`."""
        exchange, loop = self._exchange, asyncio.get_running_loop()
        limits = exchange.limits
        left = limits.stall_seconds + self.size / limits.bytes_per_second - self._waited
        began = loop.time()
        try:
            async with asyncio.timeout(min(left, limits.stall_seconds)):
                message = await exchange.receive()
        except TimeoutError as error:
            raise _too_slow(limits.stall_seconds, limits.bytes_per_second) from error
        self._waited += loop.time() - began
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        part: bytes = message.get("body", b"")
        more: bool = message.get("more_body", False)
        self.size += len(part)
        if not more:
            exchange.body_read = True
        return part, more


def _too_slow(seconds: float, rate: int) -> TollkeeperError:
    return TollkeeperError(
        Reason.REQUEST_TIMEOUT,
        f"the request's body stalled for {seconds:.0f} seconds, or came more slowly than {rate:,} bytes a "
        "second; send it without pauses",
    )


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
