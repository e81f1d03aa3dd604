"""The data plane: a raw ASGI application, and the order of its steps."""

import asyncio
import logging
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol
from urllib.parse import unquote

from tollkeeper_server.dataplane.affinity import Affinity, keeps
from tollkeeper_server.dataplane.call.attempt import Attempt
from tollkeeper_server.dataplane.call.dispatch import Dispatcher
from tollkeeper_server.dataplane.exchange import (
    UNKNOWN_BYTES,
    ClientGoneError,
    Exchange,
    Message,
    Receive,
    Send,
)
from tollkeeper_server.dataplane.headers import check_framing, check_headers
from tollkeeper_server.dataplane.reply.answer import pass_on
from tollkeeper_server.dataplane.reply.listing import get_model, list_models
from tollkeeper_server.dataplane.reply.meter import abandoned
from tollkeeper_server.dataplane.reply.relay import BrokenAnswerError
from tollkeeper_server.dataplane.reply.respond import send_error, send_json
from tollkeeper_server.dataplane.request import endpoint
from tollkeeper_server.dataplane.request.authenticate import Authenticator
from tollkeeper_server.dataplane.request.body import arrived_body, read_body, refuse_declared, stream_body
from tollkeeper_server.dataplane.request.departure import Departure
from tollkeeper_server.dataplane.request.endpoint import Body
from tollkeeper_server.dataplane.request.ip_limit import IpLimiter
from tollkeeper_server.dataplane.request.peek import Peek, is_json, media_type, peek_any, peek_form, peek_json
from tollkeeper_server.dataplane.route import Way, enter, find_way, pin
from tollkeeper_server.domain.listener import Rule
from tollkeeper_server.domain.token import Token
from tollkeeper_server.domain.usage import UsageEvent
from tollkeeper_server.errors import Reason, TollkeeperError
from tollkeeper_server.ledger.orphan import INTERRUPTED
from tollkeeper_server.snapshot.model import Snapshot
from tollkeeper_server.telemetry.metrics import Metrics

_log = logging.getLogger("tollkeeper.dataplane")

STATUS_CLIENT_GONE = 499
STATUS_INTERRUPTED = 500
# An upstream answers TRACE with the request it got (RFC 9110, 9.3.8), our credential included.
_IMPOSSIBLE = frozenset({"TRACE", "CONNECT"})


