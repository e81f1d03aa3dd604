"""The events that all processes store, for those who watch them.

The store is the one source: it has the events of every process, each once and in one order, so that a watcher
who was cut off goes on exactly where it was. While somebody watches, the feed reads what is new, at once when
this process has stored something, and every second besides. It keeps the latest events for all watchers
together: one who reads nothing holds no more than a number. While nobody watches, it does nothing.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator

from msgspec import Struct

from tollkeeper_server.domain.usage import Place, StoredEvent, UsageEvent, UsageFilter
from tollkeeper_server.errors import Reason, StoreUnavailableError, TollkeeperError
from tollkeeper_server.management.usage_names import NO_NAMES, Directory, Names
from tollkeeper_server.management.watching import HEARTBEAT_SECONDS, Announcement, Turns
from tollkeeper_server.store.ports import UsageStore

_log = logging.getLogger("tollkeeper.management")
_INTERVAL_SECONDS = 1.0
_KEPT = 4000
_PAGE = 500
# A message takes the event loop about a millisecond; so does looking through so many events.
_IN_MESSAGE = 16
_LOOKED_THROUGH = 500
_ALL = UsageFilter()


class News(Struct, frozen=True, kw_only=True):
    """What a watcher is told at once: events, earlier ones with surer counts, and how many were left out.

    `last_id` is where it goes on if it is cut off: behind an event, or a batch. `names` are those of the
    events' projects and tokens, as they were when the events were read.
    """

    last_id: str
    names: Names = NO_NAMES
    events: list[UsageEvent] = []
    amended: list[UsageEvent] = []
    dropped: int = 0


class _Kept(Struct, frozen=True):
    event: UsageEvent
    is_amended: bool
    names: Names
    """Those of a whole page, which its events share."""


class _Watcher:
    """Who watches: which events, and up to which of them all it was told."""

    def __init__(self, where: UsageFilter) -> None:
        self.where = where
        self.last_id = ""
        self.next: int | None = None
        """The first kept event that it was not told of, counted from the beginning; None while it reads from
        the store what it has missed."""
        self.dropped = 0


class UsageFeed:
    """Tells watchers of the events that are stored."""

    def __init__(
        self,
        store: UsageStore,
        directory: Directory,
        *,
        interval: float = _INTERVAL_SECONDS,
        heartbeat: float = HEARTBEAT_SECONDS,
        kept: int = _KEPT,
    ) -> None:
        """Look for new events every `interval` seconds, and keep so many of the latest for all watchers.

        `directory` is asked for their names once for all watchers.
        """
        self._store = store
        self._directory = directory
        self._interval = interval
        self._heartbeat = heartbeat
        self._most = kept
        self._watchers: set[_Watcher] = set()
        self._task: asyncio.Task[None] | None = None
        self._look = asyncio.Event()
        self._news = Announcement()
        self._turns = Turns()
        self._kept: list[_Kept] = []
        self._first = 0
        # All batches up to this one were read, and kept events of later ones begin at `_mark`. `_places` says
        # how far of those that amend, and of those that do not, later ones were read.
        self._until = 0
        self._mark = 0
        self._places: dict[bool, Place] = {}
        self._last_id = ""
        self.dropped = 0
        """How many events watchers were not told of, because they were too late."""

    def look(self) -> None:
        """Look for new events soon: this process has stored some."""
        self._look.set()

    async def watch(self, where: UsageFilter, after_id: str = "") -> AsyncGenerator[News]:
        """Yield what is stored from now on, or behind an event or batch. The first comes at once.

        Raises NOT_FOUND if there is no such event or batch, and `StoreUnavailableError` if the store does not
        answer at first, or while what was missed is read.
        """
        watcher = _Watcher(where)
        await self._join(watcher)
        try:
            if not after_id:
                yield News(last_id=watcher.last_id)
            else:
                watcher.next, watcher.last_id = None, after_id
                places = await self._places_behind(after_id)
                yield News(last_id=after_id)
                async with contextlib.aclosing(self._missed(watcher, *places)) as missed:
                    async for news in missed:
                        yield news
            async with contextlib.aclosing(self._live(watcher)) as live:
                async for news in live:
                    yield news
        finally:
            self._leave(watcher)

    async def _places_behind(self, after_id: str) -> tuple[Place, Place]:
        """Return what events come after, and what those that amend do."""
        if after_id.isdecimal():
            if int(after_id) <= await self._store.latest():
                return Place(int(after_id) + 1), Place(int(after_id) + 1)
        else:
            number = await self._store.number_of(after_id)
            if number is not None:
                return Place(number, after_id), Place(number + 1)
        raise TollkeeperError(
            Reason.NOT_FOUND,
            "after_id: there is no such event in this store; leave it out to begin with the next event",
            field="after_id",
        )

    async def _missed(self, watcher: _Watcher, place: Place, amended: Place) -> AsyncGenerator[News]:
        """Yield what is stored behind two places, a page at a time, until the rest is kept."""
        while watcher.next is None:
            until, mark = self._until, self._mark
            for is_amended in (False, True):
                after = amended if is_amended else place
                while True:
                    page = await self._store.stored(
                        watcher.where, after=after, until=until, limit=_PAGE, amended=is_amended
                    )
                    names = await self._names_in(page)
                    for start in range(0, len(page), _IN_MESSAGE):
                        await self._turns.take()
                        events = [it.event for it in page[start : start + _IN_MESSAGE]]
                        if is_amended:
                            yield News(amended=events, names=names, last_id=watcher.last_id)
                        else:
                            watcher.last_id = events[-1].id
                            yield News(events=events, names=names, last_id=watcher.last_id)
                    if len(page) < _PAGE:
                        break
                    after = Place(page[-1].number, page[-1].event.id)
            place = amended = Place(until + 1)
            watcher.last_id = str(until)
            if mark >= self._first:
                watcher.next = mark

    async def _live(self, watcher: _Watcher) -> AsyncGenerator[News]:
        loop = asyncio.get_running_loop()
        due = loop.time() + self._heartbeat
        while True:
            await self._turns.take()
            news = self._news_for(watcher)
            if news is not None:
                yield news
                due = loop.time() + self._heartbeat
            elif watcher.next == self._first + len(self._kept) and not await self._news.comes_until(due):
                yield News(last_id=watcher.last_id)
                due = loop.time() + self._heartbeat

    def _news_for(self, watcher: _Watcher) -> News | None:
        """Return what a watcher is told next, None if nothing that it has not seen is for it."""
        assert watcher.next is not None
        events: list[UsageEvent] = []
        amended: list[UsageEvent] = []
        projects: dict[str, str] = {}
        tokens: dict[str, str] = {}
        start = watcher.next - self._first
        for kept in self._kept[start : start + _LOOKED_THROUGH]:
            watcher.next += 1
            if not kept.is_amended:
                watcher.last_id = kept.event.id
            event = kept.event
            if watcher.where.takes(event):
                projects[event.project_id] = kept.names.projects.get(event.project_id, "")
                tokens[event.token_id] = kept.names.tokens.get(event.token_id, "")
                (amended if kept.is_amended else events).append(event)
                if len(events) + len(amended) == _IN_MESSAGE:
                    break
        dropped, watcher.dropped = watcher.dropped, 0
        if not (events or amended or dropped):
            return None
        return News(
            events=events,
            amended=amended,
            names=Names(projects, tokens),
            dropped=dropped,
            last_id=watcher.last_id,
        )

    # The side of the store.

    async def _join(self, watcher: _Watcher) -> None:
        latest = await self._store.latest()
        if self._task is None:
            self._until, self._mark = latest, self._first
            self._places = dict.fromkeys((False, True), Place(latest + 1))
            self._last_id = str(latest)
            self._task = asyncio.create_task(self._follow(), name="usage-feed")
        watcher.next, watcher.last_id = self._first + len(self._kept), self._last_id
        self._watchers.add(watcher)

    def _leave(self, watcher: _Watcher) -> None:
        self._watchers.discard(watcher)
        if not self._watchers and self._task is not None:
            self._task.cancel()
            self._task = None
            self._first += len(self._kept)
            self._kept.clear()

    async def _follow(self) -> None:
        while True:
            try:
                await self._read()
            except StoreUnavailableError:
                pass  # the drain says so, too; nothing is lost
            except Exception:  # noqa: BLE001 - those who watch get what can be read later
                _log.exception("stored usage events can't be read for those who watch them")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._interval):
                    await self._look.wait()
            self._look.clear()

    async def _read(self) -> None:
        """Read all batches that can be read whole, and tell those who wait."""
        until = await self._store.latest()
        if until <= self._until:
            return
        for is_amended in (False, True):
            is_last = False
            while not is_last:
                page = await self._store.stored(
                    _ALL, after=self._places[is_amended], until=until, limit=_PAGE, amended=is_amended
                )
                names = await self._names_in(page)
                is_last = len(page) < _PAGE
                self._places[is_amended] = (
                    Place(until + 1) if is_last else Place(page[-1].number, page[-1].event.id)
                )
                self._keep(page, names, is_amended=is_amended)
        self._until, self._mark = until, self._first + len(self._kept)

    async def _names_in(self, page: list[StoredEvent]) -> Names:
        """Return the names of what a page's events are of, in one look-up."""
        if not page:
            return NO_NAMES
        return await self._directory.names(
            (it.event.project_id for it in page), (it.event.token_id for it in page)
        )

    def _keep(self, page: list[StoredEvent], names: Names, *, is_amended: bool) -> None:
        if not page:
            return
        if not is_amended:
            self._last_id = page[-1].event.id
        self._kept += [_Kept(stored.event, is_amended, names) for stored in page]
        surplus = len(self._kept) - self._most
        if surplus > 0:
            self._drop(surplus)
        self._news.tell()

    def _drop(self, surplus: int) -> None:
        """Forget the oldest events, and count them for those watchers who were not told of them."""
        first = self._first + surplus
        for watcher in self._watchers:
            if watcher.next is not None and watcher.next < first:
                late = self._kept[watcher.next - self._first : surplus]
                dropped = sum(watcher.where.takes(kept.event) for kept in late)
                watcher.dropped += dropped
                self.dropped += dropped
                watcher.next = first
                watcher.last_id = next(
                    (kept.event.id for kept in reversed(late) if not kept.is_amended), watcher.last_id
                )
        del self._kept[:surplus]
        self._first = first
