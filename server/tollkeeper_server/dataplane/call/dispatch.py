"""Sending a request to the upstreams that may serve it, one after the other, until one answers.

A call is made again (`tries.py`) after a transport error, 408, 429 or 5xx, as long as the caller has been
answered nothing. If the model's upstreams fail, its fallbacks are asked.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from random import Random
from time import perf_counter

from tollkeeper_server.dataplane.aside import LARGE, aside
from tollkeeper_server.dataplane.call.attempt import (
    Attempt,
    Failure,
    Result,
    kind_of,
    refusal_of,
    release,
    unserved,
)
from tollkeeper_server.dataplane.call.balance import Balancer, session_of
from tollkeeper_server.dataplane.call.forward import asks_usage, look_up, outgoing, outgoing_body
from tollkeeper_server.dataplane.call.health import Health
from tollkeeper_server.dataplane.call.redirect import REDIRECTS, follow
from tollkeeper_server.dataplane.call.refusals import Refusals, may_refuse
from tollkeeper_server.dataplane.call.retry import RetryBudget, retry_after_seconds
from tollkeeper_server.dataplane.call.tries import OTHERS, Tries
from tollkeeper_server.dataplane.call.upstream_error import names_cause, refuses_usage
from tollkeeper_server.dataplane.exchange import Exchange
from tollkeeper_server.dataplane.plan import Plan
from tollkeeper_server.dataplane.request.endpoint import Matched
from tollkeeper_server.dataplane.route import Destination, fallbacks, record_model
from tollkeeper_server.dataplane.transport import (
    ConnectError,
    LocalShortageError,
    Outgoing,
    Parts,
    Transport,
    TransportError,
)
from tollkeeper_server.errors import NO_ROOM, Reason, TollkeeperError, shortage_error
from tollkeeper_server.snapshot.compile import pool_of_one
from tollkeeper_server.snapshot.model import Pool, PoolMember, Route, Target
from tollkeeper_server.telemetry.metrics import Metrics


class Dispatcher:
    """Sends requests.

    `begin` is called before the first byte of a request goes out, and again before it goes to another
    upstream, or to another model.

    `reserve` holds what a request needs of the limits of a model that it falls back to, and returns where it
    may go there, None if nowhere.
    """

    def __init__(
        self,
        transport: Transport,
        health: Health,
        balancer: Balancer,
        budget: RetryBudget,
        metrics: Metrics,
        random: Random,
        begin: Callable[[Exchange], bool],
        reserve: Callable[[Exchange, Plan, Destination], Awaitable[Destination | None]],
    ) -> None:
        self._transport = transport
        self._health = health
        self._balancer = balancer
        self._budget = budget
        self._metrics = metrics
        self._random = random
        self._begin = begin
        self._reserve = reserve
        self._refusals = Refusals()

    async def send(self, exchange: Exchange, plan: Plan) -> Attempt:
        """Return the first answer that may be passed on: of the model itself, or of one of its fallbacks.

        Raises NO_UPSTREAM, or UPSTREAM_… as the last upstream failed.
        """
        self._budget.note_request()
        destination = plan.destination
        result = await self._serve(exchange, plan, destination)
        if destination.route is not None and destination.route.fallbacks:
            result = await self._fall_back(exchange, plan, destination.route, result)
        if isinstance(result, Failure):
            raise result.error
        return result

    async def send_stream(
        self, exchange: Exchange, plan: Plan, body: bytes | AsyncIterator[bytes], length: int | None
    ) -> Attempt:
        """Return the answer to a request whose body streams through, and can be sent once only.

        Others are tried as long as none was connected to. Raises as `send` does.
        """
        self._budget.note_request()
        pool = plan.destination.pool
        picked = self._balancer.choose(pool)
        if picked is None:
            raise self._unavailable(plan.destination)
        tried: list[int] = []
        while True:
            index, member = picked
            tried.append(index)
            self._begin_at(exchange, member)
            request = outgoing(exchange, plan, member, body, plain=False, length=length)
            result = await self._call(exchange, request, member, pool, ask_usage=False)
            if isinstance(result, Attempt):
                return result
            picked = self._balancer.choose(pool, tried)
            if not result.unsent or picked is None or len(tried) > OTHERS:
                raise result.error
            self._metrics.retried(pool.name, picked[1].target.name)

    async def look_up(
        self, exchange: Exchange, plan: Plan, target: Target, matched: Matched, query: str
    ) -> Attempt:
        """Return an upstream's answer to a GET by which the gateway learns what it must know of a request.

        It is asked once. Raises as `send` does.
        """
        pool = pool_of_one(target)
        picked = self._balancer.choose(pool)
        if picked is None:
            raise self._unavailable(Destination(pool))
        _, member = picked
        request = look_up(exchange, plan, member, matched, query)
        self._begin_at(exchange, member)
        result = await self._call(exchange, request, member, pool, ask_usage=False)
        if isinstance(result, Failure):
            raise result.error
        return result

    async def _fall_back(self, exchange: Exchange, plan: Plan, route: Route, result: Result) -> Result:
        try:
            if exchange.is_drained or (not unserved(result) and not await names_cause(result, route)):
                return result
            for name, destination in fallbacks(exchange, route, plan.identity.token):
                assert destination.route is not None
                before = exchange.route_name, exchange.model_served
                record_model(exchange, destination.route, name)
                there: Destination | None = destination
                if destination.route.meters or exchange.holding is not None:
                    there = await self._reserve(exchange, plan, destination)
                if there is None:
                    exchange.route_name, exchange.model_served = before
                    continue
                self._metrics.fell_back(route.name, destination.route.name)
                exchange.group = destination.pool.group
                following = await self._serve(exchange, plan, there)
                release(result)
                result = following
                if not unserved(result):
                    break
        except BaseException:
            release(result)
            raise
        return result

    async def _serve(self, exchange: Exchange, plan: Plan, destination: Destination) -> Result:
        pool = destination.pool
        session = session_of(exchange, pool) if pool.session_header else b""
        picked = self._balancer.choose(pool, (), session)
        if picked is None:
            return Failure(self._unavailable(destination), unsent=True)
        index, member = picked
        result = await self._send_one(exchange, plan, pool, member)
        if not unserved(result):
            return result
        tries = Tries(
            exchange, pool, index, session, balancer=self._balancer, budget=self._budget, random=self._random
        )
        try:
            while (again := await tries.next(result)) is not None:
                self._metrics.retried(pool.name, again.target.name)
                following = await self._send_one(exchange, plan, pool, again)
                release(result)
                result = following
                if not unserved(result):
                    break
        except BaseException:
            release(result)
            raise
        return result

    def _send_one(self, exchange: Exchange, plan: Plan, pool: Pool, member: PoolMember) -> Awaitable[Result]:
        ask_usage = asks_usage(plan.peek, member, exchange.endpoint.dialect) and not self._refusals.holds(
            member.target.name
        )
        if ask_usage or len(plan.body) > LARGE:
            return self._send_changed(exchange, plan, pool, member, ask_usage=ask_usage)
        sent = outgoing_body(plan, member, ask_usage=False)
        return self._send_body(exchange, plan, pool, member, sent, ask_usage=False)

    async def _send_changed(
        self, exchange: Exchange, plan: Plan, pool: Pool, member: PoolMember, *, ask_usage: bool
    ) -> Result:
        async def send(ask_usage: bool) -> Result:
            if len(plan.body) > LARGE:
                make = partial(outgoing_body, member=member, ask_usage=ask_usage)
                sent = await aside(len(plan.body), make, plan)
            else:
                sent = outgoing_body(plan, member, ask_usage=ask_usage)
            return await self._send_body(exchange, plan, pool, member, sent, ask_usage=ask_usage)

        result = await send(ask_usage)
        if ask_usage and isinstance(result, Attempt) and await refuses_usage(result):
            # The caller did not ask for what was refused.
            result.release()
            self._metrics.retried(pool.name, member.target.name)
            result = await send(False)
            # An error that only repeats the request, whatever is wrong with it, names the member as well.
            if isinstance(result, Attempt) and not may_refuse(result.incoming.status):
                self._refusals.note(member.target.name)
        return result

    def _send_body(
        self,
        exchange: Exchange,
        plan: Plan,
        pool: Pool,
        member: PoolMember,
        sent: bytes | Parts,
        *,
        ask_usage: bool,
    ) -> Awaitable[Result]:
        request = outgoing(exchange, plan, member, sent, plain=exchange.endpoint.dialect.is_metered)
        self._begin_at(exchange, member)
        return self._call(exchange, request, member, pool, ask_usage=ask_usage)

    def _begin_at(self, exchange: Exchange, member: PoolMember) -> None:
        """Note where a request goes, and have that written down unless it is. Raises SHORTAGE."""
        is_first = not exchange.upstream
        exchange.upstream, exchange.upstream_model = member.target.name, member.upstream_model
        going = member.target.name, exchange.model_served
        if exchange.begun != going:
            exchange.begun = going
            if not self._begin(exchange) and is_first:
                exchange.upstream = exchange.upstream_model = ""
                raise shortage_error(NO_ROOM)

    async def _call(
        self, exchange: Exchange, request: Outgoing, member: PoolMember, pool: Pool, *, ask_usage: bool
    ) -> Result:
        attempt = Attempt(member, pool, self._health.begin(member.target), self._metrics, ask_usage=ask_usage)
        redirected, was_sent = False, exchange.was_sent
        exchange.was_sent = True  # also if it is not awaited to its end
        try:
            attempt.incoming = incoming = await self._transport.open(request)
            if self._health.unconnected:
                self._health.answered(member.target)
            if incoming.status in REDIRECTS:
                redirected = True
                attempt.incoming = incoming = await follow(self._transport, request, incoming, attempt.began)
        except LocalShortageError as error:
            attempt.abandon()
            exchange.was_sent = was_sent or redirected
            refusal = refusal_of(error, member)
            exchange.note_attempt(member.target.name, attempt.began, 0, str(refusal.reason))
            return Failure(refusal, unsent=not redirected, is_local=True)
        except TransportError as error:
            attempt.end(kind_of(error))
            unsent = isinstance(error, ConnectError) and not redirected
            exchange.was_sent = was_sent or not unsent
            problem = error.problem
            if problem is not None:
                self._health.unreached(member.target, problem)
            lasts = problem is not None and problem.is_lasting
            refusal = refusal_of(error, member)
            exchange.note_attempt(member.target.name, attempt.began, 0, str(refusal.reason))
            turns = exchange.turns  # many connections may break at once
            if turns is not None and perf_counter() >= turns.end and turns.is_over(exchange.token_id):
                await turns.wait(exchange.token_id, begun=True)
            return Failure(refusal, unsent=unsent, lasts=lasts)
        except BaseException:
            attempt.abandon()
            exchange.note_attempt(member.target.name, attempt.began, 0)
            raise
        status = incoming.status
        exchange.note_attempt(member.target.name, attempt.began, status)
        if status < 400:
            attempt.answering()
            return attempt
        if status >= 500 or status == 408:
            attempt.end(f"http_{status}")
        elif status in {401, 429}:
            # Not the upstream's fault: a key's, perhaps a project's own, or the traffic's.
            attempt.end(f"http_{status}", blameless=True)
        else:
            attempt.answering()
        if status in {429, 503}:
            rest = retry_after_seconds(incoming.headers, datetime.now(UTC))
            if rest:
                self._health.of(member.target).rest(rest)
        if status == 401:
            # A 401 would tell the caller that its own token is at fault.
            incoming.close()
            return Failure(
                TollkeeperError(
                    Reason.UPSTREAM_CREDENTIALS,
                    f"the upstream {member.target.name!r} did not accept the credential configured for it; "
                    "have an administrator check the api_key of the upstream or the project",
                )
            )
        return attempt

    def _unavailable(self, destination: Destination) -> TollkeeperError:
        pool = destination.pool
        for member in pool.members:
            self._metrics.breaker_result(member.target.name, "rejected")
        return self._balancer.refusal(
            pool, has_model=destination.route is not None, lacks_price=bool(destination.passed_over)
        )
