"""Logging once a minute what happens often."""

import time
from collections.abc import Callable, Hashable

_SECONDS = 60.0


class OnceAMinute:
    """Says when a thing is due to be logged: the first time, and again a minute after it was logged."""

    __slots__ = ("_clock", "_logged_at")

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Take a clock in seconds."""
        self._clock = clock
        self._logged_at: dict[Hashable, float] = {}

    def is_due(self, thing: Hashable = None) -> bool:
        """Return whether a thing is due; if it is, count it as logged."""
        now = self._clock()
        logged_at = self._logged_at.get(thing)
        if logged_at is not None and now - logged_at < _SECONDS:
            return False
        self._logged_at[thing] = now
        return True
