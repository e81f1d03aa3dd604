"""How a server is: what stands in the way of serving, and the gauges of its metrics."""

from collections.abc import Callable
from dataclasses import dataclass

from tollkeeper_server.coordination.open import Coordination
from tollkeeper_server.doors.listeners import Listeners
from tollkeeper_server.errors import TollkeeperError
from tollkeeper_server.ledger.drain import Drain
from tollkeeper_server.ledger.journal import Journal
from tollkeeper_server.process.traffic import Traffic
from tollkeeper_server.settings import Settings
from tollkeeper_server.snapshot.watch import SnapshotWatch
from tollkeeper_server.store.ports import Store
from tollkeeper_server.telemetry.metrics import Gauges

_MISSED_POLLS = 10


@dataclass(frozen=True, slots=True)
class Condition:
    """Looks at the parts of a running server. `draining` tells whether it is going down."""

    settings: Settings
    store: Store
    coordination: Coordination
    watch: SnapshotWatch
    listeners: Listeners
    traffic: Traffic
    journal: Journal
    drain: Drain
    draining: Callable[[], bool]

    async def readiness(self) -> dict[str, str | None]:
        """Returns what is wrong, by part (doors/ops.py); None where nothing is."""
        store: str | None = None
        try:
            await self.store.ping()
        except TollkeeperError as error:
            store = str(error)
        redis = None if self.coordination.redis_answers in {None, True} else "Redis is not reachable"
        return {
            "store": store,
            "configuration": self.watch.problem,
            "redis": redis,
            "listeners": self.listeners.problem,
            "snapshot": None if store is None else self._staleness(),
            "draining": "the server is going down" if self.draining() else None,
        }

    def gauges(self) -> Gauges:
        """Returns what is to be read at this moment."""
        snapshot = self.watch.current
        upstreams = self.traffic.health.views()
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
        # Until then known tokens are served, whatever is away.
        settings, age = self.settings, self.watch.age()
        if age <= max(settings.auth_cache_seconds / 2, _MISSED_POLLS * settings.poll_seconds):
            return None
        return f"the configuration was last known to be the stored one {age:,.0f} seconds ago"
