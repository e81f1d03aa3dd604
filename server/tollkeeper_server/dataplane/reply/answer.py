"""Passing an upstream's answer on: its head, and its body by the relay that fits it."""

from tollkeeper_server.dataplane.exchange import Exchange
from tollkeeper_server.dataplane.headers import lowered, response_headers
from tollkeeper_server.dataplane.reply.meter import BodyMeter, StreamMeter
from tollkeeper_server.dataplane.reply.relay import relay_body, relay_stream, relay_whole
from tollkeeper_server.dataplane.request.peek import media_type
from tollkeeper_server.dataplane.transport import Incoming

_JSON = b"application/json"


async def pass_on(exchange: Exchange, incoming: Incoming, body: bytes, *, hide_usage: bool) -> None:
    """Answer with what an upstream answered to `body`, and record the tokens that it took.

    `hide_usage` leaves out of a stream the chunk that says nothing but usage. Raises `BrokenAnswerError`.
    """
    dialect = exchange.endpoint.dialect
    answered = lowered(incoming.headers)
    received = dict(answered)
    coding = received.get(b"content-encoding", b"identity")
    if coding != b"identity":
        coding = coding.strip().lower()
    content_type = received.get(b"content-type", b"")
    exchange.streamed = content_type != _JSON and media_type(content_type) == b"text/event-stream"
    streamed = exchange.streamed and incoming.status < 400 and coding == b"identity"
    headers = response_headers(answered, exchange.request_id, drop_length=streamed)
    headers.append((b"x-tollkeeper-upstream", exchange.upstream.encode()))
    if exchange.model_served.isascii() and exchange.model_served:
        headers.append((b"x-tollkeeper-model", exchange.model_served.encode()))
    if streamed:
        stream = StreamMeter(dialect)
        try:
            await relay_stream(exchange, incoming, headers, stream, hide_usage=hide_usage)
        finally:
            exchange.tokens = stream.tokens(body)
        return
    metered = incoming.status < 400 and dialect.whole_is_json
    meter = BodyMeter(dialect, coding) if metered else None
    try:
        if not relay_whole(exchange, incoming, headers, meter):
            await relay_body(exchange, incoming, headers, meter)
    finally:
        if meter is not None:
            exchange.tokens = meter.tokens(body)
