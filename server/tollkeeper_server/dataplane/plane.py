"""The data plane: a raw ASGI application, and the order of its steps."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol
from urllib.parse import unquote

from tollkeeper_server.dataplane import endpoint
from tollkeeper_server.dataplane.authenticate import Authenticator
from tollkeeper_server.dataplane.balance import Turns
from tollkeeper_server.dataplane.body import read_body, refuse_declared, stream_body
from tollkeeper_server.dataplane.departure import Departure
from tollkeeper_server.dataplane.endpoint import Body, Meter
from tollkeeper_server.dataplane.exchange import (
    UNKNOWN_BYTES,
    ClientGoneError,
    Exchange,
    Message,
    Receive,
    Send,
)
from tollkeeper_server.dataplane.forward import asks_usage, choose, outgoing, outgoing_body
from tollkeeper_server.dataplane.headers import check_framing, check_headers, lowered, response_headers
from tollkeeper_server.dataplane.listing import get_model, list_models
from tollkeeper_server.dataplane.meter import BodyMeter, StreamMeter, abandoned
from tollkeeper_server.dataplane.peek import Peek, is_json, media_type, peek_any, peek_form, peek_json
from tollkeeper_server.dataplane.relay import BrokenAnswerError, relay_body, relay_stream
from tollkeeper_server.dataplane.respond import send_error, send_json
from tollkeeper_server.dataplane.transport import (
    ConnectError,
    GarbageError,
    Incoming,
    Outgoing,
    TimeoutExpiredError,
    Transport,
    TransportError,
)
from tollkeeper_server.domain.usage import UsageEvent
from tollkeeper_server.errors import Reason, TollkeeperError
from tollkeeper_server.ledger.orphan import INTERRUPTED
from tollkeeper_server.snapshot.model import Leg, Snapshot
from tollkeeper_server.telemetry.metrics import Metrics

_log = logging.getLogger("tollkeeper.dataplane")

STATUS_CLIENT_GONE = 499
STATUS_INTERRUPTED = 500


class Journal(Protocol):
    """Where usage goes (ledger/journal.py). Neither call waits or fails."""

    def begin(self, event: UsageEvent) -> None:
        """Notes that a request is about to be sent upstream."""

    def settle(self, event: UsageEvent) -> None:
        """Notes what a request came to."""


Admit = Callable[[str, datetime], Awaitable[bool]]
"""Counts one request of a limited token, by id; tells whether its limit allowed it."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of the data plane, in bytes: of a body that is read, and of one that streams through."""

    max_body: int
    max_upload: int


