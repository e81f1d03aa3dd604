"""The health of each upstream: its breaker, and the averages for balancing. Both survive new snapshots."""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import exp, inf

import msgspec

from tollkeeper_server.dataplane.call.breaker import BreakerState, OnChange, UpstreamBreaker
from tollkeeper_server.domain.connect_failure import ConnectFailure, ConnectProblem
from tollkeeper_server.domain.upstream import Breaker
from tollkeeper_server.snapshot.model import Snapshot, Target

Clock = Callable[[], float]
"""Monotonic seconds."""

OnConnecting = Callable[[str, ConnectFailure, bool], None]
"""Is called with an upstream, a failure or its end, and whether that differs from what was told last."""

ALPHA = 0.15
"""The least weight of the latest call in the averages."""
LEARNING_SECONDS = 2.0
"""After so long without an end of a call, earlier ones weigh 1/e of what they did."""
FADING_SECONDS = 5.0
"""A score falls to 1/e in so long without a call."""
START_MS = 2000.0
"""The average duration that an upstream begins with."""
LEAST_SUCCESS = 0.01
"""The least share of successes that a score assumes."""
MAX_REST_SECONDS = 60.0
"""The longest that an upstream rests because it asked for it."""
RECENT_SECONDS = 300.0
"""The age up to which a call is a recent one."""
MAX_OUTCOMES = 128
"""The most calls of an upstream whose outcomes are kept."""
# The clock of the calendar was set if it differs by more. Reading both clocks takes less.
_SET = timedelta(seconds=0.1)


@dataclass(frozen=True, slots=True)
class HealthView:
    """The health of an upstream at this moment. Times are in seconds.

    `success_share` is the share of the recent calls that went well, None without any. `average_success` and
    `average_seconds` are moving averages, the latter of whole answers: of these is the `score`. Of several,
    the one with the least does best. `retry_after` is the time until it may be called, 0 if it may be now
    or any moment.
    """

    breaker: BreakerState
    in_flight: int
    success_share: float | None
    average_success: float
    average_seconds: float
    score: float
    is_available: bool
    retry_after: float
    connect_failure: ConnectFailure | None
    """The latest connection that failed, None if none did."""


class UpstreamHealth:
    """One upstream. `average_ms` and `success` are moving averages over calls, `rest_until` is a time.

    `probe` is whether it passed its latest active probe, None if there was none; `probe_problem` and
    `probed_at` are of that one. `connect_failure` is the latest connection that failed, `last_error` the kind
    of the latest failure of a call or probe, at `last_error_at`. `outcomes` are of the latest calls that
    had a verdict: the time of the end, and the duration of one that went well, None of one that failed.
    """

    __slots__ = (
        "_clock",
        "_ended_at",
        "_on_change",
        "average_ms",
        "breaker",
        "connect_failure",
        "in_flight",
        "last_error",
        "last_error_at",
        "outcomes",
        "probe",
        "probe_problem",
        "probed_at",
        "rest_until",
        "success",
    )

    def __init__(self, name: str, settings: Breaker, clock: Clock, on_change: OnChange | None) -> None:
        self._clock = clock
        self._on_change = on_change
        self._ended_at = -inf
        self.breaker = UpstreamBreaker(name, settings, self._changed)
        self.in_flight = 0
        self.average_ms = START_MS
        self.success = 1.0
        self.rest_until = 0.0
        self.probe: bool | None = None
        self.probe_problem = ""
        self.probed_at = -inf
        self.last_error = ""
        self.last_error_at = -inf
        self.outcomes: deque[tuple[float, float | None]] = deque(maxlen=MAX_OUTCOMES)
        self.connect_failure: ConnectFailure | None = None

    def score(self, now: float) -> float:
        """Return average duration in ms x (calls under way + 1) / share of successes: less is better.

        An upstream that is not called may have changed, and a bad score would keep callers away for good: the
        score fades, and is 0 before the first call.
        """
        score = self.average_ms * (self.in_flight + 1) / max(self.success, LEAST_SUCCESS)
        return score if self.in_flight else score * exp((self._ended_at - now) / FADING_SECONDS)

    def rest(self, seconds: float) -> None:
        """Let the upstream rest, at most MAX_REST_SECONDS, as long as there are others."""
        self.rest_until = max(self.rest_until, self._clock() + min(seconds, MAX_REST_SECONDS))

    def begin(self) -> "UpstreamCall":
        """Count a call as under way. It takes the place of a half-open breaker's one call."""
        self.in_flight += 1
        return UpstreamCall(self, self.breaker.enter(self._clock()))

    def succeeded(self, permit: int, seconds: float) -> None:
        """Count a call under way as a success. It weighs the more, the longer ago others ended."""
        now = self._clock()
        self.in_flight -= 1
        self.breaker.succeeded(permit, now)
        weight = 1.0 - (1.0 - ALPHA) * exp((self._ended_at - now) / LEARNING_SECONDS)
        self._ended_at = now
        self.outcomes.append((now, seconds))
        self.success += weight * (1.0 - self.success)
        self.average_ms += weight * (seconds * 1000.0 - self.average_ms)

    def failed(self, permit: int, seconds: float, error: str) -> None:
        """Count a call under way as a failure. A fast failure does not make the upstream look fast."""
        now = self._clock()
        self.last_error, self.last_error_at = error, now
        self.in_flight -= 1
        self.breaker.failed(permit, now)
        self._ended_at = now
        self.outcomes.append((now, None))
        self.success -= ALPHA * self.success
        self.average_ms += ALPHA * max(seconds * 1000.0 - self.average_ms, 0.0)

    def abandoned(self, permit: int, error: str) -> None:
        """End a call under way that is no fault of the upstream's; `error` is its failure, empty for none."""
        self.in_flight -= 1
        self._ended_at = now = self._clock()
        if error:
            self.last_error, self.last_error_at = error, now
        self.breaker.abandoned(permit)

    def probed(self, permit: int, problem: str = "", error: str = "") -> None:
        """Count an active probe, passed without a problem; its duration is no measure of answers.

        `error` is the kind of a failure.
        """
        self.probe, self.probe_problem, self.probed_at = not problem, problem, self._clock()
        if problem:
            self.last_error, self.last_error_at = error, self.probed_at
            self.breaker.failed(permit, self.probed_at)
        else:
            self.breaker.succeeded(permit, self.probed_at)

    def recent(self, now: float) -> list[float | None]:
        """Return the durations of the recent calls in seconds, the latest last; None is one that failed."""
        return [seconds for ended, seconds in self.outcomes if now - ended <= RECENT_SECONDS]

    @property
    def is_used(self) -> bool:
        """Whether it was called or probed, or its breaker moved."""
        return bool(
            self.in_flight
            or self.outcomes
            or self.last_error
            or self.connect_failure
            or self.probe is not None
            or self.breaker.opened_at(self._clock()) is not None
        )

    def view(self) -> HealthView:
        """Return the health now."""
        now = self._clock()
        return HealthView(
            breaker=self.breaker.state(now),
            in_flight=self.in_flight,
            success_share=share_of_successes(self.recent(now)),
            average_success=self.success,
            average_seconds=self.average_ms / 1000.0,
            score=self.score(now),
            is_available=self.breaker.available(now),
            retry_after=self.breaker.retry_at(now) - now,
            connect_failure=self.connect_failure,
        )

    def _changed(self, upstream: str, was: BreakerState, state: BreakerState) -> None:
        if state is BreakerState.CLOSED:  # what it did before would keep callers away
            self.success = 1.0
            self.average_ms = min(self.average_ms, START_MS)
        if self._on_change is not None:
            self._on_change(upstream, was, state)


