"""Warnings in the log before client certificates of upstreams expire."""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from tollkeeper_server.snapshot.model import Snapshot

WARNED_BEFORE = timedelta(days=14)
"""How long before a certificate expires the log begins to warn."""
BETWEEN_WARNINGS = timedelta(days=1)

_log = logging.getLogger("tollkeeper.dataplane")
_LOOK_SECONDS = 3600.0


class ExpiryWatch:
    """Looks at the certificates of a snapshot when it comes, and every hour.

    It warns of each once a day, and when it ends.
    """

    def __init__(self, now: Callable[[], datetime]) -> None:
        """`now` returns the present as an aware time."""
        self._now = now
        self._ends: dict[str, datetime] = {}
        self._warned: dict[tuple[str, datetime], datetime] = {}
        self._timer: asyncio.TimerHandle | None = None

    def follow(self, snapshot: Snapshot) -> None:
        """Watch the certificates of this configuration from now on. Needs a running loop."""
        self._ends = {
            name: target.client_certificate_expires_at
            for name, target in snapshot.targets.items()
            if target.client_certificate_expires_at is not None
        }
        self.look()

    def look(self) -> None:
        """Warn of what expires soon, and of what has expired."""
        now = self._now()
        self._warned = {key: at for key, at in self._warned.items() if self._ends.get(key[0]) == key[1]}
        for name, end in self._ends.items():
            if end - now > WARNED_BEFORE or _is_recent(self._warned.get((name, end)), now, end):
                continue
            self._warned[name, end] = now
            _log.warning(
                "the client certificate of the upstream %s %s on %s; give the upstream a new one",
                name,
                "expires" if end > now else "has expired,",
                f"{end:%Y-%m-%d %H:%M} UTC",
            )
        self.close()
        if self._ends:
            self._timer = asyncio.get_running_loop().call_later(_LOOK_SECONDS, self.look)

    def close(self) -> None:
        """Stop."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _is_recent(warned: datetime | None, now: datetime, end: datetime) -> bool:
    """Return whether there was a warning within a day that still says what is so."""
    return warned is not None and now - warned < BETWEEN_WARNINGS and (warned < end) == (now < end)
