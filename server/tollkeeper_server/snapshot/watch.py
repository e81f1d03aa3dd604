"""Keeps the current snapshot up to date. A change swaps one reference."""

import asyncio
import logging
import math
import time
from collections.abc import Callable

from tollkeeper_server.domain.environment_proxies import NO_PROXIES, EnvironmentProxies
from tollkeeper_server.domain.upstream import Timeouts
from tollkeeper_server.errors import TollkeeperError
from tollkeeper_server.snapshot.compile import CompileError, OpenSecret, compile_snapshot
from tollkeeper_server.snapshot.model import EMPTY, Snapshot
from tollkeeper_server.store.ports import ConfigurationStore

logger = logging.getLogger("tollkeeper.snapshot")

Subscriber = Callable[[Snapshot], None]


class SnapshotWatch:
    """Holds the current snapshot. A configuration that does not compile leaves the last good one in place."""

    def __init__(
        self,
        store: ConfigurationStore,
        open_secret: OpenSecret,
        default_timeouts: Timeouts,
        *,
        proxies: EnvironmentProxies = NO_PROXIES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take the proxies for upstreams without one of their own, and a clock that returns seconds."""
        self._store = store
        self._open_secret = open_secret
        self._default_timeouts = default_timeouts
        self._proxies = proxies
        self._clock = clock
        self._lock = asyncio.Lock()
        self._subscribers: list[Subscriber] = []
        self.current: Snapshot = EMPTY
        self.problem: str | None = None
        """Why the stored configuration is not the current one; None if it is."""
        self.loaded_at = -math.inf
        """The clock's time when the store last confirmed the revision of the current snapshot."""

    def subscribe(self, subscriber: Subscriber) -> None:
        """Call `subscriber` with the current snapshot now, and with each new one as soon as it is current.

        An exception that a subscriber raises is logged; the others are still called.
        """
        self._subscribers.append(subscriber)
        self._notify(subscriber)

    def age(self) -> float:
        """Return the seconds since the store last confirmed the snapshot; infinite if it never did."""
        return self._clock() - self.loaded_at

    def confirm(self, revision: int) -> bool:
        """Record that the store is at `revision`; return whether the current snapshot has that revision."""
        is_current = self.loaded_at > -math.inf and revision == self.current.revision
        if is_current:
            self.loaded_at = self._clock()
            self.problem = None
        return is_current

    async def load(self) -> Snapshot:
        """Load the stored configuration, if it is newer, as the current snapshot; return that snapshot.

        Raises StoreUnavailableError or CompileError, and keeps the reason as `problem`.
        """
        async with self._lock:
            try:
                if not self.confirm(await self._store.revision()):
                    self._swap(await self._compile())
            except (TollkeeperError, CompileError) as error:
                self.problem = str(error)
                raise
            return self.current

    async def _compile(self) -> Snapshot:
        found = await self._store.read()
        return compile_snapshot(
            found.revision,
            projects=found.projects,
            upstreams=found.upstreams,
            models=found.models,
            groups=found.groups,
            listeners=found.listeners,
            open_secret=self._open_secret,
            default_timeouts=self._default_timeouts,
            proxies=self._proxies,
            limits=found.gateway.limits,
        )

    def _swap(self, snapshot: Snapshot) -> None:
        self.current, self.problem, self.loaded_at = snapshot, None, self._clock()
        for subscriber in self._subscribers:
            self._notify(subscriber)

    def _notify(self, subscriber: Subscriber) -> None:
        try:
            subscriber(self.current)
        except Exception:
            logger.exception("a change of the configuration could not be put into effect")
