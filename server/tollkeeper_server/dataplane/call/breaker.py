"""Circuit breakers: whether an upstream may be called, judged by its recent calls."""

from collections.abc import Callable

from tollkeeper_server.dataplane.call.window import Window
from tollkeeper_server.domain.status import BreakerState as BreakerState
from tollkeeper_server.domain.upstream import Breaker

OnChange = Callable[[str, BreakerState, BreakerState], None]
"""Is called with the upstream, the old state and the new one. It must neither raise nor call back."""

PROBE_SECONDS = 60.0
"""How long a call that hangs keeps a half-open breaker to itself."""

_NO_PERMIT = 0


class UpstreamBreaker:
    """The breaker of one upstream. Times are those of one monotonic clock, in seconds.

    A caller of the upstream does `enter`, and reports the outcome with the permit that this returned. Calls
    that began before the breaker last opened or closed are not counted: they say nothing about the present.

    Time alone makes an open breaker half-open. The next look at it notices that, and calls the observer.
    """

    __slots__ = (
        "_on_change",
        "_opened_at",
        "_permit",
        "_probe_end",
        "_since",
        "_state",
        "_upstream",
        "_window",
        "settings",
    )

    def __init__(self, upstream: str, settings: Breaker, on_change: OnChange) -> None:
        self.settings = settings
        self._upstream = upstream
        self._on_change = on_change
        self._state = BreakerState.CLOSED
        self._window = Window(settings.window_seconds)
        self._opened_at = 0.0
        self._probe_end: float | None = None
        # Permits count up. Those from `_since` on were given after an outcome last changed the state.
        self._permit = self._since = _NO_PERMIT + 1

    def state(self, now: float) -> BreakerState:
        """Return the state at this time."""
        if self._state is BreakerState.OPEN and now >= self._opened_at + self.settings.cooldown_seconds:
            self._probe_end = None
            self._change(BreakerState.HALF_OPEN)
        return self._state

    def available(self, now: float) -> bool:
        """Return whether a call may be made now."""
        if self._state is BreakerState.CLOSED:
            return True
        if self.state(now) is BreakerState.OPEN:
            return False
        return self._probe_end is None or now >= self._probe_end

    def retry_at(self, now: float) -> float:
        """Return when a call may be made: the end of the cooldown, or now.

        It is now, too, while the one call of a half-open breaker is under way: it may end at any moment.
        """
        if self.state(now) is BreakerState.OPEN:
            return self._opened_at + self.settings.cooldown_seconds
        return now

    def opened_at(self, now: float) -> float | None:
        """Return when the breaker last opened, None while it is closed."""
        return None if self.state(now) is BreakerState.CLOSED else self._opened_at

    def update(self, settings: Breaker, now: float) -> None:
        """Use other settings from now on. State and counts stay."""
        self.state(now)
        self.settings = settings
        self._window.resize(settings.window_seconds)

    def enter(self, now: float) -> int:
        """Begin a call and return its permit. The outcome of a call that was not available is not counted."""
        if self._state is BreakerState.CLOSED:
            return self._permit
        if not self.available(now):
            return _NO_PERMIT
        self._permit += 1
        self._probe_end = now + PROBE_SECONDS
        return self._permit

    def answering(self, permit: int) -> int:
        """Record that a call has begun well, and return the permit for its outcome.

        A half-open breaker closes: others need not wait for the end of a long answer.
        """
        if self._state is BreakerState.CLOSED or permit < self._since:
            return permit
        self._close()
        return self._permit

    def succeeded(self, permit: int, now: float) -> None:
        """Count a call that went well. It closes a half-open breaker."""
        if permit < self._since:
            return
        if self._state is BreakerState.CLOSED:
            self._window.add(now, 0)
            if self._window.marked:  # it may be the call that makes the failures enough to tell
                self._judge(now)
        else:
            self._close()

    def failed(self, permit: int, now: float) -> None:
        """Count a call that failed. It opens a half-open breaker again."""
        if permit < self._since:
            return
        if self._state is BreakerState.CLOSED:
            self._window.add(now, 1)
            self._judge(now)
        else:
            self._open(now)

    def reset(self) -> None:
        """Close, and forget all calls, also those under way."""
        self._close()

    def move(self, now: float, *, is_open: bool) -> None:
        """Open or close as another process's breaker of this upstream has.

        Calls under way do not count then.
        """
        if is_open:
            if self.state(now) is not BreakerState.OPEN:
                self._open(now)
        elif self.state(now) is not BreakerState.CLOSED:
            self._close()

    def abandoned(self, permit: int) -> None:
        """Forget a call without an outcome: another may take its place."""
        if permit == self._permit:
            self._probe_end = None

    def _judge(self, now: float) -> None:
        window, settings = self._window, self.settings
        failures, calls = window.marked, window.total
        if calls >= settings.min_calls and failures / calls >= settings.threshold:
            self._open(now)

    def _open(self, now: float) -> None:
        self._restart()
        self._opened_at = now
        self._change(BreakerState.OPEN)

    def _close(self) -> None:
        self._restart()
        self._change(BreakerState.CLOSED)

    def _restart(self) -> None:
        self._window.clear()
        self._permit += 1
        self._since = self._permit

    def _change(self, state: BreakerState) -> None:
        was, self._state = self._state, state
        self._on_change(self._upstream, was, state)
