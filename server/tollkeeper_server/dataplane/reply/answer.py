"""Passing an upstream's answer on: its head, and its body whole, as it arrives, or as a stream of events."""

import asyncio
import time
from time import perf_counter

from msgspec import UNSET

from tollkeeper_server.dataplane.addresses import WITH_URLS, without_address
from tollkeeper_server.dataplane.aside import FEW, LARGE, record_tokens
from tollkeeper_server.dataplane.budget.meter_set import STANDING_HEADERS
from tollkeeper_server.dataplane.exchange import Exchange
from tollkeeper_server.dataplane.headers import COST_HEADER, content_coding, lowered, response_headers
from tollkeeper_server.dataplane.reply.beginning import read_beginning
from tollkeeper_server.dataplane.reply.decoding import decode_stream
from tollkeeper_server.dataplane.reply.events import begins_stream, tells_stream
from tollkeeper_server.dataplane.reply.meter import BodyMeter, StreamMeter, abandoned, may_be_usual
from tollkeeper_server.dataplane.reply.readahead import ReadAhead
from tollkeeper_server.dataplane.reply.sending import BrokenAnswerError, finish_answer, start_answer
from tollkeeper_server.dataplane.reply.served import NamingMeter, read_model
from tollkeeper_server.dataplane.reply.stream import relay_stream
from tollkeeper_server.dataplane.request.peek import media_type
from tollkeeper_server.dataplane.transport import Incoming, TransportError
from tollkeeper_server.domain.usage import TokenCounts
from tollkeeper_server.prices.bill import dollars
from tollkeeper_server.providers.usual import read_usual
from tollkeeper_server.snapshot.model import Header, Target

_JSON = b"application/json"
_BUFFERING = b"x-accel-buffering"
# A stream shows in its first bytes, unless there are very many blank lines before it.
_MAX_SNIFFED = 4 * 1024
# An answer that is no longer is waited for, so that its head can say what it costs: a part of it is no use.
_MAX_AWAITED = 16 * 1024


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
    if exchange.holding is not None:
        standings = exchange.holding.headers(exchange)
        if not STANDING_HEADERS.isdisjoint(received):  # the upstream's give way
            names = {name for name, _ in standings}
            headers = [header for header in headers if header[0] not in names]
        headers += standings
    if exchange.streamed:
        _not_buffered(headers)
    if streamed:
        stream = StreamMeter(dialect) if exchange.model_served else NamingMeter(dialect)
        try:
            await relay_stream(exchange, incoming, headers, stream, hide_usage=hide_usage)
        finally:
            if isinstance(stream, NamingMeter):
                exchange.model_served = stream.model
            size = 0 if stream.is_told and not dialect.speaks else len(body)
            await record_tokens(exchange, size, lambda: stream.tokens(body))
        return
    if good and dialect.speaks:
        await record_tokens(exchange, len(body), lambda: abandoned(dialect, body))
        _tell_cost(exchange, headers, exchange.tokens)
    is_counted = good and dialect.whole_is_json
    whole = arrived(exchange, incoming)
    if (
        whole is not None
        and is_counted
        and len(whole) <= _MAX_AWAITED
        and exchange.model_served
        and may_be_usual(dialect, coding)
    ):
        usual = read_usual(whole)
        if usual is not None:  # as of nearly all: the same as below
            _tell_cost(exchange, headers, usual)
            send_whole(exchange, incoming.status, headers, whole)
            return
    meter = BodyMeter(dialect, coding, hold=exchange.hold_kept) if is_counted else None
    try:
        if whole is None and meter is not None and exchange.tells_cost and _is_small(exchange, headers):
            incoming = await _read_whole(incoming, meter)
            whole = arrived(exchange, incoming)
        if whole is None:
            await relay_body(exchange, incoming, headers, meter)
        else:
            if meter is not None:
                meter.feed(whole)
                if exchange.tells_cost and exchange.model_served:
                    _count_first(exchange, headers, meter, body)
            send_whole(exchange, incoming.status, headers, whole)
    finally:
        if meter is not None and exchange.cost is UNSET:
            size = len(body) + meter.kept
            if size <= FEW and exchange.model_served:
                exchange.tokens = meter.tokens(body)
            elif exchange.model_served and meter.kept <= LARGE and (usual := meter.usual()) is not None:
                exchange.tokens = usual
            else:
                await record_tokens(exchange, size, lambda: _count(exchange, meter, body))


