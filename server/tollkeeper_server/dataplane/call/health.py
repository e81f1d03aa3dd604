"""The health of each upstream: its breaker, and the averages for balancing. Both survive new snapshots."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import exp, inf

from tollkeeper_server.dataplane.call.breaker import BreakerState, OnChange, UpstreamBreaker
from tollkeeper_server.domain.upstream import Breaker
from tollkeeper_server.snapshot.model import Snapshot, Target

Clock = Callable[[], float]
"""Monotonic seconds."""

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


@dataclass(frozen=True, slots=True)
class HealthView:
    """The health of an upstream at this moment. Times are in seconds.

    `success_share` and `average_seconds` are moving averages, the latter of whole answers. Of several, the
    one with the least `score` does best. `retry_after` is the time until it may be called, 0 if it may be now
    or any moment.
    """

    breaker: BreakerState
    in_flight: int
    success_share: float
    average_seconds: float
    score: float
    is_available: bool
    retry_after: float


class UpstreamHealth:
    """One upstream. `average_ms` and `success` are moving averages over calls, `rest_until` is a time.

    `probe` is whether it passed its latest active probe, None if there was none.
    """

    __slots__ = (
        "_clock",
        "_ended_at",
        "_on_change",
        "average_ms",
        "breaker",
        "in_flight",
        "probe",
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
        self.success += weight * (1.0 - self.success)
        self.average_ms += weight * (seconds * 1000.0 - self.average_ms)

    def failed(self, permit: int, seconds: float) -> None:
        """Count a call under way as a failure. A fast failure does not make the upstream look fast."""
        now = self._clock()
        self.in_flight -= 1
        self.breaker.failed(permit, now)
        self._ended_at = now
        self.success -= ALPHA * self.success
        self.average_ms += ALPHA * max(seconds * 1000.0 - self.average_ms, 0.0)

    def abandoned(self, permit: int) -> None:
        """End a call under way that says nothing about the upstream."""
        self.in_flight -= 1
        self._ended_at = self._clock()
        self.breaker.abandoned(permit)

    def probed(self, permit: int, verdict: bool) -> None:
        """Count an active probe; its duration is no measure of answers."""
        self.probe = verdict
        if verdict:
            self.breaker.succeeded(permit, self._clock())
        else:
            self.breaker.failed(permit, self._clock())

    def view(self) -> HealthView:
        """Return the health now."""
        now = self._clock()
        return HealthView(
            breaker=self.breaker.state(now),
            in_flight=self.in_flight,
            success_share=self.success,
            average_seconds=self.average_ms / 1000.0,
            score=self.score(now),
            is_available=self.breaker.available(now),
            retry_after=self.breaker.retry_at(now) - now,
        )

    def _changed(self, upstream: str, was: BreakerState, state: BreakerState) -> None:
        if state is BreakerState.CLOSED:  # what it did before would keep callers away
            self.success = 1.0
            self.average_ms = min(self.average_ms, START_MS)
        if self._on_change is not None:
            self._on_change(upstream, was, state)


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

    def failed(self, seconds: float) -> bool:
        """End the call in failure after `seconds`: a transport error, a time-out, a status of 5xx."""
        upstream, self._upstream = self._upstream, None
        if upstream is None:
            return False
        upstream.failed(self._permit, seconds)
        return True

    def abandoned(self) -> bool:
        """End the call without a verdict: the caller left, or the request was at fault."""
        upstream, self._upstream = self._upstream, None
        if upstream is None:
            return False
        upstream.abandoned(self._permit)
        return True


class Health:
    """The upstreams' health, by name. `clock` is monotonic; `on_change` hears of each breaker's changes."""

    def __init__(self, clock: Clock, on_change: OnChange | None = None) -> None:
        self.clock = clock
        self._on_change = on_change
        self._upstreams: dict[str, UpstreamHealth] = {}

    def of(self, target: Target) -> UpstreamHealth:
        """Return the health of an upstream, which is that of a new one if it was not called yet."""
        found = self._upstreams.get(target.name)
        if found is None:
            found = UpstreamHealth(target.name, target.breaker, self.clock, self._on_change)
            self._upstreams[target.name] = found
        return found

    def begin(self, target: Target) -> UpstreamCall:
        """Count a call as under way; exactly one of its outcomes must follow."""
        return self.of(target).begin()

    def follow(self, snapshot: Snapshot) -> None:
        """Forget the upstreams that are not in this configuration; breakers get its settings."""
        targets = snapshot.targets
        self._upstreams = {name: kept for name, kept in self._upstreams.items() if name in targets}
        for target in targets.values():
            breaker = self.of(target).breaker
            if breaker.settings != target.breaker:
                breaker.update(target.breaker, self.clock())

    def views(self) -> Mapping[str, HealthView]:
        """Return the health of every upstream now, by name."""
        return {name: upstream.view() for name, upstream in self._upstreams.items()}
