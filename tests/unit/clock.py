"""The clocks of every test that must say what time it is."""

from datetime import datetime, timedelta


class Clock:
    """A monotonic clock that stands still until the test sets `now`, in seconds."""

    def __init__(self, now: float = 0.0) -> None:
        self.now = now

    def __call__(self) -> float:
        """Return the time in seconds."""
        return self.now


class Calendar:
    """A clock of dates that moves by a second each time it is read, so that no two moments are the same."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        """Return the next second."""
        self.now += timedelta(seconds=1)
        return self.now
