"""How this process is, for those who watch it.

While somebody watches, the feed looks every second, and at once at an upstream of which it is told that its
breaker or its connection has changed. One look serves all watchers. While nobody watches, it does nothing.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection
from functools import partial

from tollkeeper.v1 import status_service_pb2 as pb

from tollkeeper_server.management.observer import Observer
from tollkeeper_server.management.status_news import Kind, StatusNews, Watcher
from tollkeeper_server.management.watching import HEARTBEAT_SECONDS, Announcement, Turns

_log = logging.getLogger("tollkeeper.management")
_INTERVAL_SECONDS = 1.0
# Changes of upstreams that come together are told together.
_GATHERED_SECONDS = 0.05
# To look at so many upstreams takes the event loop about a millisecond.
_LOOKED_AT = 25
_MOST_ATTENTION = 100
_MOST_REMOVED = 1000
_LOOKS = 2


class StatusFeed:
    """Tells watchers how this process is."""

    def __init__(
        self,
        observer: Observer,
        *,
        interval: float = _INTERVAL_SECONDS,
        heartbeat: float = HEARTBEAT_SECONDS,
        removed: int = _MOST_REMOVED,
    ) -> None:
        """Look every `interval` seconds, and remember so many names of what was removed."""
        self._observer = observer
        self._interval = interval
        self._heartbeat = heartbeat
        self._most_removed = removed
        self._watchers: set[Watcher] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self._turns = Turns()
        self._told = Announcement()
        self._look = asyncio.Event()
        self._forget()

    @property
    def kept(self) -> int:
        """How many named things are kept for all who watch."""
        return len(self._news)

    def look(self, upstream: str) -> None:
        """Look at an upstream soon: its breaker or its connection has changed."""
        if self._watchers:
            self._changed.add(upstream)
            self._look.set()

    async def watch(self) -> AsyncGenerator[pb.WatchStatusResponse]:
        """Yield the whole as soon as it was looked at, and then what has changed."""
        watcher = Watcher()
        self._join(watcher)
        try:
            loop = asyncio.get_running_loop()
            due = loop.time() + self._heartbeat
            while True:
                await self._turns.take()
                news = None if self._looks < _LOOKS else self._news.next_for(watcher)
                if news is None and not await self._told.comes_until(due):
                    news = pb.WatchStatusResponse()
                if news is not None:
                    yield news
                    due = loop.time() + self._heartbeat
        finally:
            self._leave(watcher)

    def _forget(self) -> None:
        self._news = StatusNews(removed=self._most_removed)
        self._changed: set[str] = set()
        # Of the looks that make up the whole, so many were taken.
        self._looks = 0

    def _join(self, watcher: Watcher) -> None:
        self._watchers.add(watcher)
        if not self._tasks:
            # The store may take its time to answer, which is not to hold up what is told of upstreams.
            process = self._follow(self._look_at_process, self._wait)
            named = self._follow(self._look_at_named, self._wait_looking)
            self._tasks = [
                asyncio.create_task(process, name="status-feed-process"),
                asyncio.create_task(named, name="status-feed"),
            ]

    def _leave(self, watcher: Watcher) -> None:
        self._watchers.discard(watcher)
        if not self._watchers:
            for task in self._tasks:
                task.cancel()
            self._tasks = []
            self._forget()

    async def _follow(
        self, look: Callable[[], Awaitable[None]], wait: Callable[[float], Awaitable[None]]
    ) -> None:
        """Look again and again, and wait in between. The first look is a part of the whole."""
        is_first = True
        while True:
            due = asyncio.get_running_loop().time() + self._interval
            await self._try(look)
            if is_first:
                is_first = False
                self._looks += 1
                self._told.tell()
            await wait(due)

    async def _try(self, look: Callable[[], Awaitable[None]]) -> None:
        """Look, and wake those who wait if something has changed."""
        before = self._news.number
        try:
            await look()
        except Exception:  # noqa: BLE001 - those who watch are told what can be seen
            _log.exception("those who watch the status are not told all of it")
        if self._news.number > before:
            self._told.tell()

    async def _wait(self, due: float) -> None:
        await asyncio.sleep(due - asyncio.get_running_loop().time())

    async def _wait_looking(self, due: float) -> None:
        """Wait until a time of the loop, and look at the upstreams that change meanwhile."""
        while True:
            try:
                async with asyncio.timeout_at(due):
                    await self._look.wait()
            except TimeoutError:
                return
            await asyncio.sleep(_GATHERED_SECONDS)
            self._look.clear()
            changed, self._changed = self._changed, set()
            await self._try(partial(self._look_at, changed))

    async def _look_at_process(self) -> None:
        status = await self._observer.process()
        self._news.put_status(status)
        self._news.put_attention(list(await self._observer.attention(status, _MOST_ATTENTION)))

    async def _look_at_named(self) -> None:
        listeners = self._observer.listeners()
        for listener in listeners:
            self._news.put(Kind.LISTENER, listener.name, listener)
        self._news.keep_only(Kind.LISTENER, {it.name for it in listeners})
        names = self._observer.upstream_names()
        await self._look_at(sorted(names))
        self._news.keep_only(Kind.UPSTREAM, names)

    async def _look_at(self, upstreams: Collection[str]) -> None:
        for count, name in enumerate(upstreams, 1):
            self._news.put(Kind.UPSTREAM, name, self._observer.upstream(name))
            if count % _LOOKED_AT == 0:
                await asyncio.sleep(0)
