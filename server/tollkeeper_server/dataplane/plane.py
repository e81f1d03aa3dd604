"""The data plane: a raw ASGI application that plans each request, sends it, and records it."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from typing import Protocol

from tollkeeper_server.dataplane.affinity import Affinity
from tollkeeper_server.dataplane.aside import record_tokens
from tollkeeper_server.dataplane.background import Background
from tollkeeper_server.dataplane.call.attempt import Attempt, broken_off, kind_of
from tollkeeper_server.dataplane.call.dispatch import Dispatcher
from tollkeeper_server.dataplane.caller import Message, Receive, Send
from tollkeeper_server.dataplane.exchange import UNKNOWN_BYTES, ClientGoneError, Exchange
from tollkeeper_server.dataplane.plan import Plan, Planner
from tollkeeper_server.dataplane.reply.answer import pass_on
from tollkeeper_server.dataplane.reply.decoding import decode_stream
from tollkeeper_server.dataplane.reply.meter import abandoned
from tollkeeper_server.dataplane.reply.own import OwnAnswer
from tollkeeper_server.dataplane.reply.respond import send_error, send_json
from tollkeeper_server.dataplane.reply.sending import BrokenAnswerError
from tollkeeper_server.dataplane.request.body import stream_body
from tollkeeper_server.dataplane.request.disconnect import DisconnectWatch
from tollkeeper_server.dataplane.request.endpoint import RESPONSES, Body
from tollkeeper_server.dataplane.request.limits import Limits
from tollkeeper_server.dataplane.transport import TransportError
from tollkeeper_server.domain.usage import UsageEvent
from tollkeeper_server.errors import Reason, TollkeeperError
from tollkeeper_server.ledger.orphan import INTERRUPTED
from tollkeeper_server.snapshot.model import Snapshot
from tollkeeper_server.telemetry.metrics import Metrics

_log = logging.getLogger("tollkeeper.dataplane")

STATUS_CLIENT_GONE = 499
STATUS_INTERRUPTED = 500


class Journal(Protocol):
    """Where usage goes (ledger/journal.py). It neither waits nor fails."""

    def settle(self, event: UsageEvent) -> None:
        """Record the outcome of a request."""

    def write_settled(self) -> None:
        """Write at once what was recorded."""


class DataPlane:
    """Serves `/v1`. One instance serves any number of listeners."""

    def __init__(
        self,
        *,
        current: Callable[[], Snapshot],
        planner: Planner,
        dispatcher: Dispatcher,
        affinity: Affinity,
        journal: Journal,
        metrics: Metrics,
        limits: Limits,
    ) -> None:
        self._current = current
        self._planner = planner
        self._dispatcher = dispatcher
        self._affinity = affinity
        self._journal = journal
        self._metrics = metrics
        self._limits = limits
        self._background = Background(affinity.placements, journal, metrics)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one request, as ASGI 3 says."""
        if scope["type"] != "http":
            return
        exchange = Exchange(scope, receive, send, self._current(), self._limits)
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
            event = exchange.event()
            if event.token_id:
                self._journal.settle(event)
            self._metrics.ended(exchange.listener, exchange.method, exchange.route_name, event)

    async def _serve(self, exchange: Exchange) -> None:
        plan = await self._planner.plan(exchange)
        if isinstance(plan, OwnAnswer):
            await send_json(exchange, plan.status, plan.body, plan.headers)
            return
        if group := plan.destination.matched_group:
            self._metrics.matched(exchange.listener, group)
        if exchange.endpoint.body is Body.STREAM:
            await self._send_upload(exchange, plan)
            return
        with DisconnectWatch(exchange):
            try:
                attempt = await self._dispatcher.send(exchange, plan)
            except asyncio.CancelledError:  # the caller left, or this process is going down
                if plan.awaited is not None:
                    raise
                dialect = exchange.endpoint.dialect
                await record_tokens(exchange, len(plan.body), lambda: abandoned(dialect, plan.body))
                raise
            await self._answer_with(exchange, plan, attempt)

    async def _send_upload(self, exchange: Exchange, plan: Plan) -> None:
        watch = DisconnectWatch(exchange)
        body: bytes | AsyncIterator[bytes] = b""
        if not exchange.body_read:
            body = stream_body(exchange, watch.watch)
        length = exchange.declared_bytes if exchange.declared_bytes < UNKNOWN_BYTES else None
        # While the body streams, its reader notices that the caller has left.
        with watch:
            try:
                attempt = await self._dispatcher.send_stream(exchange, plan, body, length)
            except TollkeeperError:
                if exchange.body_error is not None:
                    raise exchange.body_error from None
                raise
            await self._answer_with(exchange, plan, attempt)

    async def _answer_with(self, exchange: Exchange, plan: Plan, attempt: Attempt) -> None:
        asked_stream = plan.peek.streamed or b"stream=true" in exchange.scope["query_string"].lower()
        awaited, recorded = plan.awaited, False
        try:
            if awaited is not None:
                attempt.incoming, recorded = await self._background.look(
                    exchange, awaited, attempt.incoming, asked_stream=asked_stream
                )
            elif (
                (plan.remembers or exchange.endpoint is RESPONSES)
                and exchange.method == "POST"
                and 200 <= attempt.incoming.status < 300
            ):
                attempt.incoming = await self._affinity.remember(
                    exchange,
                    decode_stream(attempt.incoming, asked_stream=asked_stream),
                    plan.body,
                    only_pending=not plan.remembers,
                )
            await pass_on(
                exchange,
                attempt.incoming,
                plan.body,
                attempt.member.target,
                asked_stream=asked_stream,
                hide_usage=attempt.ask_usage,
            )
        except BrokenAnswerError:
            attempt.end("cut")
            raise
        except TransportError as error:  # the caller got nothing yet
            attempt.end(kind_of(error))
            raise broken_off(error, attempt.member) from error
        finally:
            if awaited is not None:
                self._background.passed(exchange, awaited, recorded=recorded)
            elif exchange.made_in_background:
                self._background.made(exchange)
            attempt.incoming.close()
            if exchange.finished:
                attempt.end("cut" if exchange.error_code else "")
            else:
                attempt.abandon()


async def _answer(exchange: Exchange, error: TollkeeperError) -> None:
    if exchange.status == 0:
        await send_error(exchange, error)
    else:
        # The head is out, too late for an answer: the connection will break.
        exchange.error_code = str(error.reason)
