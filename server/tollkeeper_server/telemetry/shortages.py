"""What this process ran out of: counted for metrics, and logged once a minute."""

import logging
import time
from collections.abc import Callable

from tollkeeper_server.domain.shortage import Shortage
from tollkeeper_server.telemetry.once_a_minute import OnceAMinute

_log = logging.getLogger("tollkeeper.shortages")


class Shortages:
    """Counts what could not be done for each shortage."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Take a clock in seconds."""
        self._telling = OnceAMinute(clock)
        self.counts = dict.fromkeys(Shortage, 0)

    def note(self, shortage: Shortage, what: str) -> None:
        """Count one thing that could not be done, and log it unless another was logged within a minute."""
        self.counts[shortage] += 1
        if self._telling.is_due(shortage):
            _log.error(
                "%s: this machine has no %s left; further cases are counted, and logged in a minute",
                what,
                shortage.text,
            )


shortages = Shortages()
"""The shortages of this process."""
