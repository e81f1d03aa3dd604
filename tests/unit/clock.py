"""The clock of every test that must say what time it is."""


class Clock:
    """A monotonic clock that stands still until the test sets `now`, in seconds."""

    def __init__(self, now: float = 0.0) -> None:
        self.now = now

    def __call__(self) -> float:
        """Return the time in seconds."""
        return self.now
