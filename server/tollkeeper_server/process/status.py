"""The status of a server: whether it is ready to serve, and the gauges of its metrics."""

import asyncio
from dataclasses import dataclass, replace

from tollkeeper_server.domain.listener import CONSOLE, GRPC
from tollkeeper_server.doors.grpc_callers import GrpcCallers
from tollkeeper_server.doors.ops import ABSENT
from tollkeeper_server.doors.refusals import Refusals
from tollkeeper_server.errors import TollkeeperError
from tollkeeper_server.http1.server.connection_limit import ConnectionLimit
from tollkeeper_server.management.chain.streams import Streams
from tollkeeper_server.management.usage_feed import UsageFeed
from tollkeeper_server.process.core import Core
from tollkeeper_server.process.gauges import gauges_of
from tollkeeper_server.process.standings import LedgerStandings
from tollkeeper_server.process.workers.crew import Crew
from tollkeeper_server.settings import Settings
from tollkeeper_server.telemetry.metrics import Gauges

_MISSED_POLLS = 10


@dataclass(frozen=True, slots=True)
class ServerStatus:
    """Looks at the parts of a running server. `draining` is set while it goes down."""

    settings: Settings
    core: Core
    draining: asyncio.Event
    console_limit: ConnectionLimit
    refusals: Refusals
    grpc_callers: GrpcCallers
    streams: Streams
    usage_feed: UsageFeed
    standings: LedgerStandings
    crew: Crew | None = None
    """The workers that serve callers, None if this process does."""

    async def readiness(self) -> dict[str, str | None]:
        """Return the problem of each part, as `doors/ops.py` wants it."""
        store: str | None = None
        try:
            await self.core.store.ping()
        except TollkeeperError as error:
            store = str(error)
        workers = {} if self.crew is None else {"workers": self._workers_problem(self.crew)}
        return {
            "store": store,
            "configuration": self.core.watch.problem,
            "redis": self._redis_problem(),
            "listeners": self.core.listeners.problem,
            "certificate": ABSENT if self.core.certificate is None else self.core.certificate.problem,
            "snapshot": None if store is None else self._staleness(),
            "draining": "the server is going down" if self.draining.is_set() else None,
            **workers,
        }

    def gauges(self) -> Gauges:
        """Return the gauges of this process as they are at this moment."""
        gauges = gauges_of(self.core)
        return replace(
            gauges,
            streams=self.streams.count,
            watch_dropped=self.usage_feed.dropped,
            connections={
                **gauges.connections,
                CONSOLE: self.console_limit.count,
                GRPC: self.grpc_callers.limit.count,
            },
            refused={
                **gauges.refused,
                **{(CONSOLE, str(reason)): count for reason, count in self.refusals.counts.items()},
                **{(GRPC, reason): count for reason, count in self.grpc_callers.refused().items()},
            },
        )

    def _workers_problem(self, crew: Crew) -> str | None:
        serving, wanted = len(crew.reports()), self.settings.workers
        return f"{serving} of {wanted} workers serve; the others are started" if serving < wanted else None

    def _redis_problem(self) -> str | None:
        redis = self.core.coordination.redis
        if redis is None:
            return ABSENT
        if not redis.answers:
            return "Redis is not reachable; limits go on by this process's share of them"
        if not self.core.accounting.is_shared:
            return "Redis does not answer as the ledger; limits go on by this process's share of them"
        if redis.eviction:
            return f"Redis may evict what limits count: maxmemory-policy is {redis.eviction}, not noeviction"
        return None

    def _staleness(self) -> str | None:
        # Until then known tokens are served without the store.
        settings, age = self.settings, self.core.watch.age()
        if age <= max(settings.auth_cache_seconds / 2, _MISSED_POLLS * settings.poll_seconds):
            return None
        return f"the configuration was last known to be the stored one {age:,.0f} seconds ago"
