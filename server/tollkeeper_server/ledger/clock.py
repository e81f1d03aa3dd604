"""A clock for periods and rates that a wrong step of the machine's clock does not move."""

import time
from collections.abc import Callable

TRUSTED_AFTER = 60_000_000
"""Microseconds for which the machine's clock must be ahead before that is believed."""
SLOWER = 10
"""A clock that is ahead loses one of so many microseconds, until the machine's clock has come up to it."""
_NOTICED = 1_000_000
_PASSING = 100  # may pass between the looks at the two clocks


class SteadyClock:
    """Microseconds since 1970, which never go back.

    The monotonic clock carries the time on. Where the machine's clock comes to be more than a second ahead,
    that is adopted after a minute: a step forward that is taken back by then ends no period. Where it comes
    to be behind, this clock goes a tenth slower until it is not: no period begins again, and rates go on.
    """

    def __init__(
        self,
        wall: Callable[[], int] = time.time_ns,
        monotonic: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        """Take the two clocks, in nanoseconds."""
        self._wall = wall
        self._monotonic = monotonic
        self._seen = monotonic() // 1000
        self._offset = wall() // 1000 - self._seen
        self._ahead_since: int | None = None
        self._followed_from = _PASSING  # a difference of so many microseconds

    def __call__(self) -> int:
        """Return the time."""
        passed = self._monotonic() // 1000
        difference = self._wall() // 1000 - passed - self._offset
        if abs(difference) >= self._followed_from:
            self._follow(passed, difference)
        self._seen = passed
        return passed + self._offset

    def _follow(self, passed: int, difference: int) -> None:
        if difference <= _NOTICED:
            self._ahead_since = None
            self._offset += max(difference, -((passed - self._seen) // SLOWER))
        elif self._ahead_since is None:
            self._ahead_since = passed
        elif passed - self._ahead_since >= TRUSTED_AFTER:
            self._ahead_since = None
            self._offset += difference
        self._followed_from = _PASSING if self._ahead_since is None else 0