def _is_small(exchange: Exchange, headers: list[Header]) -> bool:
    """Return whether an answer that can say what it costs is worth waiting for."""
    return exchange.caller is not None and exchange.body_read and 0 < _length(headers) <= _MAX_AWAITED


async def _read_whole(incoming: Incoming, meter: BodyMeter) -> Incoming:
    """Return the answer once all of it is here, or as much as comes: head and body often come apart."""
    answer = ReadAhead(incoming)
    try:
        await answer.read(_MAX_AWAITED + 1, lambda _: False)
    except TransportError:
        pass  # the caller gets what has come, and learns it then
    except asyncio.CancelledError:
        meter.feed(answer.held)
        raise
    return answer


def _count(exchange: Exchange, meter: BodyMeter, body: bytes) -> TokenCounts:
    if not exchange.model_served:
        exchange.model_served = read_model(meter.document())
    return meter.tokens(body)


def arrived(exchange: Exchange, incoming: Incoming) -> bytes | None:
    """Take the body of an answer that can be sent at once: all of it has arrived. None if it can't be."""
    return incoming.whole_body() if exchange.caller is not None and exchange.body_read else None


def send_whole(exchange: Exchange, status: int, headers: list[Header], whole: bytes) -> None:
    """Relay at once an answer that is no event stream, and that has `arrived`."""
    assert exchange.caller is not None
    exchange.status = status
    exchange.first_byte = time.perf_counter_ns()
    exchange.response_bytes = len(whole)
    exchange.finished = True
    exchange.caller.answer(status, headers, whole)


def _count_first(exchange: Exchange, headers: list[Header], meter: BodyMeter, body: bytes) -> None:
    """Count the tokens of an answer to `body` before it is sent, if that takes little time."""
    tokens = meter.tokens(body) if len(body) + meter.kept <= FEW else None
    if tokens is None and meter.kept <= _MAX_AWAITED:
        tokens = meter.usual()
    if tokens is not None:
        _tell_cost(exchange, headers, tokens)


def _tell_cost(exchange: Exchange, headers: list[Header], tokens: TokenCounts) -> None:
    """Record the tokens of an answer, and have its head say what they cost, if it should."""
    exchange.tokens = tokens
    if exchange.tells_cost:
        exchange.cost = cost = exchange.find_cost()
        if cost is not None:
            headers.append((COST_HEADER, dollars(cost)))


async def relay_body(
    exchange: Exchange, incoming: Incoming, headers: list[Header], meter: BodyMeter | None
) -> None:
    """Relay an answer that is no event stream, as it arrives. Raises `BrokenAnswerError` if it breaks off."""
    send, turns = exchange.send, exchange.turns
    left = _length(headers)
    if left < 0:
        _not_buffered(headers)
    await start_answer(exchange, incoming.status, headers)
    try:
        async for chunk in incoming.chunks():
            if turns is not None and perf_counter() >= turns.end and turns.is_over(exchange.token_id):
                await turns.wait(exchange.token_id, begun=True)
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


def _not_buffered(headers: list[Header]) -> None:
    """Have nginx in front pass an answer on as it arrives, unless the upstream has said what it should do."""
    if _BUFFERING not in dict(headers):
        headers.append((_BUFFERING, b"no"))


def _length(headers: list[Header]) -> int:
    for name, value in headers:
        if name == b"content-length" and value.isdigit():
            return int(value)
    return -1
