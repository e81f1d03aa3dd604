"""A time limit that costs one timer for a connection's whole life."""

import asyncio
from collections.abc import Callable
from math import inf

EARLY_SECONDS = 0.002
"""How early a timer may fire: loops count time in milliseconds."""


class Deadline:
    """The time of the loop by which the peer must have shown a sign of life.

    Moving it costs an assignment and two comparisons: the timer stays where it is unless that is too late,
    and looks at the deadline when it fires.
    """

    __slots__ = ("_end", "_expire", "_loop", "_timer", "_timer_at", "at")

    def __init__(self, loop: asyncio.AbstractEventLoop, expire: Callable[[], None]) -> None:
        """`expire` is called once for a deadline that has passed. It may move the deadline."""
        self._loop = loop
        self._expire = expire
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = self._end = inf
        self.at = inf
        """When it expires. It stays when it has passed, until it is moved."""

    @property
    def is_final(self) -> bool:
        """Whether the deadline is as late as it may ever be."""
        return self.at >= self._end

    def start(self, first: float, following: float, now: float, end: float) -> None:
        """Give `first` seconds from `now`. Neither this nor a later move goes past `end`, a time of the loop.

        Later moves will give `following` seconds. If that is less, the timer is set for it at once.
        """
        self._end = end
        at = now + first
        if at > end:
            at = end
        self.at = at
        soonest = now + following
        if soonest > at:
            soonest = at
        if soonest < self._timer_at:
            self._watch(soonest)

    def give(self, seconds: float) -> None:
        """Give so many seconds from now, but no more than to the end."""
        at = self._loop.time() + seconds
        if at > self._end:
            at = self._end
        self.at = at
        if at < self._timer_at:
            self._watch(at)

    def close(self) -> None:
        """Stop watching for good, and forget the owner."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._timer_at = -inf  # no move sets a timer any more
        self._expire = _do_nothing

    def _watch(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = when
        self._timer = self._loop.call_at(when, self._look)

    def _look(self) -> None:
        self._timer, self._timer_at = None, inf
        if self._loop.time() + EARLY_SECONDS >= self.at:
            self._expire()
        elif self.at < inf:
            self._watch(self.at)


def _do_nothing() -> None:
    """Stand for the owner of a closed deadline, which would otherwise be part of a reference circle."""
