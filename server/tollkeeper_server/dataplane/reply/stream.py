"""Relaying an event stream: whole events as they arrive, metered on the side."""

import asyncio

from tollkeeper_server.dataplane.exchange import Exchange
from tollkeeper_server.dataplane.reply.events import take_whole, without_usage
from tollkeeper_server.dataplane.reply.meter import StreamMeter
from tollkeeper_server.dataplane.reply.sending import finish_answer, start_answer
from tollkeeper_server.dataplane.transport import Incoming, TransportError
from tollkeeper_server.errors import Reason, TollkeeperError
from tollkeeper_server.providers.usage import SIGN
from tollkeeper_server.snapshot.model import Header


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
    the usage, which the caller did not ask for.
    """
    await start_answer(exchange, incoming.status, headers)
    caller = exchange.caller
    held = bytearray()
    problem: str | None = None

    def next_part(chunk: bytes) -> bytes:
        whole = chunk if not held and chunk.endswith(b"\n\n") else take_whole(held, chunk)
        if not whole:
            return b""
        shown = without_usage(whole, meter.ended_by) if hide_usage and SIGN in whole else whole
        meter.feed(whole)
        exchange.response_bytes += len(shown)
        return shown

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
        if exchange.response_bytes == 0 and last.lstrip().startswith(b"{"):
            meter.feed_document(last)
            hide_usage = False
        else:
            meter.feed(last)
        if not meter.ended:
            problem = "the upstream ended the stream without saying that it was complete"
        elif meter.in_pieces(last):
            problem = "the upstream ended the stream in the middle of an event"
        elif hide_usage:
            last = without_usage(last, meter.ended_by)
    if problem is not None:
        last = stream_error(exchange, problem)
    exchange.response_bytes += len(last)
    await finish_answer(exchange, last)


def stream_error(exchange: Exchange, problem: str, reason: Reason = Reason.UPSTREAM_CUT) -> bytes:
    """Return the event that ends a broken stream, and record the error on the exchange."""
    error = TollkeeperError(reason, f"the answer is incomplete: {problem}; send the request again")
    exchange.error_code = str(error.reason)
    return exchange.endpoint.dialect.error_event(error)
