"""What the store has counted of budgets, brought into the ledger of one process, exact to the unit.

At the start, once what dead processes have left in their journals is stored: by then, interrupted requests
are charged what they held. Later whenever something is stored that this ledger has not settled itself: the
journal of a process that died meanwhile, and events that amend others.

A key that the store does not know has nothing spent. So a limit counts from when it is set, and one that is
set again goes on with what was counted while it stood. A limit whose period or zone is changed has another
key, and begins with nothing used; changed back, it goes on with what its first key has in that period.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Protocol

from tollkeeper_server.domain.limit import Charge, calendar_of_key, difference
from tollkeeper_server.domain.usage import UsageEvent
from tollkeeper_server.store.ports import LedgerStore

_log = logging.getLogger("tollkeeper.ledger")


class Books(Protocol):
    """Charges the ledger of a process with what is stored and it has not settled. The drain tells it when.

    `before` is called before such events are stored, and `charge_since`, with what that returned, after it.
    """

    @property
    def are_loaded(self) -> bool:
        """Whether the ledger has what was spent before this process began."""

    @property
    def counts(self) -> bool:
        """Whether what is stored by now is to be charged: not if `load` is still to charge all of it."""

    async def load(self) -> None:
        """Charge what was spent before this process began, once it is stored.

        Raises `StoreUnavailableError`.
        """

    async def before(
        self, amending: Sequence[UsageEvent], adopted: Sequence[UsageEvent], dead: str
    ) -> list[Charge]:
        """Return what is spent before some events are stored: that amend, and of a process that died.

        Raises `StoreUnavailableError`; then nothing is charged.
        """

    async def charge_since(self, keys: Collection[str], before: Sequence[Charge]) -> None:
        """Charge what was spent under these keys since then. Raises `StoreUnavailableError`."""


class Charged(Protocol):
    """The ledger of one process."""

    def charge(self, meter_key: str, period: int, amount: int) -> None:
        """Count what was spent past it."""


class LocalBooks:
    """The books of a process that has its ledger alone."""

    def __init__(self, ledger: Charged, store: LedgerStore, now: Callable[[], int]) -> None:
        """Take the ledger's own clock, in microseconds since 1970."""
        self._ledger = ledger
        self._store = store
        self._now = now
        self._loaded = asyncio.Event()

    @property
    def are_loaded(self) -> bool:
        """As the port says."""
        return self._loaded.is_set()

    @property
    def counts(self) -> bool:
        """As the port says: `load` reads all that is stored."""
        return self._loaded.is_set()

    async def loaded(self) -> None:
        """Wait until the ledger has what was spent before this process began."""
        await self._loaded.wait()

    async def load(self) -> None:
        """Charge the ledger, which has settled nothing yet, with all that is spent."""
        self._charge(await self._store.spent())
        self._loaded.set()

    async def before(
        self,
        amending: Sequence[UsageEvent],
        adopted: Sequence[UsageEvent],
        dead: str,  # noqa: ARG002 - as the port says
    ) -> list[Charge]:
        """As the port says."""
        return await self._store.spent(keys_of((*amending, *adopted)))

    async def charge_since(self, keys: Collection[str], before: Sequence[Charge]) -> None:
        """As the port says."""
        self._charge(difference(before, await self._store.spent(keys)))

    def _charge(self, charges: Iterable[Charge]) -> None:
        now = self._now()
        for charge in sorted(charges, key=lambda it: it.period):
            # A clock that goes back reopens no period. But one that was far ahead must not stop budgets.
            if charge.period > calendar_of_key(charge.key).at(now).end:
                _log.error(
                    "budget %s has %d spent in a period that begins at %d, which is far ahead: it does not "
                    "count until then; the clock was wrong, or is",
                    charge.key,
                    charge.amount,
                    charge.period,
                )
            else:
                self._ledger.charge(charge.key, charge.period, charge.amount)


def keys_of(events: Iterable[UsageEvent]) -> set[str]:
    """Return the keys of the budgets that events are charged to."""
    return {charge.key for event in events for charge in event.charges}