class DataPlane:
    """Serves `/v1`. One instance serves any number of listeners."""

    def __init__(
        self,
        *,
        current: Callable[[], Snapshot],
        authenticator: Authenticator,
        admit: Admit,
        transport: Transport,
        journal: Journal,
        metrics: Metrics,
        limits: Limits,
    ) -> None:
        self._current = current
        self._authenticator = authenticator
        self._admit = admit
        self._transport = transport
        self._journal = journal
        self._metrics = metrics
        self._limits = limits
        self._turns = Turns()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serves one request, as ASGI 3 says."""
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": "not supported"})
            return
        if scope["type"] != "http":
            return
        exchange = Exchange(scope, receive, send, self._current())
        self._metrics.began(exchange.listener)
        try:
            await self._serve(exchange)
        except TollkeeperError as error:
            await _answer(exchange, error)
        except ClientGoneError:
            exchange.status = STATUS_CLIENT_GONE
            exchange.error_code = str(Reason.CLIENT_GONE)
        except BrokenAnswerError as error:
            # Returning without having ended the answer makes the server break the connection off.
            exchange.error_code = str(Reason.UPSTREAM_CUT)
            _log.warning("request %s: the answer broke off: %s", exchange.event_id, error)
        except Exception:  # noqa: BLE001 - the outermost frame: whatever it is, the caller is answered
            _log.exception("request %s failed", exchange.event_id)
            await _answer(
                exchange,
                TollkeeperError(
                    Reason.INTERNAL, f"something went wrong here; the log says what, at {exchange.event_id}"
                ),
            )
        except asyncio.CancelledError:  # this process is going down, and waits no longer
            if not exchange.finished:
                exchange.status = STATUS_INTERRUPTED
                exchange.error_code = INTERRUPTED
            raise
        finally:
            if exchange.token is not None:
                self._journal.settle(exchange.event())
            self._count(exchange)

    async def _serve(self, exchange: Exchange) -> None:
        _check_method(exchange.method)
        check_headers(exchange.scope["headers"])
        check_framing(exchange.headers)
        endpoint.check_query(exchange.scope["query_string"])
        matched = exchange.matched = endpoint.match(_raw_path(exchange.scope), exchange.method)
        await self._authenticator.authenticate(exchange)
        if matched.endpoint is endpoint.MODELS and exchange.method in {"GET", "HEAD"}:
            await _serve_models(exchange)
            return
        if matched.endpoint.body is Body.STREAM:
            await self._serve_upload(exchange)
            return
        body = await read_body(exchange, self._limits.max_body)
        exchange.request_bytes = len(body)
        peek = _peek(exchange, body)
        leg = choose(exchange, peek, self._turns)
        await self._admit_request(exchange)
        meter = matched.endpoint.meter
        ask_usage = asks_usage(peek, leg, meter)
        sent = outgoing_body(exchange, peek, leg, body, ask_usage=ask_usage)
        request = outgoing(exchange, leg, sent, plain=meter is not Meter.NONE)
        self._begin(exchange)
        with Departure(exchange):
            try:
                incoming = await self._open(request, leg)
            except asyncio.CancelledError:  # the caller left, or this process is going down
                exchange.tokens = abandoned(meter, body)
                raise
            try:
                await _relay(exchange, incoming, body, hide_usage=ask_usage)
            finally:
                incoming.close()

    async def _serve_upload(self, exchange: Exchange) -> None:
        refuse_declared(exchange, self._limits.max_upload)
        leg = choose(exchange, Peek(None), self._turns)
        await self._admit_request(exchange)
        departure = Departure(exchange)
        body: bytes | AsyncIterator[bytes] = b""
        if not exchange.body_read:
            body = stream_body(exchange, self._limits.max_upload, departure.watch)
        length = exchange.declared_bytes if exchange.declared_bytes < UNKNOWN_BYTES else None
        request = outgoing(exchange, leg, body, plain=False, length=length)
        self._begin(exchange)
        # While the body streams, whoever reads it notices that the caller has left.
        with departure:
            try:
                incoming = await self._open(request, leg)
            except TollkeeperError:
                if exchange.body_error is not None:
                    raise exchange.body_error from None
                raise
            try:
                await _relay(exchange, incoming, b"", hide_usage=False)
            finally:
                incoming.close()

    async def _admit_request(self, exchange: Exchange) -> None:
        assert exchange.token is not None
        if exchange.token.max_requests and not await self._admit(exchange.token.id, datetime.now(UTC)):
            raise TollkeeperError(
                Reason.REQUEST_LIMIT_EXCEEDED,
                f"the token has used up its {exchange.token.max_requests:,} requests; "
                "have an administrator raise max_requests",
            )

    def _begin(self, exchange: Exchange) -> None:
        self._journal.begin(exchange.event())

    def _count(self, exchange: Exchange) -> None:
        self._metrics.ended(
            exchange.listener,
            exchange.method,
            exchange.matched.endpoint.name if exchange.matched is not None else "",
            exchange.status,
            exchange.error_code,
            (time.perf_counter_ns() - exchange.began) / 1e9,
            exchange.route_name,
            exchange.upstream,
            exchange.tokens,
            (exchange.first_byte - exchange.began) / 1e9 if exchange.first_byte else 0.0,
            exchange.streamed,
        )

    async def _open(self, request: Outgoing, leg: Leg) -> Incoming:
        try:
            incoming = await self._transport.open(request)
        except TransportError as error:
            raise _refusal(error, leg) from error
        if incoming.status == 401:
            # A 401 would tell the caller that its own token is at fault.
            incoming.close()
            raise TollkeeperError(
                Reason.UPSTREAM_CREDENTIALS,
                f"the upstream {leg.target.name!r} did not accept the credential configured for it; "
                "have an administrator check the api_key of the upstream or the project",
            )
        return incoming


def _check_method(method: str) -> None:
    # An upstream answers TRACE with the request it got (RFC 9110, 9.3.8), our credential included.
    if method in {"TRACE", "CONNECT"}:
        raise TollkeeperError(
            Reason.METHOD_NOT_ALLOWED, f"{method} is not possible here; use the method the endpoint has"
        )


async def _answer(exchange: Exchange, error: TollkeeperError) -> None:
    if exchange.status == 0:
        await send_error(exchange, error)
    else:
        # Too late for an answer: the head is out, and what follows is that the connection breaks.
        exchange.error_code = str(error.reason)


async def _serve_models(exchange: Exchange) -> None:
    assert exchange.matched is not None
    name = unquote(exchange.matched.path.removeprefix("/models").strip("/"))
    await send_json(exchange, 200, get_model(exchange, name) if name else list_models(exchange))


def _peek(exchange: Exchange, body: bytes) -> Peek:
    assert exchange.matched is not None
    content_type = exchange.headers.get(b"content-type", b"")
    media = media_type(content_type)
    match exchange.matched.endpoint.body:
        case Body.ANY | Body.STREAM:
            return peek_any(body, content_type)
        case Body.FORM if media == b"multipart/form-data":
            return peek_form(body, content_type)
        case Body.JSON | Body.FORM if exchange.method not in {"POST", "PUT", "PATCH"} and not body:
            return Peek(None)
        case Body.JSON | Body.FORM as wanted:
            if media and not is_json(media):
                expected = "application/json" if wanted is Body.JSON else "multipart/form-data"
                raise TollkeeperError(
                    Reason.UNSUPPORTED_MEDIA_TYPE,
                    f"the content-type is not one this endpoint takes; send {expected}",
                    field="content-type",
                )
            return peek_json(body)


async def _relay(exchange: Exchange, incoming: Incoming, body: bytes, *, hide_usage: bool) -> None:
    assert exchange.matched is not None
    kind = exchange.matched.endpoint.meter
    answered = lowered(incoming.headers)
    received = dict(answered)
    coding = received.get(b"content-encoding", b"identity").strip().lower()
    exchange.streamed = media_type(received.get(b"content-type", b"")) == b"text/event-stream"
    if exchange.streamed and incoming.status < 400 and coding == b"identity":
        stream = StreamMeter(kind)
        headers = response_headers(answered, exchange.request_id, drop_length=True)
        try:
            await relay_stream(exchange, incoming, headers, stream, hide_usage=hide_usage)
        finally:
            exchange.tokens = stream.tokens(body)
        return
    headers = response_headers(answered, exchange.request_id, drop_length=False)
    if kind in {Meter.NONE, Meter.SPEECH} or incoming.status >= 400:  # speech is sound, not JSON
        await relay_body(exchange, incoming, headers, None)
        return
    meter = BodyMeter(kind, coding)
    try:
        await relay_body(exchange, incoming, headers, meter)
    finally:
        exchange.tokens = meter.tokens(body)


def _refusal(error: TransportError, leg: Leg) -> TollkeeperError:
    name = leg.target.name
    match error:
        case ConnectError():
            reason = Reason.UPSTREAM_UNREACHABLE
        case TimeoutExpiredError():
            reason = Reason.UPSTREAM_TIMEOUT
        case GarbageError():
            reason = Reason.UPSTREAM_INVALID
        case _:
            reason = Reason.UPSTREAM_UNREACHABLE
    return TollkeeperError(reason, f"the upstream {name!r} did not serve the request: {error}")


def _raw_path(scope: Message) -> bytes:
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    return raw.partition(b"?")[0]
