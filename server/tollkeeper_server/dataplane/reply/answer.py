"""Passing an upstream's answer on: its head, and its body whole, as it arrives, or as a stream of events."""

import time

from tollkeeper_server.dataplane.addresses import WITH_URLS, without_address
from tollkeeper_server.dataplane.aside import LARGE, record_tokens
from tollkeeper_server.dataplane.exchange import Exchange
from tollkeeper_server.dataplane.headers import content_coding, lowered, response_headers
from tollkeeper_server.dataplane.reply.beginning import read_beginning
from tollkeeper_server.dataplane.reply.decoding import decode_stream
from tollkeeper_server.dataplane.reply.events import begins_stream, tells_stream
from tollkeeper_server.dataplane.reply.meter import BodyMeter, StreamMeter
from tollkeeper_server.dataplane.reply.sending import BrokenAnswerError, finish_answer, start_answer
from tollkeeper_server.dataplane.reply.served import NamingMeter, read_model
from tollkeeper_server.dataplane.reply.stream import relay_stream
from tollkeeper_server.dataplane.request.peek import media_type
from tollkeeper_server.dataplane.transport import Incoming, TransportError
from tollkeeper_server.domain.usage import TokenCounts
from tollkeeper_server.snapshot.model import Header, Target

_JSON = b"application/json"
# A stream shows in its first bytes, unless there are very many blank lines before it.
_MAX_SNIFFED = 4 * 1024


async def pass_on(
    exchange: Exchange,
    incoming: Incoming,
    body: bytes,
    target: Target,
    *,
    asked_stream: bool,
    hide_usage: bool,
) -> None:
    """Answer with what the upstream `target` answered to `body`, and record the tokens that it took.

    `asked_stream` says that a stream of events was asked for. `hide_usage` leaves out of it the usage that
    only the gateway has asked for. Raises `BrokenAnswerError`, or `TransportError` if the answer breaks off
    before any of it was passed on.
    """
    dialect = exchange.endpoint.dialect
    good = incoming.status < 300  # redirects and errors cost no tokens
    answered = lowered(incoming.headers)
    received = dict(answered)
    coding = received.get(b"content-encoding", b"identity")
    content_type = received.get(b"content-type", b"")
    exchange.streamed = content_type != _JSON and media_type(content_type) == b"text/event-stream"
    if coding != b"identity":
        if good:
            incoming = decode_stream(incoming, asked_stream=asked_stream)
            answered = lowered(incoming.headers)
        coding = content_coding(answered)
    if asked_stream and good and not exchange.streamed and coding == b"identity":
        incoming = await read_beginning(exchange, incoming, body, _MAX_SNIFFED, tells_stream)
        exchange.streamed = begins_stream(incoming.held)
        if exchange.streamed:
            answered = [header for header in answered if header[0] != b"content-type"]
            answered.append((b"content-type", b"text/event-stream"))
    streamed = exchange.streamed and good and coding == b"identity"
    if not WITH_URLS.isdisjoint(received):
        answered = without_address(answered, target)
    headers = response_headers(
        answered, exchange.request_id, drop_length=streamed, passed=target.passed_headers
    )
    headers.append((b"x-tollkeeper-upstream", exchange.upstream.encode()))
    if exchange.model_served.isascii() and exchange.model_served:
        headers.append((b"x-tollkeeper-model", exchange.model_served.encode()))
    if streamed:
        stream = StreamMeter(dialect) if exchange.model_served else NamingMeter(dialect)
        try:
            await relay_stream(exchange, incoming, headers, stream, hide_usage=hide_usage)
        finally:
            if isinstance(stream, NamingMeter):
                exchange.model_served = stream.model
            await record_tokens(exchange, len(body), lambda: stream.tokens(body))
        return
    meter = BodyMeter(dialect, coding) if good and dialect.whole_is_json else None
    try:
        if not send_whole(exchange, incoming, headers, meter):
            await relay_body(exchange, incoming, headers, meter)
    finally:
        if meter is not None and exchange.model_served and len(body) + meter.kept <= LARGE:
            exchange.tokens = meter.tokens(body)
        elif meter is not None:
            await record_tokens(exchange, meter.kept + len(body), lambda: _count(exchange, meter, body))


def _count(exchange: Exchange, meter: BodyMeter, body: bytes) -> TokenCounts:
    if not exchange.model_served:
        exchange.model_served = read_model(meter.document())
    return meter.tokens(body)


def send_whole(
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
    await start_answer(exchange, incoming.status, headers)
    left = _length(headers)
    try:
        async for chunk in incoming.chunks():
            exchange.response_bytes += len(chunk)
            if meter is not None:
                meter.feed(chunk)
            left -= len(chunk)
            if left == 0:
                await finish_answer(exchange, chunk)
                return
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
    except TransportError as error:
        raise BrokenAnswerError(str(error)) from error
    await finish_answer(exchange, b"")


def _length(headers: list[Header]) -> int:
    for name, value in headers:
        if name == b"content-length" and value.isdigit():
            return int(value)
    return -1