class Journal(Protocol):
    """Where usage goes (ledger/journal.py). It neither waits nor fails."""

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
        dispatcher: Dispatcher,
        affinity: Affinity,
        journal: Journal,
        metrics: Metrics,
        limits: Limits,
    ) -> None:
        self._current = current
        self._authenticator = authenticator
        self._admit = admit
        self._dispatcher = dispatcher
        self._affinity = affinity
        self._journal = journal
        self._metrics = metrics
        self._limits = limits
        self._ip_limiters: dict[str, IpLimiter] = {}

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
        self._check_ip(exchange)
        if exchange.method in _IMPOSSIBLE:
            raise _impossible(exchange.method)
        if exchange.caller is None or not exchange.caller.headers_checked:
            check_headers(exchange.scope["headers"])
        check_framing(exchange.headers)
        endpoint.check_query(exchange.scope["query_string"])
        rule = enter(exchange, _raw_path(exchange.scope))
        matched = exchange.matched
        assert matched is not None
        token = await self._authenticator.authenticate(exchange)
        if rule is None and matched.endpoint is endpoint.MODELS and exchange.method in {"GET", "HEAD"}:
            await _serve_models(exchange)
            return
        if matched.endpoint.body is Body.STREAM:
            await self._serve_upload(exchange, rule, token)
            return
        body = arrived_body(exchange, self._limits.max_body)
        if body is None:
            body = await read_body(exchange, self._limits.max_body)
        exchange.request_bytes = len(body)
        peek = _peek(exchange, body)
        exchange.wants_stream = peek.streamed
        way = self._find_way(exchange, peek, rule)
        kept = keeps(exchange)
        if kept:
            way = await self._pin(exchange, body, way)
        if token.max_requests:
            await self._admit_request(token)
        with Departure(exchange):
            try:
                attempt = await self._dispatcher.send(exchange, peek, body, way)
            except asyncio.CancelledError:  # the caller left, or this process is going down
                exchange.tokens = abandoned(matched.endpoint.dialect, body)
                raise
            await self._answer_with(exchange, attempt, body, kept=kept)

    async def _serve_upload(self, exchange: Exchange, rule: Rule | None, token: Token) -> None:
        refuse_declared(exchange, self._limits.max_upload)
        way = self._find_way(exchange, Peek(None), rule)
        kept = keeps(exchange)
        if kept:
            way = await self._pin(exchange, b"", way)
        if token.max_requests:
            await self._admit_request(token)
        departure = Departure(exchange)
        body: bytes | AsyncIterator[bytes] = b""
        if not exchange.body_read:
            body = stream_body(exchange, self._limits.max_upload, departure.watch)
        length = exchange.declared_bytes if exchange.declared_bytes < UNKNOWN_BYTES else None
        # While the body streams, whoever reads it notices that the caller has left.
        with departure:
            try:
                attempt = await self._dispatcher.send_stream(exchange, body, length, way)
            except TollkeeperError:
                if exchange.body_error is not None:
                    raise exchange.body_error from None
                raise
            await self._answer_with(exchange, attempt, b"", kept=kept)

    def _find_way(self, exchange: Exchange, peek: Peek, rule: Rule | None) -> Way:
        way = find_way(exchange, peek, rule)
        # By its rule or, for what no known model serves, its default group.
        if way.pool.group and (way.rule is not None or way.route is None):
            self._metrics.matched(exchange.listener, way.pool.group)
        return way

    async def _answer_with(self, exchange: Exchange, attempt: Attempt, body: bytes, *, kept: bool) -> None:
        try:
            if kept:
                attempt.incoming = await self._affinity.remember(exchange, attempt.incoming)
            await pass_on(exchange, attempt.incoming, body, hide_usage=attempt.ask_usage)
        except BrokenAnswerError:
            attempt.end("cut")
            raise
        finally:
            attempt.incoming.close()
            if exchange.finished:
                attempt.end("cut" if exchange.error_code else "")
            else:
                attempt.abandon()

    async def _pin(self, exchange: Exchange, body: bytes, way: Way) -> Way:
        upstream = await self._affinity.find(exchange, body)
        if upstream is None:
            return way
        target = exchange.snapshot.targets.get(upstream)
        if target is None:
            raise TollkeeperError(
                Reason.NO_UPSTREAM,
                f"the upstream {upstream!r}, which keeps what the request is about, takes no traffic; "
                "have an administrator activate it",
                retry_after=30,
            )
        return pin(way, target)

    def _check_ip(self, exchange: Exchange) -> None:
        view = exchange.snapshot.listeners.get(exchange.listener)
        if view is None or view.ip_limit is None:
            return
        limiter = self._ip_limiters.get(view.name)
        if limiter is None:
            limiter = self._ip_limiters[view.name] = IpLimiter(time.monotonic)
        client = exchange.scope.get("client")
        seconds = limiter.admit(view.ip_limit, client[0] if client else "")
        if seconds > 0:
            self._metrics.rate_limited(view.name)
            raise TollkeeperError(
                Reason.RATE_LIMIT_EXCEEDED,
                f"this address makes more than {view.ip_limit.per_second:,} requests a second; slow down",
                retry_after=math.ceil(seconds),
            )

    async def _admit_request(self, token: Token) -> None:
        if not await self._admit(token.id, datetime.now(UTC)):
            raise TollkeeperError(
                Reason.REQUEST_LIMIT_EXCEEDED,
                f"the token has used up its {token.max_requests:,} requests; "
                "have an administrator raise max_requests",
            )

    def _count(self, exchange: Exchange) -> None:
        first_byte = exchange.first_byte - exchange.began if exchange.first_byte else 0
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
            first_byte / 1e9,
            exchange.streamed,
        )


def _impossible(method: str) -> TollkeeperError:
    return TollkeeperError(
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
    if content_type == b"application/json" and body:
        return peek_json(body)  # what any endpoint makes of it, without looking at which it is
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


def _raw_path(scope: Message) -> bytes:
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    return raw.partition(b"?")[0]
