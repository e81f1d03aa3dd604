"""The way of usage events from the journal into the store.

The store may refuse a single event, because of its content. Such an event is set aside in
`rejected.jsonl` below the journal's root, but only if the store took another of the same batch: a
store that refuses everything has a problem of its own, and then all events wait. After a crash an
event may be set aside twice.
"""

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Awaitable, Callable
from itertools import chain
from pathlib import Path
from typing import NamedTuple, TypeVar, TypeVarTuple

import msgspec

from tollkeeper_server.domain.limit import Charge
from tollkeeper_server.domain.usage import UsageEvent, merge
from tollkeeper_server.errors import StoreUnavailableError
from tollkeeper_server.ledger.books import Books, keys_of
from tollkeeper_server.ledger.journal import Journal
from tollkeeper_server.ledger.orphan import Orphan
from tollkeeper_server.store.ports import UsageStore

_log = logging.getLogger("tollkeeper.ledger")
T = TypeVar("T")
Ts = TypeVarTuple("Ts")
REJECTED = "rejected.jsonl"
_MAX_DELAY_SECONDS = 30.0


class Refusal(NamedTuple):
    """An event that the store refuses, and the error that it gave."""

    event: UsageEvent
    error: Exception


class _Foreign(NamedTuple):
    """Events that this process's ledger has not settled, and what was spent before they were stored."""

    events: list[UsageEvent]
    keys: set[str]
    before: list[Charge]


