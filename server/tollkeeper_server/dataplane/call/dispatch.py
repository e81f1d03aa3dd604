"""Sending a request to the upstreams that may serve it, one after the other, until one answers.

A call is made again after a transport error, 408, 429 or 5xx, as long as the caller has been answered
nothing: at a member that was not tried yet, at once; then, if the pool's policy has a `retry`, at all of
them again, after a wait. A budget over all requests keeps retries from becoming a storm.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime
from random import Random

from tollkeeper_server.dataplane.aside import LARGE
from tollkeeper_server.dataplane.call.attempt import (
    Attempt,
    Failure,
    Result,
    kind_of,
    refusal_of,
    release,
    unserved,
)
from tollkeeper_server.dataplane.call.balance import Balancer
from tollkeeper_server.dataplane.call.forward import asks_usage, outgoing, outgoing_body
from tollkeeper_server.dataplane.call.health import Health
from tollkeeper_server.dataplane.call.redirect import REDIRECTS, follow
from tollkeeper_server.dataplane.call.refusals import Refusals, may_refuse, refuses_to_tell
from tollkeeper_server.dataplane.call.retry import (
    RetryBudget,
    is_safe,
    retry_after_seconds,
    wait_seconds,
)
from tollkeeper_server.dataplane.exchange import Exchange
from tollkeeper_server.dataplane.headers import content_coding
from tollkeeper_server.dataplane.plan import Plan
from tollkeeper_server.dataplane.reply.decoding import decode_body
from tollkeeper_server.dataplane.reply.readahead import read_ahead
from tollkeeper_server.dataplane.route import Destination, find_fallback, record_model
from tollkeeper_server.dataplane.transport import (
    ConnectError,
    Outgoing,
    Transport,
    TransportError,
)
from tollkeeper_server.domain.traffic import Retry
from tollkeeper_server.errors import ADMINISTRATOR_SECONDS, Reason, TollkeeperError
from tollkeeper_server.providers.causes import cause_of, may_name_cause
from tollkeeper_server.snapshot.model import Pool, PoolMember, Route
from tollkeeper_server.telemetry.metrics import Metrics

# How many other members are tried if a pool has no `retry` of its own.
_OTHERS = 2
_BUDGET_PERCENT = Retry().budget_percent
# An error that is larger names no cause to fall back upon.
_MAX_ERROR_BYTES = 64 * 1024


class Dispatcher:
    """Sends requests. `begin` is called once before the first byte of a request goes out."""

    def __init__(
        self,
        transport: Transport,
        health: Health,
        balancer: Balancer,
        budget: RetryBudget,
        metrics: Metrics,
        random: Random,
        begin: Callable[[Exchange], None],
    ) -> None:
        self._transport = transport
        self._health = health
        self._balancer = balancer
        self._budget = budget
        self._metrics = metrics
        self._random = random
        self._begin = begin
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
            exchange.upstream = member.target.name
            if len(tried) == 1:
                self._begin(exchange)
            request = outgoing(exchange, plan, member, body, plain=False, length=length)
            result = await self._call(request, member, pool, ask_usage=False)
            if isinstance(result, Attempt):
                return result
            picked = self._balancer.choose(pool, tried)
            if not result.unsent or picked is None or len(tried) > _OTHERS:
                raise result.error
            self._metrics.retried(pool.name, picked[1].target.name)

    async def _fall_back(self, exchange: Exchange, plan: Plan, route: Route, result: Result) -> Result:
        try:
            if not unserved(result) and not await _names_cause(result, route):
                return result
            for name, destination in fallbacks(exchange, plan):
                assert destination.route is not None
                self._metrics.fell_back(route.name, destination.route.name)
                record_model(exchange, destination.route, name)
                following = await self._serve(exchange, plan, destination)
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
        try:
            tried = [index]
            rounds = 0
            for _ in range(pool.retry.attempts if pool.retry is not None else _OTHERS):
                if not _may_repeat(exchange, result, pool.retry):
                    break
                picked = self._balancer.choose(pool, tried, session)
                if picked is None and pool.retry is not None:
                    rounds += 1
                    if not await self._wait(exchange, result, pool.retry, rounds):
                        break
                    tried.clear()
                    picked = self._balancer.choose(pool, (), session)
                if picked is None or not self._affords(result, pool.retry):
                    break
                index, member = picked
                tried.append(index)
                self._metrics.retried(pool.name, member.target.name)
                following = await self._send_one(exchange, plan, pool, member)
                release(result)
                result = following
                if not unserved(result):
                    break
        except BaseException:
            release(result)
            raise
        return result

    def _affords(self, result: Result, policy: Retry | None) -> bool:
        # What no upstream has seen is no load more than was asked for.
        if isinstance(result, Failure) and result.unsent:
            return True
        return self._budget.take(policy.budget_percent if policy is not None else _BUDGET_PERCENT)

    async def _wait(self, exchange: Exchange, result: Result, policy: Retry, rounds: int) -> bool:
        seconds = wait_seconds(policy, rounds, self._random)
        if isinstance(result, Attempt):
            asked = retry_after_seconds(result.incoming.headers, datetime.now(UTC))
            seconds = max(seconds, asked or 0.0)
        if _elapsed(exchange) + seconds > policy.total_seconds:
            return False
        await asyncio.sleep(seconds)
        return True

    def _send_one(self, exchange: Exchange, plan: Plan, pool: Pool, member: PoolMember) -> Awaitable[Result]:
        ask_usage = asks_usage(plan.peek, member, exchange.endpoint.dialect)
        ask_usage = ask_usage and not self._refusals.holds(member.target.name)
        if ask_usage or len(plan.body) > LARGE:
            return self._send_changed(exchange, plan, pool, member, ask_usage=ask_usage)
        sent = outgoing_body(plan, member, ask_usage=False)
        return self._send_body(exchange, plan, pool, member, sent, ask_usage=False)

    async def _send_changed(
        self, exchange: Exchange, plan: Plan, pool: Pool, member: PoolMember, *, ask_usage: bool
    ) -> Result:
        async def send(ask_usage: bool) -> Result:
            if len(plan.body) > LARGE:
                sent = await asyncio.to_thread(outgoing_body, plan, member, ask_usage=ask_usage)
            else:
                sent = outgoing_body(plan, member, ask_usage=ask_usage)
            return await self._send_body(exchange, plan, pool, member, sent, ask_usage=ask_usage)

        result = await send(ask_usage)
        if ask_usage and isinstance(result, Attempt) and await _refuses_to_tell(result):
            # The caller did not ask for what was refused.
            result.release()
            self._metrics.retried(pool.name, member.target.name)
            result = await send(False)
            # An error that only repeats the request, whatever is wrong with it, names the member as well.
            if isinstance(result, Attempt) and not may_refuse(result.incoming.status):
                self._refusals.note(member.target.name)
        return result

    def _send_body(
        self, exchange: Exchange, plan: Plan, pool: Pool, member: PoolMember, sent: bytes, *, ask_usage: bool
    ) -> Awaitable[Result]:
        request = outgoing(exchange, plan, member, sent, plain=exchange.endpoint.dialect.is_metered)
        first = not exchange.upstream
        exchange.upstream = member.target.name
        if first:
            self._begin(exchange)
        return self._call(request, member, pool, ask_usage=ask_usage)

    async def _call(self, request: Outgoing, member: PoolMember, pool: Pool, *, ask_usage: bool) -> Result:
        attempt = Attempt(member, pool, self._health.begin(member.target), self._metrics, ask_usage=ask_usage)
        redirected = False
        try:
            attempt.incoming = incoming = await self._transport.open(request)
            if incoming.status in REDIRECTS:
                redirected = True
                attempt.incoming = incoming = await follow(self._transport, request, incoming, attempt.began)
        except TransportError as error:
            attempt.end(kind_of(error))
            unsent = isinstance(error, ConnectError) and not redirected
            return Failure(refusal_of(error, member), unsent=unsent)
        except BaseException:
            attempt.abandon()
            raise
        status = incoming.status
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
        return unavailable(destination, self._balancer)


def unavailable(destination: Destination, balancer: Balancer) -> TollkeeperError:
    """Return the error for a destination whose upstreams may not be called now, or that has none."""
    pool = destination.pool
    subject = f"the group {pool.group!r}" if pool.group else f"the model {pool.name!r}"
    if not pool.members:
        return TollkeeperError(
            Reason.NO_UPSTREAM,
            f"{subject} has no active deployment; have an administrator add or activate one",
            field="model" if destination.route is not None else None,
            retry_after=ADMINISTRATOR_SECONDS,
        )
    return TollkeeperError(
        Reason.NO_UPSTREAM,
        f"every upstream of {subject} failed too often and is left alone for the moment; try again later",
        retry_after=balancer.retry_after(pool),
    )


def session_of(exchange: Exchange, pool: Pool) -> bytes:
    """Return the session that a request belongs to, empty if its pool pins none."""
    return exchange.headers.get(pool.session_header, b"") if pool.session_header else b""


def fallbacks(exchange: Exchange, plan: Plan) -> Iterator[tuple[str, Destination]]:
    """Yield the fallbacks of the model that a plan leads to, with the names they are asked for by."""
    route = plan.destination.route
    for name in route.fallbacks if route is not None else ():
        found = find_fallback(exchange.snapshot, exchange.endpoint, plan.identity.token, name)
        if found is not None:
            yield name, found


def _may_repeat(exchange: Exchange, result: Result, policy: Retry | None) -> bool:
    if policy is None:
        return _elapsed(exchange) <= Retry().total_seconds
    if _elapsed(exchange) > policy.total_seconds:
        return False
    unsent = isinstance(result, Failure) and result.unsent
    return unsent or not policy.only_safe or is_safe(exchange.method)


def _elapsed(exchange: Exchange) -> float:
    return (time.perf_counter_ns() - exchange.began) / 1e9


async def _names_cause(result: Result, route: Route) -> bool:
    if isinstance(result, Failure) or not route.fallback_on or not may_name_cause(result.incoming.status):
        return False
    return cause_of(await _error_of(result)) in route.fallback_on


async def _refuses_to_tell(result: Attempt) -> bool:
    """Return whether an upstream refused to be asked for the usage of its stream."""
    status = result.incoming.status
    return may_refuse(status) and refuses_to_tell(status, await _error_of(result))


async def _error_of(result: Attempt) -> bytes:
    """Return what an answer says without its coding, of which nothing is lost; nothing if it breaks off."""
    try:
        answer = await read_ahead(result.incoming, _MAX_ERROR_BYTES, lambda _: False)
    except TransportError:
        return b""
    result.incoming = answer
    return decode_body(answer.held, content_coding(answer.headers), _MAX_ERROR_BYTES)
