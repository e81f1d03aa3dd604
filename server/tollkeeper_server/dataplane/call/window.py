"""Counts of recent events."""

from collections import deque
from math import inf

_TENTHS = 10


class _Tenth:
    """The counts of a tenth of the window, from `start` on."""

    __slots__ = ("marked", "start", "total")

    def __init__(self, start: float) -> None:
        self.start = start
        self.total = 0
        self.marked = 0


class Window:
    """Counts of the last `seconds`: how many in all, and how many of those were marked.

    It moves in tenths: what it counts is never older than it, and lacks at most a tenth. Times are those of
    one monotonic clock, and what is read is as of the latest `add` or `expire`.
    """

    __slots__ = ("_latest", "_next", "_seconds", "_tenths", "marked", "total")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.total = 0
        self.marked = 0
        self._tenths: deque[_Tenth] = deque()
        # The tenth that counts, and when it counts no more, or the first of them is too old.
        self._latest = _Tenth(-inf)
        self._next = -inf

    def resize(self, seconds: float) -> None:
        """Count what is not older than so many seconds from the next `add` or `expire` on."""
        self._seconds = seconds
        self._next = -inf

    def add(self, now: float, mark: int) -> None:
        """Count one more event; `mark` is 1 if it is marked, else 0."""
        if now >= self._next:
            self._move(now)
        self._latest.total += 1
        self.total += 1
        if mark:
            self._latest.marked += 1
            self.marked += 1

    def _move(self, now: float) -> None:
        """Have the events of this time counted by the tenth that it is in."""
        self.expire(now)
        tenths, tenth = self._tenths, self._seconds / _TENTHS
        if not tenths or now >= tenths[-1].start + tenth:
            tenths.append(_Tenth(now))
        self._latest = tenths[-1]
        self._next = min(self._latest.start + tenth, tenths[0].start + self._seconds)

    def expire(self, now: float) -> None:
        """Forget events that are too old."""
        tenths, horizon = self._tenths, now - self._seconds
        while tenths and tenths[0].start <= horizon:
            gone = tenths.popleft()
            self.total -= gone.total
            self.marked -= gone.marked
            self._next = -inf

    def clear(self) -> None:
        """Forget everything."""
        self._tenths.clear()
        self.total = self.marked = 0
        self._next = -inf