class Drain:
    """Writes settled events to the store, in batches and idempotently.

    It takes them from the journal's files, unless they are so recent that they are in memory, too.

    While the store is away it tries again at growing intervals, and remembers nothing but its position in
    the journal, and what of it the ledger is to be charged with.
    """

    def __init__(
        self,
        journal: Journal,
        store: UsageStore,
        *,
        batch: int = 500,
        interval: float = 0.5,
        adopt_interval: float = 60.0,
        stored: Callable[[], None] = lambda: None,
        books: Books | None = None,
        buried: Callable[[Orphan], None] = lambda _: None,
    ) -> None:
        """Take up to `batch` events at a time from each source, and rest for `interval` seconds after.

        Every `adopt_interval` seconds it looks for journals of processes that died, such as one that was
        replaced before it had stored everything. `stored` is called whenever some events were stored. `books`
        are loaded as soon as no journal of a dead process has anything left that budgets are charged with.
        `buried` is told of each process that is found to have died since this one began.
        """
        self._tell_stored = stored
        self._buried = buried
        self._books = books
        self._foreign: _Foreign | None = None
        self._charging: list[Orphan] | None = None
        self._journal = journal
        self._store = store
        self._batch = batch
        self._interval = interval
        self._orphans = list(journal.orphans)
        self._adopt_interval = adopt_interval
        self._adopt_at = time.monotonic() + adopt_interval
        self._wake = asyncio.Event()
        self._turned = asyncio.Condition()
        self._failures = 0
        self._caught_up = time.monotonic()
        self._task: asyncio.Task[None] | None = None
        self._work: Awaitable[object] | None = None

    @property
    def caught_up(self) -> float:
        """The time of `time.monotonic` by which everything that was settled by then was stored."""
        return self._caught_up

    @property
    def lag(self) -> float:
        """The seconds since everything that was settled by then was stored."""
        return time.monotonic() - self._caught_up

    def start(self) -> None:
        """Begin to drain, in the running event loop."""
        self._task = asyncio.create_task(self._run(), name="usage-drain")

    def adopt_soon(self) -> None:
        """Look for journals of dead processes in the next turn: one is known to have died."""
        self._adopt_at = 0.0
        self._wake.set()

    async def flush(self, deadline: float) -> bool:
        """Wait until every event that is settled by now, or was adopted, is stored.

        Gives up after `deadline` seconds; returns whether they are stored.
        """
        self._journal.write_settled()
        target = self._journal.end
        self._wake.set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(deadline), self._turned:
                while self._journal.stored < target or self._journal.first_waiting(1) or self._orphans:
                    await self._turned.wait()
                return True
        return False

    async def close(self) -> None:
        """Stop draining. Events that are not stored stay in the journal."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            if self._work is not None:
                await asyncio.gather(self._work, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            try:
                started = time.monotonic()
                delay = 0.0 if await self._turn() else self._interval
            except Exception as error:  # noqa: BLE001 - draining goes on after any error
                delay = self._failed(error)
            else:
                if delay:
                    self._caught_up = started
                if self._failures:
                    _log.info("usage events reach the store again")
                    self._failures = 0
            async with self._turned:
                self._turned.notify_all()
            if delay:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(delay):
                        await self._wake.wait()
                self._wake.clear()

    async def _turn(self) -> bool:
        """Move some events into the store; return whether there are probably more."""
        if time.monotonic() >= self._adopt_at:
            await self._adopt()
        await self._load_books()
        self._journal.write_waiting()
        waiting = self._journal.first_waiting(self._batch)
        filed = self._journal.recall(self._batch)
        if filed is None:
            filed = await self._in_thread(self._journal.read, self._batch)
        adopted = await self._read_orphan()
        if self._books is not None and self._books.counts:
            await self._write_and_charge(self._books, [*waiting, *filed], adopted)
        else:
            await self._write(_each_once(waiting, filed, adopted))
        self._journal.forget_waiting(waiting)
        self._journal.commit()
        await self._commit_orphan()
        await self._load_books()
        return bool(self._orphans) or self._batch in (len(waiting), len(filed))

    async def _adopt(self) -> None:
        self._adopt_at = time.monotonic() + self._adopt_interval
        try:
            adopted = await self._in_thread(self._journal.adopt)
            self._orphans += adopted
            for orphan in adopted:
                self._buried(orphan)
        except OSError as error:
            _log.error("the journals of other processes can't be looked at: %s", error)

    async def _read_orphan(self) -> list[UsageEvent]:
        if not self._orphans:
            return []
        try:
            return await self._in_thread(self._orphans[0].read, self._batch)
        except OSError as error:
            self._give_up_orphan(error)
            return []

    async def _commit_orphan(self) -> None:
        if not self._orphans:
            return
        try:
            await self._in_thread(self._orphans[0].commit)
        except OSError as error:
            self._give_up_orphan(error)
        else:
            if self._orphans[0].done:
                del self._orphans[0]

    def _give_up_orphan(self, error: OSError) -> None:
        orphan = self._orphans.pop(0)
        _log.error("%s can't be adopted (%s); it is tried again later", orphan.path, error)
        orphan.release()

    async def _load_books(self) -> None:
        if self._books is None or self._books.are_loaded:
            return
        if self._charging is None:
            self._charging = await self._in_thread(_charging, self._orphans)
        self._charging = [orphan for orphan in self._charging if orphan in self._orphans]
        if not self._charging:
            await self._books.load()

    async def _in_thread(self, function: Callable[[*Ts], T], *args: *Ts) -> T:
        """Run a function that waits for the disk; `close` waits for it even when this is cancelled."""
        self._work = work = asyncio.get_running_loop().run_in_executor(None, function, *args)
        return await asyncio.shield(work)

    async def _write(self, events: list[UsageEvent]) -> None:
        if events:
            await self._judge(await self._offer(events), len(events))

    async def _write_and_charge(self, books: Books, own: list[UsageEvent], adopted: list[UsageEvent]) -> None:
        """Store events, and charge the ledger with those that it has not settled."""
        if self._foreign is not None:  # the last turn failed; what else it had comes again
            await self._charge(books, self._foreign)
        settled = [event for event in own if not event.amends]
        foreign = [event for event in own if event.amends]
        if not any(event.charges for event in (*foreign, *adopted)):
            return await self._write(_each_once(own, adopted))
        settled, adopted = _each_once(settled), _each_once(adopted)
        refusals = await self._offer(settled) if settled else []
        dead = self._orphans[0].path.name if adopted else ""
        before = await books.before(foreign, adopted, dead)
        foreign = _each_once(foreign, adopted)
        self._foreign = _Foreign(foreign, keys_of(foreign), before)
        refusals += await self._charge(books, self._foreign)
        return await self._judge(refusals, len(settled) + len(foreign))

    async def _charge(self, books: Books, foreign: _Foreign) -> list[Refusal]:
        refusals = await self._offer(foreign.events)
        await books.charge_since(foreign.keys, foreign.before)
        self._foreign = None
        return refusals

    async def _judge(self, refusals: list[Refusal], offered: int) -> None:
        """Set aside what the store refuses, unless it has refused all."""
        if len(refusals) == offered:
            raise refusals[0].error
        if refusals:
            await self._in_thread(_set_aside, self._journal.root / REJECTED, refusals)
        self._tell_stored()

    async def _offer(self, events: list[UsageEvent]) -> list[Refusal]:
        """Store events and return those that the store refuses, which it finds by halving."""
        try:
            await self._store.add(events, owner=self._journal.name)
        except StoreUnavailableError:
            raise
        except Exception as error:  # noqa: BLE001 - a refusal can be any error of a database driver
            if len(events) == 1:
                return [Refusal(events[0], error)]
            middle = len(events) // 2
            return await self._offer(events[:middle]) + await self._offer(events[middle:])
        return []

    def _failed(self, error: Exception) -> float:
        """Record that a turn failed; return the seconds to wait before the next."""
        if self._failures == 0:
            _log.warning(
                "usage events can't be stored (%s: %s); they wait in the journal",
                type(error).__name__,
                error,
                exc_info=None if isinstance(error, StoreUnavailableError) else error,
            )
        self._failures += 1
        ceiling = min(_MAX_DELAY_SECONDS, self._interval * 2.0 ** min(self._failures, 16))
        return ceiling * random.uniform(0.5, 1.0)  # noqa: S311 - jitter keeps no secret


def _charging(orphans: list[Orphan]) -> list[Orphan]:
    """Return those that have something that budgets are charged with, as far as they can be read."""
    found = []
    for orphan in orphans:
        with contextlib.suppress(OSError):  # the drain gives it up
            if orphan.tells_of_budgets():
                found.append(orphan)
    return found


def _each_once(*sources: list[UsageEvent]) -> list[UsageEvent]:
    """Return the events without those whose ids come again, each with the surest counts of its id."""
    every = list(chain.from_iterable(sources))
    events = {event.id: event for event in every}
    if len(events) == len(every):
        return every
    events.clear()
    for event in every:
        before = events.get(event.id)
        events[event.id] = event if before is None else merge(before, event)
    return list(events.values())


def _set_aside(path: Path, refusals: list[Refusal]) -> None:
    lines = [
        msgspec.json.encode({"error": f"{type(error).__name__}: {error}", "event": event}) + b"\n"
        for event, error in refusals
    ]
    with path.open("ab") as file:
        file.write(b"".join(lines))
    for event, error in refusals:
        _log.error(
            "the store refuses usage event %s (%s); set aside in %s", event.id, type(error).__name__, path
        )
