"""Where a call that failed is made again, and when.

It is made again at once at a member that was not tried yet; then, if the pool's policy has a `retry`, at all
members in rounds, after waits, but for those where it would fail again. A budget over all requests keeps
retries from becoming a storm.
"""

import asyncio
import time
from datetime import UTC, datetime
from random import Random

from tollkeeper_server.dataplane.call.attempt import Attempt, Failure, Result
from tollkeeper_server.dataplane.call.balance import Balancer
from tollkeeper_server.dataplane.call.retry import (
    RetryBudget,
    is_safe,
    retry_after_seconds,
    wait_seconds,
)
from tollkeeper_server.dataplane.exchange import Exchange
from tollkeeper_server.domain.traffic import Retry
from tollkeeper_server.snapshot.model import Pool, PoolMember

OTHERS = 2
"""How many other members are tried if a pool has no `retry` of its own."""
_BUDGET_PERCENT = Retry().budget_percent


class Tries:
    """The tries of one request at one pool, after its first call, at the member with the index `first`."""

    def __init__(
        self,
        exchange: Exchange,
        pool: Pool,
        first: int,
        session: bytes,
        *,
        balancer: Balancer,
        budget: RetryBudget,
        random: Random,
    ) -> None:
        self._exchange = exchange
        self._pool = pool
        self._session = session
        self._balancer = balancer
        self._budget = budget
        self._random = random
        self._left = pool.retry.attempts if pool.retry is not None else OTHERS
        self._index = first
        self._tried = [first]
        self._given_up: set[int] = set()
        self._rounds = 0

    async def next(self, result: Result) -> PoolMember | None:
        """Return the member to call after this result, once it is time; None if there is no further call.

        A member not tried yet is called at once. Without one, a pool with a `retry` begins a new round after
        a wait, which leaves out the upstreams that fail whenever they are called.
        """
        pool, policy = self._pool, self._pool.retry
        if not self._left or self._exchange.is_drained or not self._may_repeat(result):
            return None
        self._left -= 1
        if isinstance(result, Failure) and result.lasts:
            self._given_up |= _same_upstream(pool, self._index)
            self._tried += self._given_up
        picked = self._balancer.choose(pool, self._tried, self._session)
        if picked is None and policy is not None:
            if len(self._given_up) >= len(pool.members):
                return None
            self._rounds += 1
            is_local = isinstance(result, Failure) and result.is_local
            if is_local or not await self._wait(result, policy):
                return None
            self._tried = list(self._given_up)
            picked = self._balancer.choose(pool, self._tried, self._session)
        if picked is None or not self._affords(result):
            return None
        self._index, member = picked
        self._tried.append(self._index)
        return member

    def _may_repeat(self, result: Result) -> bool:
        policy = self._pool.retry
        if policy is None:
            return self._elapsed() <= Retry().total_seconds
        if self._elapsed() > policy.total_seconds:
            return False
        unsent = isinstance(result, Failure) and result.unsent
        return unsent or not policy.only_safe or is_safe(self._exchange.method)

    def _affords(self, result: Result) -> bool:
        # What no upstream has seen is no load more than was asked for.
        if isinstance(result, Failure) and result.unsent:
            return True
        policy = self._pool.retry
        return self._budget.take(policy.budget_percent if policy is not None else _BUDGET_PERCENT)

    async def _wait(self, result: Result, policy: Retry) -> bool:
        """Wait for the next round; return False, at once, if the policy has no time left for it."""
        seconds = wait_seconds(policy, self._rounds, self._random)
        if isinstance(result, Attempt):
            asked = retry_after_seconds(result.incoming.headers, datetime.now(UTC))
            seconds = max(seconds, asked or 0.0)
        if self._elapsed() + seconds > policy.total_seconds:
            return False
        await asyncio.sleep(seconds)
        return True

    def _elapsed(self) -> float:
        return (time.perf_counter_ns() - self._exchange.began) / 1e9


def _same_upstream(pool: Pool, index: int) -> set[int]:
    """Return the indices of all members that call the upstream of one."""
    name = pool.members[index].target.name
    return {at for at, member in enumerate(pool.members) if member.target.name == name}
