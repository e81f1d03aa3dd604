"""Keeps the snapshot up to date: a change swaps one reference."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from tollkeeper_server.domain.listener import Listener
from tollkeeper_server.domain.model import Model
from tollkeeper_server.domain.project import Project
from tollkeeper_server.domain.traffic import Group
from tollkeeper_server.domain.upstream import Timeouts, Upstream
from tollkeeper_server.errors import TollkeeperError
from tollkeeper_server.snapshot.compile import CompileError, OpenSecret, compile_snapshot
from tollkeeper_server.snapshot.model import EMPTY, Snapshot
from tollkeeper_server.store.ports import Store

_PAGE = 1000

_Entity = TypeVar("_Entity", Project, Upstream, Model, Group, Listener)


class SnapshotWatch:
    """Holds the current snapshot. What does not compile leaves the last good one in place."""

    def __init__(self, store: Store, open_secret: OpenSecret, default_timeouts: Timeouts) -> None:
        self._store = store
        self._open_secret = open_secret
        self._default_timeouts = default_timeouts
        self._lock = asyncio.Lock()
        self.current: Snapshot = EMPTY
        self.problem: str | None = None
        """Why the stored configuration is not the current one; None if it is."""
        self._subscribers: list[Callable[[Snapshot], None]] = []

    def subscribe(self, follow: Callable[[Snapshot], None]) -> None:
        """Has `follow` called with the current snapshot, and with each that takes its place."""
        self._subscribers.append(follow)
        follow(self.current)

    async def load(self) -> Snapshot:
        """Reads and compiles the configuration, and returns it as the current one.

        Raises StoreUnavailableError or CompileError, and keeps the reason as `problem`.
        """
        async with self._lock:
            try:
                self.current = await self._compile()
            except (TollkeeperError, CompileError) as error:
                self.problem = str(error)
                raise
            self.problem = None
            for follow in self._subscribers:
                follow(self.current)
            return self.current

    async def _compile(self) -> Snapshot:
        # The revision is read first: a write in between makes the snapshot look older than it is,
        # which costs another load, and never newer.
        revision = await self._store.config_revision()
        return compile_snapshot(
            revision,
            projects=await _all(self._store.list_projects, lambda project: project.id),
            upstreams=await _all(self._store.list_upstreams, lambda upstream: upstream.name),
            models=await _all(self._store.list_models, lambda model: model.name),
            groups=await _all(self._store.list_groups, lambda group: group.name),
            listeners=await _all(self._store.list_listeners, lambda listener: listener.name),
            open_secret=self._open_secret,
            default_timeouts=self._default_timeouts,
        )


async def _all(
    read: Callable[..., Awaitable[list[_Entity]]], key: Callable[[_Entity], str]
) -> Sequence[_Entity]:
    found: list[_Entity] = []
    after = ""
    while True:
        page = await read(after=after, limit=_PAGE)
        found += page
        if len(page) < _PAGE:
            return found
        after = key(page[-1])
