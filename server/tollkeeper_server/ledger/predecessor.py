"""The books of a process that takes over from another, which goes on for a while with a ledger of its own.

What the other one holds stands in its journal until it has ended, and what it has used is in the store. Both
are looked at again and again, and the ledger is charged with what they come to together, so that a budget
counts what both do. In between, neither knows what the other admits.
"""

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path

from tollkeeper_server.domain.limit import Charge, difference
from tollkeeper_server.domain.usage import Intent, UsageEvent
from tollkeeper_server.errors import StoreUnavailableError
from tollkeeper_server.ledger.books import Charged, LocalBooks, keys_of
from tollkeeper_server.ledger.segments import Reader
from tollkeeper_server.store.ports import LedgerStore, UsageStore

_log = logging.getLogger("tollkeeper.ledger")
_SECONDS = 0.25
_LINES = 500
_STORED = 50


class RunningJournal:
    """The journal of a process that runs, as far as it tells of budgets. `path` is its directory."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._reader = Reader(path, intents=True, finished=False)
        self._charges: dict[str, Sequence[Charge]] = {}
        # In the order in which they are stored.
        self._settled: dict[str, None] = {}

    @property
    def charges(self) -> Iterable[Charge]:
        """What its requests hold, or have used and it is not known to be stored."""
        return (charge for charges in self._charges.values() for charge in charges)

    async def forget_stored(self, usage: UsageStore) -> None:
        """Forget the events that are stored. Raises `StoreUnavailableError`."""
        # They are stored in their order, but for a few that had to wait. So is what is before many that are.
        in_turn, found = 0, []
        for event_id in reversed(list(self._settled)):
            is_stored = in_turn >= _STORED or await usage.number_of(event_id) is not None
            in_turn = in_turn + 1 if is_stored else 0
            if is_stored:
                found.append(event_id)
        for event_id in found:
            self._settled.pop(event_id, None)
            self._charges.pop(event_id, None)

    def read(self) -> bool:
        """Read what is new, and return whether the journal is still there. Waits for the disk."""
        try:
            while entries := self._reader.read(_LINES):
                self._reader.pass_over()
                for _, event in entries:
                    self._take(event)
        except FileNotFoundError:  # a segment that has just gone, or all of it
            return self.path.exists()
        return True

    def _take(self, event: Intent | UsageEvent) -> None:
        if isinstance(event, Intent):
            if event.holds:
                self._charges[event.id] = event.holds
        elif event.charges and not event.amends:
            self._charges[event.id] = event.charges
            self._settled[event.id] = None
        elif not event.amends:
            self._charges.pop(event.id, None)


class FollowingBooks(LocalBooks):
    """The books of a process, of that name, that takes over from those with these journals."""

    def __init__(
        self,
        ledger: Charged,
        store: LedgerStore,
        usage: UsageStore,
        now: Callable[[], int],
        *,
        name: str,
        journals: Iterable[Path],
    ) -> None:
        """Take the ledger's own clock, in microseconds since 1970."""
        super().__init__(ledger, store, now)
        self._usage = usage
        self._name = name
        self._journals = [RunningJournal(path) for path in journals]
        self._charged: list[Charge] = []
        self._task: asyncio.Task[None] | None = None

    async def load(self) -> None:
        """As the port says, with what those that run hold."""
        await self._look()
        self._loaded.set()
        self._task = asyncio.create_task(self._follow(), name="ledger-predecessor")

    @property
    def is_over(self) -> bool:
        """Whether those that ran have ended, and all that they have used is counted."""
        return self._task is not None and self._task.done()

    def close(self) -> None:
        """Stop."""
        if self._task is not None:
            self._task.cancel()

    async def before(
        self,
        amending: Sequence[UsageEvent],
        adopted: Sequence[UsageEvent],
        dead: str,
    ) -> list[Charge]:
        """As the port says: of what this process stores."""
        # What a dead one left is charged as it is stored.
        self._journals = [it for it in self._journals if it.path.name != dead]
        return await self._store.spent(keys_of((*amending, *adopted)), owner=self._name)

    async def charge_since(self, keys: Collection[str], before: Sequence[Charge]) -> None:
        """As the port says: of what this process stores."""
        self._charge(difference(before, await self._store.spent(keys, owner=self._name)))

    async def _follow(self) -> None:
        while True:
            is_last = not self._journals
            try:
                await self._look()
            except StoreUnavailableError:
                is_last = False  # the poller says so
            if is_last:
                _log.info("all that was used before this process took over is counted")
                return
            await asyncio.sleep(_SECONDS)

    async def _look(self) -> None:
        """Charge what has come to what others have used and hold since the last look."""
        for journal in list(self._journals):
            if not await asyncio.to_thread(journal.read) and journal in self._journals:
                self._journals.remove(journal)
        # In this order what is stored meanwhile counts twice until the next look, and not never.
        for journal in self._journals:
            await journal.forget_stored(self._usage)
        held = [charge for journal in self._journals for charge in journal.charges]
        own = await self._store.spent(owner=self._name)
        others = difference(own, await self._store.spent())
        now = _summed((*others, *held))
        self._charge(difference(self._charged, now))
        self._charged = now


def running_journals(root: Path, but: Collection[str]) -> list[Path]:
    """Return the directories below a journal's root of the processes that run, but for those names."""
    with contextlib.suppress(FileNotFoundError):
        return sorted(path for path in root.iterdir() if path.is_dir() and path.name not in but)
    return []


def _summed(charges: Iterable[Charge]) -> list[Charge]:
    amounts = Counter[tuple[str, int]]()
    for it in charges:
        amounts[it.key, it.period] += it.amount
    return [Charge(key, period, amount) for (key, period), amount in amounts.items()]
