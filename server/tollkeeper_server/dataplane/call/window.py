"""Counts of recent events."""

from collections import deque

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

    __slots__ = ("_tenths", "marked", "seconds", "total")

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.total = 0
        self.marked = 0
        self._tenths: deque[_Tenth] = deque()

    def add(self, now: float, mark: int) -> None:
        """Count one more event; `mark` is 1 if it is marked, else 0."""
        tenths = self._tenths
        if tenths and tenths[0].start <= now - self.seconds:
            self.expire(now)
        if not tenths or now >= tenths[-1].start + self.seconds / _TENTHS:
            tenths.append(_Tenth(now))
        latest = tenths[-1]
        latest.total += 1
        latest.marked += mark
        self.total += 1
        self.marked += mark

    def expire(self, now: float) -> None:
        """Forget events that are too old."""
        tenths, horizon = self._tenths, now - self.seconds
        while tenths and tenths[0].start <= horizon:
            gone = tenths.popleft()
            self.total -= gone.total
            self.marked -= gone.marked

    def clear(self) -> None:
        """Forget everything."""
        self._tenths.clear()
        self.total = self.marked = 0
