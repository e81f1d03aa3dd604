"""Time limits that cost one timer for a connection's whole life."""

import asyncio
from math import inf

from tollkeeper_server.domain.upstream import Timeouts

# Loops count time in milliseconds: a timer may fire so much early.
_EARLY = 0.002


class Limited:
    """Expires when the upstream is silent for too long, or takes too long in all.

    Each sign of life moves a deadline, which costs no more than an assignment; the timer looks at it
    when it fires. Where limits differ, the timer follows the shortest.
    """

    __slots__ = ("_deadline", "_end", "_idle", "_loop", "_timer", "_timer_at")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = self._deadline = self._end = self._idle = inf

    def _is_waiting(self) -> bool:
        raise NotImplementedError

    def _is_held_up(self) -> bool:
        """Tells whether it is this side that lets the upstream wait."""
        raise NotImplementedError

    def _expire(self) -> None:
        raise NotImplementedError

    def _limit(self, timeouts: Timeouts, now: float, end: float) -> None:
        """Begins to watch, for the first byte; `end` is the loop's time by which all must be over."""
        self._end = end
        self._idle = idle = timeouts.idle
        deadline = now + timeouts.first_byte
        if deadline > end:
            deadline = end
        self._deadline = deadline
        soonest = now + idle
        if soonest > deadline:
            soonest = deadline
        if soonest < self._timer_at:
            self._watch(soonest)

    def _unlimit(self) -> None:
        """Ends the watch for good."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _expect(self, seconds: float) -> None:
        """Gives the upstream so long for its next sign of life."""
        deadline = self._loop.time() + seconds
        if deadline > self._end:
            deadline = self._end
        self._deadline = deadline
        if deadline < self._timer_at:
            self._watch(deadline)

    def _watch(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = when
        self._timer = self._loop.call_at(when, self._look)

    def _look(self) -> None:
        self._timer, self._timer_at = None, inf
        if not self._is_waiting():
            return
        now = self._loop.time()
        if self._is_held_up():
            self._deadline = min(now + self._idle, self._end)
        if now + _EARLY >= self._deadline:
            self._expire()
        else:
            self._watch(self._deadline)
