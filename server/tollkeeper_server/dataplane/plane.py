"""The data plane: a raw ASGI application that plans each request, sends it, and records it."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from http import HTTPStatus
from time import perf_counter
from typing import Protocol

from tollkeeper_server.coordination.ports import Placements
from tollkeeper_server.dataplane.aside import record_tokens
from tollkeeper_server.dataplane.background import Background
from tollkeeper_server.dataplane.batches import BatchEnds, makes_batch
from tollkeeper_server.dataplane.budget.reservations import Reservations
from tollkeeper_server.dataplane.budget.used import STATUS_CLIENT_GONE
from tollkeeper_server.dataplane.call.attempt import Attempt, broken_off, kind_of
from tollkeeper_server.dataplane.call.dispatch import Dispatcher
from tollkeeper_server.dataplane.call.kept_lists import KeptLists
from tollkeeper_server.dataplane.call.kept_models import KeptModels
from tollkeeper_server.dataplane.caller import ACTING, Message, Receive, Send
from tollkeeper_server.dataplane.exchange import UNKNOWN_BYTES, ClientGoneError, Exchange
from tollkeeper_server.dataplane.fair_turns import FairTurns
from tollkeeper_server.dataplane.plan import Plan, Planner
from tollkeeper_server.dataplane.reply.answer import pass_on
from tollkeeper_server.dataplane.reply.kept import KeptAnswers
from tollkeeper_server.dataplane.reply.meter import abandoned
from tollkeeper_server.dataplane.reply.own import OwnAnswer
from tollkeeper_server.dataplane.reply.respond import send_error, send_json
from tollkeeper_server.dataplane.reply.results_url import relative, with_own_results
from tollkeeper_server.dataplane.reply.sending import BrokenAnswerError
from tollkeeper_server.dataplane.request.body import stream_body
from tollkeeper_server.dataplane.request.disconnect import DisconnectWatch
from tollkeeper_server.dataplane.request.endpoint import MODELS, Body
from tollkeeper_server.dataplane.request.kept_path import segments_of
from tollkeeper_server.dataplane.request.limits import Limits
from tollkeeper_server.dataplane.request.room import BodyRoom
from tollkeeper_server.dataplane.transport import Incoming, TransportError
from tollkeeper_server.domain.shortage import shortage_in
from tollkeeper_server.domain.usage import Confidence, TokenCounts, UsageEvent
from tollkeeper_server.errors import Reason, TollkeeperError, shortage_error
from tollkeeper_server.ledger.orphan import INTERRUPTED
from tollkeeper_server.snapshot.model import Snapshot
from tollkeeper_server.telemetry.metrics import Metrics
from tollkeeper_server.telemetry.shortages import shortages

_log = logging.getLogger("tollkeeper.dataplane")

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
        reservations: Reservations,
        dispatcher: Dispatcher,
        kept_models: KeptModels,
        placements: Placements,
        journal: Journal,
        metrics: Metrics,
        limits: Limits,
        room: BodyRoom,
        tells_cost: bool = False,
    ) -> None:
        """With `tells_cost` answers say what they cost, if that is known before they are sent."""
        self._current = current
        self._planner = planner
        self._reservations = reservations
        self._dispatcher = dispatcher
        self._kept_lists = KeptLists(dispatcher, placements)
        self._kept_models = kept_models
        self._kept = KeptAnswers(placements)
        self._journal = journal
        self._metrics = metrics
        self._limits = limits
        self._room = room
        self._tells_cost = tells_cost
        self._turns = FairTurns()
        self._background = Background(placements, journal, metrics)
        self._batch_ends = BatchEnds(placements, self._background)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one request, as ASGI 3 says."""
        if scope["type"] != "http":
            return
        exchange = Exchange(
            scope,
            receive,
            send,
            self._current(),
            self._limits,
            room=self._room,
            turns=self._turns,
            tells_cost=self._tells_cost,
        )
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
        except Exception as error:  # noqa: BLE001 - the outermost frame: whatever it is, the caller is answered
            await _answer(exchange, _fault(exchange, error))
        except asyncio.CancelledError:  # this process ends, and does not wait
            if not exchange.finished:
                exchange.status = STATUS_INTERRUPTED
                exchange.error_code = INTERRUPTED
            raise
        finally:
            if exchange.held_bytes:
                self._room.give(exchange.token_id, exchange.held_bytes)
            holding = exchange.holding
            charges = self._reservations.charges(exchange, holding) if holding is not None else ()
            event = exchange.event(charges)
            if event.token_id:
                self._turns.under_way -= 1
                if not _asks_for_page(exchange):
                    self._journal.settle(event)
            if holding is not None:  # after the journal: what is charged is on record
                self._reservations.settle(exchange, holding)
            self._metrics.ended(exchange.listener, exchange.method, exchange.route_name, event)

    async def _serve(self, exchange: Exchange) -> None:
        plan = await self._planner.plan(exchange)
        if isinstance(plan, OwnAnswer):
            await send_json(exchange, plan.status, plan.body, plan.headers)
            return
        exchange.group = plan.destination.pool.group
        if group := plan.destination.matched_group:
            self._metrics.matched(exchange.listener, group)
        if plan.lists or plan.look_up is not None:
            checked = await self._look(exchange, plan)
            if checked is None:
                return
            plan = checked
        if exchange.endpoint.body is Body.STREAM:
            await self._send_upload(exchange, plan)
            return
        with DisconnectWatch(exchange):
            try:
                attempt = await self._dispatcher.send(exchange, plan)
            except asyncio.CancelledError:  # the caller left, or this process is going down
                if plan.awaited is None:
                    await _record_abandoned(exchange, plan)
                raise
            await self._answer_with(exchange, plan, attempt)

    async def _look(self, exchange: Exchange, plan: Plan) -> Plan | None:
        """Ask upstreams what must be known first; return the plan, None if the caller has been answered."""
        with DisconnectWatch(exchange):
            if plan.lists:
                found: bytes | Plan | Attempt = await self._kept_lists.answer(exchange, plan)
            else:
                found = await self._kept_models.check(exchange, plan)
            if isinstance(found, Attempt):
                await self._answer_with(exchange, plan, found)
                return None
        if isinstance(found, bytes):
            if exchange.endpoint.name == "messages_batches":
                found = relative(found)
            await send_json(exchange, HTTPStatus.OK, found)
            return None
        return found

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
        query: bytes = exchange.scope["query_string"]
        asked_stream = plan.peek.streamed or (query != b"" and b"stream=true" in query.lower())
        awaited, recorded = plan.awaited, False
        turns = exchange.turns
        try:
            if turns is not None and perf_counter() >= turns.end and turns.is_over(exchange.token_id):
                incoming = attempt.incoming
                incoming.rest()  # meanwhile the upstream's events gather, to be read at once
                try:
                    await turns.wait(exchange.token_id, begun=True)
                except asyncio.CancelledError:  # the caller left, or this process is going down
                    if awaited is None and incoming.status < 300:
                        await _record_abandoned(exchange, plan)
                    raise
                incoming.go_on()
            if exchange.not_own is not None and attempt.incoming.status == HTTPStatus.NOT_FOUND:
                attempt.end()
                raise exchange.not_own
            if awaited is not None and awaited.is_batch:
                attempt.incoming = await self._batch_ends.look(
                    exchange, awaited, plan.matched, attempt.incoming
                )
            elif awaited is not None:
                attempt.incoming, recorded = await self._background.look(
                    exchange, awaited, attempt.incoming, asked_stream=asked_stream
                )
            if plan.remembers and 200 <= attempt.incoming.status < 300:
                attempt.incoming = await self._kept.remember(
                    exchange, plan, attempt.incoming, asked_stream=asked_stream
                )
            if exchange.endpoint.name == "messages_batches" and _tells_batches(plan, attempt.incoming):
                attempt.incoming = await with_own_results(attempt.incoming)
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
            if awaited is not None and not awaited.is_batch:
                self._background.passed(exchange, awaited, recorded=recorded)
            elif makes_batch(exchange, plan.matched) and attempt.incoming.status < 300:
                exchange.tokens = TokenCounts(confidence=Confidence.PENDING)
            elif exchange.made_in_background:
                self._background.made(exchange)
            attempt.incoming.close()
            if exchange.finished and not (exchange.holding is not None and exchange.holding.is_spent):
                attempt.end("cut" if exchange.error_code else "")
            else:
                attempt.abandon()


