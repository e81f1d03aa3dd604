"""Keeps the snapshot up to date: a change swaps one reference."""

import asyncio
import logging
import math
import time
from collections.abc import Callable

from tollkeeper_server.domain.upstream import Timeouts
from tollkeeper_server.errors import TollkeeperError
from tollkeeper_server.snapshot.compile import CompileError, OpenSecret, compile_snapshot
from tollkeeper_server.snapshot.model import EMPTY, Snapshot
from tollkeeper_server.store.ports import ConfigurationStore

logger = logging.getLogger("tollkeeper.snapshot")

Subscriber = Callable[[Snapshot], None]


class SnapshotWatch:
    """Holds the current snapshot. What does not compile leaves the last good one in place."""

    def __init__(
        self,
        store: ConfigurationStore,
        open_secret: OpenSecret,
        default_timeouts: Timeouts,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Takes a clock that counts seconds."""
        self._store = store
        self._open_secret = open_secret
        self._default_timeouts = default_timeouts
        self._clock = clock
        self._lock = asyncio.Lock()
        self._subscribers: list[Subscriber] = []
        self.current: Snapshot = EMPTY
        self.problem: str | None = None
        """Why the stored configuration is not the current one; None if it is."""
        self.loaded_at = -math.inf
        """When the store last said that the current snapshot is what it holds, by the clock."""

    def subscribe(self, subscriber: Subscriber) -> None:
        """Calls `subscriber` with the current snapshot, and with each that takes its place, at once.

        One that fails is logged; the others are still called.
        """
        self._subscribers.append(subscriber)
        self._tell(subscriber)

    def age(self) -> float:
        """Returns for how many seconds the store has not said that the snapshot is what it holds.

        Infinite if it never did.
        """
        return self._clock() - self.loaded_at

    def confirm(self, revision: int) -> bool:
        """Takes note that the store is at `revision`; tells whether that is the current snapshot's."""
        is_current = self.loaded_at > -math.inf and revision == self.current.revision
        if is_current:
            self.loaded_at = self._clock()
            self.problem = None
        return is_current

    async def load(self) -> Snapshot:
        """Returns the snapshot of what is stored now, which becomes the current one if it is not already.

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
        )

    def _swap(self, snapshot: Snapshot) -> None:
        self.current, self.problem, self.loaded_at = snapshot, None, self._clock()
        for subscriber in self._subscribers:
            self._tell(subscriber)

    def _tell(self, subscriber: Subscriber) -> None:
        try:
            subscriber(self.current)
        except Exception:
            logger.exception("a change of the configuration could not be put into effect")
