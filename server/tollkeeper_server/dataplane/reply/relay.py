"""Relaying an answer: chunk by chunk as it arrives, metered on the side."""

import asyncio
import time

from tollkeeper_server.dataplane.exchange import Exchange
from tollkeeper_server.dataplane.reply.events import take_whole, without_usage_chunk
from tollkeeper_server.dataplane.reply.meter import BodyMeter, StreamMeter
from tollkeeper_server.dataplane.request.body import discard_body
from tollkeeper_server.dataplane.transport import Incoming, TransportError
from tollkeeper_server.errors import Reason, TollkeeperError
from tollkeeper_server.snapshot.model import Header


class BrokenAnswerError(Exception):
    """The answer broke off after its head was sent: the caller's connection must not end well."""


def relay_whole(
    exchange: Exchange, incoming: Incoming, headers: list[Header], meter: BodyMeter | None
) -> bool:
    """Relay an answer that is no event stream at once, and return True, if all of it has arrived."""
    caller = exchange.caller
    if caller is None or not exchange.body_read or (whole := incoming.whole_body()) is None:
        return False
    exchange.status = incoming.status
    exchange.first_byte = time.perf_counter_ns()
    exchange.response_bytes = len(whole)
    if meter is not None:
        meter.feed(whole)
    exchange.finished = True
    caller.answer(incoming.status, headers, whole)
    return True


async def relay_body(
    exchange: Exchange, incoming: Incoming, headers: list[Header], meter: BodyMeter | None
) -> None:
    """Relay an answer that is no event stream, as it arrives. Raises `BrokenAnswerError` if it breaks off."""
    send = exchange.send
    await _start(exchange, incoming.status, headers)
    left = _length(headers)
    try:
        async for chunk in incoming.chunks():
            exchange.response_bytes += len(chunk)
            if meter is not None:
                meter.feed(chunk)
            left -= len(chunk)
            if left == 0:
                await _finish(exchange, chunk)
                return
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
    except TransportError as error:
        raise BrokenAnswerError(str(error)) from error
    await _finish(exchange, b"")


async def relay_stream(
    exchange: Exchange,
    incoming: Incoming,
    headers: list[Header],
    meter: StreamMeter,
    *,
    hide_usage: bool,
) -> None:
    """Relay an event stream, whole events at a time, as soon as they are whole.

    It ends as the upstream's did, or with an error event if that broke off. `hide_usage` leaves out
    the chunk that says nothing but usage, which the caller did not ask for.
    """
    await _start(exchange, incoming.status, headers)
    caller = exchange.caller
    held = bytearray()
    problem: str | None = None

    def next_part(chunk: bytes) -> bytes:
        whole = chunk if not held and chunk.endswith(b"\n\n") else take_whole(held, chunk)
        if not whole:
            return b""
        if meter.feed(whole) and hide_usage:
            whole = without_usage_chunk(whole)
        exchange.response_bytes += len(whole)
        return whole

    try:
        if caller is not None:
            write = caller.write_part

            def take(chunk: bytes) -> bool:
                return write(next_part(chunk))

            while not await incoming.pour(take):
                await caller.ready()
        else:
            async for chunk in incoming.chunks():
                if part := next_part(chunk):
                    await exchange.send({"type": "http.response.body", "body": part, "more_body": True})
        last = bytes(held)
    except TransportError as error:
        # A break after the last event loses nothing.
        problem, last = (None if meter.closed else str(error)), b""
    except asyncio.CancelledError:  # the caller left, or this process is going down
        if exchange.caller is not None and not meter.closed:
            exchange.caller.write_part(stream_error(exchange, "the gateway stops", Reason.DRAINING))
        raise
    if problem is None:
        # The last event may lack its blank line, and be whole all the same: the meter reads it.
        used = meter.feed(last)
        if not meter.ended:
            problem = "the upstream ended the stream without saying that it was complete"
        elif meter.in_pieces(last):
            problem = "the upstream ended the stream in the middle of an event"
        elif used and hide_usage:
            last = without_usage_chunk(last)
    if problem is not None:
        last = stream_error(exchange, problem)
    exchange.response_bytes += len(last)
    await _finish(exchange, last)


def stream_error(exchange: Exchange, problem: str, reason: Reason = Reason.UPSTREAM_CUT) -> bytes:
    """Return the event that ends a broken stream, and record the error on the exchange."""
    error = TollkeeperError(reason, f"the answer is incomplete: {problem}; send the request again")
    exchange.error_code = str(error.reason)
    return exchange.endpoint.dialect.error_event(error)


async def _start(exchange: Exchange, status: int, headers: list[Header]) -> None:
    exchange.status = status
    exchange.first_byte = time.perf_counter_ns()
    await exchange.send({"type": "http.response.start", "status": status, "headers": headers})


async def _finish(exchange: Exchange, last: bytes) -> None:
    if not exchange.body_read:
        await discard_body(exchange)
    exchange.finished = True
    await exchange.send({"type": "http.response.body", "body": last, "more_body": False})


def _length(headers: list[Header]) -> int:
    for name, value in headers:
        if name == b"content-length" and value.isdigit():
            return int(value)
    return -1
