"""Looking after the ledger of one process: reservations that go on are renewed, and forgotten ones end."""

import asyncio
import logging
from collections.abc import Callable

from tollkeeper_server.dataplane.budget.reservations import Reservations
from tollkeeper_server.ledger.local import LIFETIME, LocalLedger

_log = logging.getLogger("tollkeeper.limits")
_SECONDS = 60.0
_RENEWED_AFTER = LIFETIME // 2


class Upkeep:
    """Looks at the ledger once a minute."""

    def __init__(self, ledger: LocalLedger, clock: Callable[[], int], reservations: Reservations) -> None:
        """`clock` is the ledger's time, in microseconds."""
        self._ledger = ledger
        self._clock = clock
        self._reservations = reservations
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Look every minute from now on. Needs a running loop."""
        self._timer = asyncio.get_running_loop().call_later(_SECONDS, self._look_again)

    def look(self) -> None:
        """Renew what is under way, and have what nobody has settled for an hour charged in full."""
        self._reservations.renew(_RENEWED_AFTER, self._ledger.renew)
        for pending in self._ledger.expire(self._clock()):
            _log.error("the request %s was never settled; it was charged what it had reserved", pending.id)

    def close(self) -> None:
        """Stop."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look_again(self) -> None:
        self.start()
        self.look()