async def _record_abandoned(exchange: Exchange, plan: Plan) -> None:
    """Record the tokens of a request that was sent, and whose answer nobody waits for any more."""
    if makes_batch(exchange, plan.matched):
        exchange.tokens = TokenCounts(confidence=Confidence.PENDING)
        return
    dialect = exchange.endpoint.dialect
    await record_tokens(exchange, len(plan.body), lambda: abandoned(dialect, plan.body))


def _tells_batches(plan: Plan, incoming: Incoming) -> bool:
    """Return whether a request for batches of messages is answered with some, and not with their results."""
    return incoming.status < 300 and segments_of(plan.matched)[-1:] != ["results"]


def _fault(exchange: Exchange, error: Exception) -> TollkeeperError:
    """Return what the caller is told of an error that nobody expected, and log it."""
    shortage = shortage_in(error)
    if shortage is not None:
        shortages.note(shortage, "a request could not be served")
        return shortage_error(shortage.text)
    _log.error("request %s failed", exchange.event_id, exc_info=error)
    return TollkeeperError(
        Reason.INTERNAL, f"something went wrong here; the log says what, at {exchange.event_id}"
    )


def _asks_for_page(exchange: Exchange) -> bool:
    """Return whether a page of the console asks which models its token may use: no call of the token's."""
    return ACTING in exchange.scope and exchange.endpoint is MODELS


async def _answer(exchange: Exchange, error: TollkeeperError) -> None:
    if exchange.status == 0:
        await send_error(exchange, error)
    else:
        # The head is out, too late for an answer: the connection will break.
        exchange.error_code = str(error.reason)
