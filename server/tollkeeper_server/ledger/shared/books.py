"""The books of a process that shares its ledger: what a dead process left is taken over before it is stored.

What the store has counted for others is asked for when a new epoch needs it (`SharedLedger`). What this
process stores counts as its own there, so the ledger must have it, too: it is told before the events are
stored. After a crash in between they are counted twice until the next epoch, never not at all.
"""

import asyncio
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import Protocol

from tollkeeper_server.domain.limit import Charge, difference
from tollkeeper_server.domain.usage import UsageEvent
from tollkeeper_server.ledger.books import keys_of
from tollkeeper_server.ledger.orphan import INTERRUPTED
from tollkeeper_server.store.ports import LedgerStore, UsageStore


class Charged(Protocol):
    """The ledger that processes share."""

    async def take_over(self, owner: str, charges: Sequence[Charge], held: Sequence[Charge]) -> None:
        """Count what a process that died has spent, before its events are stored as this one's.

        `held` is how much of that it held when it died.
        """

    def charge(self, charges: Sequence[Charge]) -> None:
        """Count what this process has spent past it; negative amounts are given back."""


class SharedBooks:
    """Charges a shared ledger with what this process, of that name, stores and has not settled in it."""

    counts = True

    def __init__(self, ledger: Charged, store: LedgerStore, usage: UsageStore, name: str) -> None:
        self._ledger = ledger
        self._store = store
        self._usage = usage
        self._name = name
        self._loaded = asyncio.Event()

    @property
    def are_loaded(self) -> bool:
        """As the port says."""
        return self._loaded.is_set()

    async def loaded(self) -> None:
        """Wait until the ledger has what dead processes had left when this one began."""
        await self._loaded.wait()

    async def load(self) -> None:
        """As the port says: all of it was taken over before it was stored."""
        self._loaded.set()

    async def before(
        self, amending: Sequence[UsageEvent], adopted: Sequence[UsageEvent], dead: str
    ) -> list[Charge]:
        """As the port says. What is new of the dead process is charged at once."""
        spent = await self._store.spent(keys_of((*amending, *adopted)), owner=self._name)
        new = [it for it in adopted if it.charges and await self._usage.number_of(it.id) is None]
        taken = _summed(charge for event in new for charge in event.charges)
        if taken:
            interrupted = (event for event in new if event.error_code == INTERRUPTED)
            held = _summed(charge for event in interrupted for charge in event.charges)
            await self._ledger.take_over(dead, taken, held)
        return _summed((*spent, *taken))

    async def charge_since(self, keys: Collection[str], before: Sequence[Charge]) -> None:
        """As the port says: what amending events change, and what the store refuses of the dead process."""
        charges = difference(before, await self._store.spent(keys, owner=self._name))
        if charges:
            self._ledger.charge(charges)


def _summed(charges: Iterable[Charge]) -> list[Charge]:
    amounts = Counter[tuple[str, int]]()
    for it in charges:
        amounts[it.key, it.period] += it.amount
    return [Charge(key, period, amount) for (key, period), amount in amounts.items()]
