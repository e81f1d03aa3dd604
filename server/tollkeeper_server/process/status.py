"""The status of a server: whether it is ready to serve, and the gauges of its metrics."""

import asyncio
from dataclasses import dataclass

from tollkeeper_server.coordination.open import Coordination
from tollkeeper_server.dataplane.call.health import Health
from tollkeeper_server.doors.listeners import Listeners
from tollkeeper_server.doors.ops import ABSENT
from tollkeeper_server.errors import TollkeeperError
from tollkeeper_server.ledger.drain import Drain
from tollkeeper_server.ledger.journal import Journal
from tollkeeper_server.settings import Settings
from tollkeeper_server.snapshot.watch import SnapshotWatch
from tollkeeper_server.store.ports import Store
from tollkeeper_server.telemetry.metrics import Gauges

_MISSED_POLLS = 10
_REDIS = {None: ABSENT, True: None, False: "Redis is not reachable"}


@dataclass(frozen=True, slots=True)
class ServerStatus:
    """Looks at the parts of a running server. `draining` is set while it goes down."""

    settings: Settings
    store: Store
    coordination: Coordination
    watch: SnapshotWatch
    listeners: Listeners
    health: Health
    journal: Journal
    drain: Drain
    draining: asyncio.Event

    async def readiness(self) -> dict[str, str | None]:
        """Return the problem of each part, as `doors/ops.py` wants it."""
        store: str | None = None
        try:
            await self.store.ping()
        except TollkeeperError as error:
            store = str(error)
        return {
            "store": store,
            "configuration": self.watch.problem,
            "redis": _REDIS[self.coordination.redis_answers],
            "listeners": self.listeners.problem,
            "snapshot": None if store is None else self._staleness(),
            "draining": "the server is going down" if self.draining.is_set() else None,
        }

    def gauges(self) -> Gauges:
        """Return the gauges as they are at this moment."""
        snapshot = self.watch.current
        upstreams = self.health.views()
        return Gauges(
            snapshot_revision=snapshot.revision,
            snapshot_age=self.watch.age(),
            journal_waiting=self.journal.waiting,
            journal_skipped=self.journal.skipped,
            drain_lag=self.drain.lag,
            breakers={name: view.breaker.value for name, view in upstreams.items()},
            calls={name: view.in_flight for name, view in upstreams.items()},
            connections=self.listeners.connections(),
            urls={
                name: (target.full_url or target.base_url).partition("?")[0]
                for name, target in snapshot.targets.items()
            },
        )

    def _staleness(self) -> str | None:
        # Until then known tokens are served without the store.
        settings, age = self.settings, self.watch.age()
        if age <= max(settings.auth_cache_seconds / 2, _MISSED_POLLS * settings.poll_seconds):
            return None
        return f"the configuration was last known to be the stored one {age:,.0f} seconds ago"
