"""Relaying an event stream: whole events as they arrive, metered on the side."""

import asyncio
from time import perf_counter

from tollkeeper_server.dataplane.budget.asked import MAXIMA
from tollkeeper_server.dataplane.exchange import Exchange
from tollkeeper_server.dataplane.reply.events import take_whole, without_usage
from tollkeeper_server.dataplane.reply.meter import StreamMeter
from tollkeeper_server.dataplane.reply.sending import finish_answer, start_answer
from tollkeeper_server.dataplane.request.room import COUNTED_BYTES
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

    It ends as the upstream's did, or with an error event: if that broke off, or if more text has come than
    the request's budgets have tokens for. `hide_usage` leaves out the usage, which the caller did not ask
    for.
    """
    await start_answer(exchange, incoming.status, headers)
    caller, turns, holding = exchange.caller, exchange.turns, exchange.holding
    held = bytearray()
    problem: str | None = None

    def next_part(chunk: bytes) -> bytes:
        if not held and chunk.endswith(b"\n\n"):
            whole = chunk
        else:
            whole = take_whole(held, chunk)
            if len(held) > COUNTED_BYTES and not exchange.hold_kept(len(held)):
                whole += bytes(held)  # an event for which the token has no room is relayed in parts
                held.clear()
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

            def take_held(chunk: bytes) -> bool:
                assert holding is not None
                return write(next_part(chunk)) and not holding.is_passed(meter.text)

            while not await incoming.pour(take if holding is None else take_held):
                await caller.ready()
                if holding is not None and not await holding.goes_on(exchange, meter.text):
                    break
                if turns is not None and perf_counter() >= turns.end and turns.is_over(exchange.token_id):
                    await turns.wait(exchange.token_id, begun=True)
        else:
            async for chunk in incoming.chunks():
                if part := next_part(chunk):
                    await exchange.send({"type": "http.response.body", "body": part, "more_body": True})
                if holding is not None and not await holding.goes_on(exchange, meter.text):
                    break
        last = bytes(held)
    except TransportError as error:
        # A break after the last event loses nothing.
        problem, last = (None if meter.closed else str(error)), b""
    except asyncio.CancelledError:  # the caller left, or this process is going down
        if exchange.caller is not None and not meter.closed:
            exchange.caller.write_part(stream_error(exchange, "the gateway stops", Reason.DRAINING))
        raise
    if holding is not None and holding.is_spent:
        last = _spent(exchange, holding.ending)
    elif problem is None:
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


def _spent(exchange: Exchange, ending: TollkeeperError | None) -> bytes:
    """Return the event that ends a stream for which no more is held, and record the error."""
    maximum = MAXIMA.get(exchange.endpoint.name, ("",))[0]
    error = ending or TollkeeperError(
        Reason.INSUFFICIENT_QUOTA,
        "the answer ends here: it has no maximum, so each byte of its text may be a token, and a budget of "
        f"its limits has too little left for more{f'; name a maximum in {maximum}' if maximum else ''}. GET "
        "/v1/tollkeeper/limits says which budget, and an administrator may raise it",
    )
    exchange.error_code = str(error.reason)
    return exchange.endpoint.dialect.error_event(error)


def stream_error(exchange: Exchange, problem: str, reason: Reason = Reason.UPSTREAM_CUT) -> bytes:
    """Return the event that ends a broken stream, and record the error on the exchange."""
    error = TollkeeperError(reason, f"the answer is incomplete: {problem}; send the request again")
    exchange.error_code = str(error.reason)
    return exchange.endpoint.dialect.error_event(error)
