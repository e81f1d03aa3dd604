"""Whether a caller of HTTP/2 lets the server work for nothing."""

from collections.abc import Callable

from tollkeeper_server.doors.refusals import Refusal

# Streams that are given up before their answer has ended, by the caller or by its fault: so many at once, and
# so many a second. A browser gives up a page's hundred at once when its user leaves the page.
_RESETS, _RESETS_A_SECOND = 300.0, 30.0
# Frames that move no request on, likewise. Every answer and every piece of one that is sent earns some more:
# callers acknowledge what they read, and many measure the line by pings meanwhile.
_FRAMES, _FRAMES_A_SECOND = 2000.0, 200.0
_EARNED_BY_PIECE = 6.0
_STRAINED = 0.8
# What they cost, in seconds: reading a request and beginning with it, or reading a frame.
_RESET_SECONDS, _FRAME_SECONDS = 0.001, 0.00005


class Calm(Exception):  # noqa: N818 - it is no fault of ours
    """A caller is asked to be calm: its connection ends."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal)
        self.refusal = refusal


class Allowance:
    """So many at once, and so many a second after that."""

    __slots__ = ("_at", "_clock", "_left", "_most", "_rate")

    def __init__(self, most: float, rate: float, clock: Callable[[], float]) -> None:
        """Take a clock in seconds."""
        self._most = self._left = most
        self._rate = rate
        self._clock = clock
        self._at = clock()

    @property
    def is_strained(self) -> bool:
        """Whether so many were taken as hardly anybody takes."""
        return self._left < self._most * _STRAINED

    def give(self, number: float) -> None:
        """Allow some more, but not more than the most at once."""
        self._left = min(self._most, self._left + number)

    def take(self) -> bool:
        """Take one. Return whether there was one."""
        if self._left < 1:  # only then does the time matter
            now = self._clock()
            self.give((now - self._at) * self._rate)
            self._at = now
            if self._left < 1:
                return False
        self._left -= 1
        return True


class Conduct:
    """Counts what a connection does that costs and is of no use."""

    __slots__ = ("_frames", "_resets")

    def __init__(self, clock: Callable[[], float]) -> None:
        """Take a clock in seconds."""
        self._resets = Allowance(_RESETS, _RESETS_A_SECOND, clock)
        self._frames = Allowance(_FRAMES, _FRAMES_A_SECOND, clock)

    def reset(self) -> float:
        """Count a stream that was given up. Return the seconds that it wasted. Raises `Calm`."""
        if not self._resets.take():
            raise Calm(Refusal.RESETS)
        return _RESET_SECONDS

    def idle_frame(self) -> float:
        """Count a frame that moves nothing on. Return the seconds that it wasted. Raises `Calm`."""
        if not self._frames.take():
            raise Calm(Refusal.FRAMES)
        return _FRAME_SECONDS if self._frames.is_strained else 0.0

    def piece_sent(self) -> None:
        """Record that the caller was sent something that it asked for."""
        self._frames.give(_EARNED_BY_PIECE)