def share_of_successes(recent: Sequence[float | None]) -> float | None:
    """Return the share of calls that went well, from 0 to 1; None of no calls. Those that failed are None."""
    return 1.0 - recent.count(None) / len(recent) if recent else None


class UpstreamCall:
    """A call under way. Its first outcome counts; each method returns whether it was the first."""

    __slots__ = ("_permit", "_upstream")

    def __init__(self, upstream: UpstreamHealth, permit: int) -> None:
        self._upstream: UpstreamHealth | None = upstream
        self._permit = permit

    def answering(self) -> None:
        """Record that the answer has begun well: a half-open breaker closes without awaiting the end."""
        if self._upstream is not None:
            self._permit = self._upstream.breaker.answering(self._permit)

    def succeeded(self, seconds: float) -> bool:
        """End the call well after `seconds`: the whole answer has come."""
        upstream, self._upstream = self._upstream, None
        if upstream is None:
            return False
        upstream.succeeded(self._permit, seconds)
        return True

    def failed(self, seconds: float, error: str = "") -> bool:
        """End the call in failure after `seconds`: a transport error, a time-out, a status of 5xx.

        `error` is the kind of the failure.
        """
        upstream, self._upstream = self._upstream, None
        if upstream is None:
            return False
        upstream.failed(self._permit, seconds, error)
        return True

    def abandoned(self, error: str = "") -> bool:
        """End the call without a verdict: the caller left, or the request or the credential was at fault.

        `error` is the kind of a failure, empty for none.
        """
        upstream, self._upstream = self._upstream, None
        if upstream is None:
            return False
        upstream.abandoned(self._permit, error)
        return True


class Health:
    """The upstreams' health, by name. `clock` is monotonic; `on_change` hears of each breaker's changes.

    `on_connecting` hears of each connection that fails, and when an upstream answers after that.
    """

    def __init__(
        self,
        clock: Clock,
        on_change: OnChange | None = None,
        on_connecting: OnConnecting | None = None,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.clock = clock
        self._on_change = on_change
        self._on_connecting = on_connecting
        self._now = now
        self._upstreams: dict[str, UpstreamHealth] = {}
        self._subscribers: list[Callable[[str], None]] = []
        self._zero = now() - timedelta(seconds=clock())
        self._is_told = False
        self.on_moved: Callable[[str, bool], None] | None = None
        """Is called with an upstream whose breaker calls of this process have opened, or closed."""
        self.on_connected: Callable[[str, ConnectFailure], None] | None = None
        """Is called with a connection that failed for the first time or with another reason, or its end."""
        self.unconnected: set[str] = set()
        """Those that have not answered since a connection to them failed; `answered` takes them out."""

    def subscribe(self, subscriber: Callable[[str], None]) -> None:
        """Call `subscriber` with the name of an upstream whose breaker or connection has changed.

        It must neither raise nor call back.
        """
        self._subscribers.append(subscriber)

    def of(self, target: Target) -> UpstreamHealth:
        """Return the health of an upstream, which is that of a new one if it was not called yet."""
        found = self._upstreams.get(target.name)
        if found is None:
            found = UpstreamHealth(target.name, target.breaker, self.clock, self._breaker_changed)
            self._upstreams[target.name] = found
        return found

    def begin(self, target: Target) -> UpstreamCall:
        """Count a call as under way; exactly one of its outcomes must follow."""
        return self.of(target).begin()

    def follow(self, snapshot: Snapshot) -> None:
        """Forget the upstreams that are not in this configuration; breakers get its settings."""
        targets = snapshot.targets
        self._upstreams = {name: kept for name, kept in self._upstreams.items() if name in targets}
        self.unconnected &= targets.keys()
        for target in targets.values():
            breaker = self.of(target).breaker
            if breaker.settings != target.breaker:
                breaker.update(target.breaker, self.clock())

    def unreached(self, target: Target, problem: ConnectProblem) -> None:
        """Record that a connection to an upstream failed."""
        upstream = self.of(target)
        was = upstream.connect_failure
        failure = ConnectFailure(
            reason=problem.reason, at_proxy=problem.at_proxy, detail=problem.detail, failed_at=self._now()
        )
        is_new = (
            was is None or was.is_over or (was.reason, was.at_proxy) != (failure.reason, failure.at_proxy)
        )
        upstream.connect_failure = failure
        self.unconnected.add(target.name)
        if self._on_connecting is not None:
            self._on_connecting(target.name, failure, is_new)
        if is_new:
            self._tell_of(target.name, failure)

    def answered(self, target: Target) -> None:
        """Record that an upstream has answered, with whatever status: it can be connected to."""
        upstream = self.of(target)
        if target.name not in self.unconnected or upstream.connect_failure is None:
            return
        self.unconnected.discard(target.name)
        upstream.connect_failure = msgspec.structs.replace(upstream.connect_failure, is_over=True)
        if self._on_connecting is not None:
            self._on_connecting(target.name, upstream.connect_failure, True)
        self._tell_of(target.name, upstream.connect_failure)

    def connect_failure_of(self, name: str) -> ConnectFailure | None:
        """Return the latest connection to an upstream that failed, None if none did."""
        upstream = self._upstreams.get(name)
        return upstream.connect_failure if upstream is not None else None

    def find(self, name: str) -> UpstreamHealth | None:
        """Return the health of an upstream, None if there is no such upstream."""
        return self._upstreams.get(name)

    def reset_breaker(self, name: str) -> None:
        """Close the breaker of an upstream, if there is such an upstream, and let it rest no more."""
        upstream = self._upstreams.get(name)
        if upstream is not None:
            upstream.breaker.reset()
            upstream.rest_until = 0.0

    def move_breaker(self, name: str, *, is_open: bool) -> None:
        """Open or close the breaker of an upstream, as the calls of another process have done to theirs."""
        upstream = self._upstreams.get(name)
        if upstream is not None:
            self._is_told = True
            upstream.breaker.move(self.clock(), is_open=is_open)
            self._is_told = False

    def hear_of(self, name: str, failure: ConnectFailure) -> None:
        """Take a connection of another process to an upstream that failed, or its end."""
        upstream = self._upstreams.get(name)
        if upstream is not None:
            upstream.connect_failure = failure
            if failure.is_over:
                self.unconnected.discard(name)
            else:
                self.unconnected.add(name)
            self._tell(name)

    def used(self) -> list[str]:
        """Return the names of the upstreams of which there is something to tell."""
        return [name for name, it in self._upstreams.items() if it.is_used]

    def moment(self, then: float) -> datetime:
        """Return a time of the clock as one of the calendar, the same each time until the calendar is set."""
        zero = self._now() - timedelta(seconds=self.clock())
        if abs(zero - self._zero) > _SET:
            self._zero = zero
        return self._zero + timedelta(seconds=then)

    def views(self) -> Mapping[str, HealthView]:
        """Return the health of every upstream now, by name."""
        return {name: upstream.view() for name, upstream in self._upstreams.items()}

    def _breaker_changed(self, upstream: str, was: BreakerState, state: BreakerState) -> None:
        if not self._is_told:
            if self._on_change is not None:
                self._on_change(upstream, was, state)
            if self.on_moved is not None and state is not BreakerState.HALF_OPEN:
                self.on_moved(upstream, state is BreakerState.OPEN)
        self._tell(upstream)

    def _tell_of(self, upstream: str, failure: ConnectFailure) -> None:
        if self.on_connected is not None:
            self.on_connected(upstream, failure)
        self._tell(upstream)

    def _tell(self, upstream: str) -> None:
        for subscriber in self._subscribers:
            subscriber(upstream)
