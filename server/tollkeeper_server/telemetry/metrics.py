"""The counters and histograms of a process's traffic; doors/metrics/exposition.py writes them out.

Every request is counted, so counting is cheap. Labels are names from the configuration or from fixed sets,
never text from a caller; their number is bounded nevertheless.
"""

from bisect import bisect_left
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Generic, TypeVar

from tollkeeper_server.domain.usage import Confidence, TokenCounts, UsageEvent

Labels = tuple[str | int, ...]

OTHER = "other"
"""The label for values that are not counted apart."""

MOST_COUNTERS = 10_000
MOST_HISTOGRAMS = 1_000
"""The most combinations of labels in one family. Further ones are counted with OTHER as every label."""

BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)
"""The upper bounds of a histogram's buckets, in seconds; a duration on a bound is within it."""

UPSTREAM_STATUS = "upstream_status"
"""The `error` of a request that was answered with an upstream's own error."""

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Counter:
    """A number that grows."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0


class Histogram:
    """Durations counted by bucket of BOUNDS, with a last bucket for longer ones, and their sum in seconds."""

    __slots__ = ("buckets", "seconds")

    def __init__(self) -> None:
        self.buckets = [0] * (len(BOUNDS) + 1)
        self.seconds = 0.0

    def add(self, seconds: float) -> None:
        """Count one duration, in seconds."""
        self.buckets[bisect_left(BOUNDS, seconds)] += 1
        self.seconds += seconds

    @property
    def count(self) -> int:
        """The number of durations."""
        return sum(self.buckets)

    def cumulated(self) -> list[int]:
        """Return the number of durations within each bound, and the total."""
        return list(accumulate(self.buckets))


class Served:
    """The totals of one upstream for one model: tokens by kind, and the time to the first byte of streams.

    `cost` is in nano-dollars, as far as it is known.
    """

    __slots__ = ("cached", "completion", "cost", "first_bytes", "prompt", "reasoning")

    def __init__(self) -> None:
        self.prompt = 0
        self.completion = 0
        self.cached = 0
        self.reasoning = 0
        self.cost = 0
        self.first_bytes = Histogram()


_Series = TypeVar("_Series", Counter, Histogram, Served)


class Family(dict[Labels, _Series], Generic[_Series]):
    """The series of one family by labels; a look-up of new labels makes their series.

    When there are `most` series, new labels share the series of OTHER.
    """

    __slots__ = ("_most", "_new")

    def __init__(self, new: Callable[[], _Series], most: int) -> None:
        super().__init__()
        self._new: Callable[[], _Series] = new
        self._most = most

    def __missing__(self, labels: Labels) -> _Series:
        if len(self) >= self._most:
            labels = (OTHER,) * len(labels)
        return self.setdefault(labels, self._new())


def counters(most: int = MOST_COUNTERS) -> Family[Counter]:
    """Return a family of counters."""
    return Family(Counter, most)


def histograms(most: int = MOST_HISTOGRAMS) -> Family[Histogram]:
    """Return a family of histograms."""
    return Family(Histogram, most)


class Metrics:
    """All counters and histograms. They belong to the thread of the event loop.

    A `listener`, `group`, `upstream` or `model` is the name in the configuration (of a pattern, the pattern).
    An `endpoint` is one of dataplane/request/endpoint.py. An `error` is a `Reason`, or the kind of a failed
    call of an upstream. All of these are empty for none.
    """

    __slots__ = (
        "breaker_calls",
        "breaker_changes",
        "connect_failures",
        "errors",
        "fallbacks",
        "in_flight",
        "limit_clamps",
        "limit_refusals",
        "matches",
        "model_lists",
        "overdrafts",
        "rate_limits",
        "request_durations",
        "requests",
        "retries",
        "served",
        "sign_ins",
        "thresholds",
        "upstream_durations",
        "upstream_errors",
    )

    def __init__(self) -> None:
        self.in_flight: dict[str, int] = {}
        """Requests under way, by listener."""
        self.requests = counters()
        """By listener, method, endpoint and status."""
        self.request_durations = histograms()
        """By listener, method and endpoint."""
        self.errors = counters()
        """By listener, error and status."""
        self.rate_limits = counters()
        """By listener."""
        self.limit_clamps = counters()
        self.limit_refusals = counters()
        """By kind of scope and measure."""
        self.overdrafts = counters()
        """By kind of scope and measure, in its unit; money is in nano-dollars."""
        self.thresholds = counters()
        """By kind of scope, measure and percent."""
        self.matches = counters()
        """By listener and group."""
        self.served = Family(Served, MOST_HISTOGRAMS)
        """By model and upstream."""
        self.upstream_durations = histograms()
        """By group and upstream."""
        self.upstream_errors = counters()
        """By group, upstream and error."""
        self.retries = counters()
        """By group and upstream."""
        self.fallbacks = counters()
        """By the model asked for and the one that served."""
        self.connect_failures = counters()
        self.breaker_changes = counters()
        """By upstream, the state before and the one after."""
        self.breaker_calls = counters()
        """By upstream and result."""
        self.model_lists = counters()
        """By upstream and result."""
        self.sign_ins = counters()
        """By outcome."""

    def began(self, listener: str) -> None:
        """Count a request that has begun; `ended` must follow."""
        self.in_flight[listener] = self.in_flight.get(listener, 0) + 1

    def ended(self, listener: str, method: str, model: str, event: UsageEvent) -> None:
        """Count a request that came to its end. `model` is the configured one that served it.

        The event is the record of the request, also of one that was not authenticated. A status from 400 on
        without an error is the upstream's own answer.
        """
        endpoint, status, error = event.endpoint, event.status, event.error_code
        self.in_flight[listener] -= 1
        if method not in _METHODS:
            method = OTHER
        self.requests[listener, method, endpoint, status].value += 1
        self.request_durations[listener, method, endpoint].add(event.duration_us / 1e6)
        if error or status >= 400:
            self.errors[listener, error or UPSTREAM_STATUS, status].value += 1
        if not event.upstream:
            return
        served, tokens = self.served[model, event.upstream], event.tokens
        if event.streamed and event.first_byte_us:
            served.first_bytes.add(event.first_byte_us / 1e6)
        if tokens.confidence is Confidence.PENDING:  # `used` counts them
            return
        served.prompt += tokens.prompt
        served.completion += tokens.completion
        if tokens.cached:
            served.cached += tokens.cached
        if tokens.reasoning:
            served.reasoning += tokens.reasoning
        if event.cost_nano_dollars:
            served.cost += event.cost_nano_dollars

    def used(self, model: str, upstream: str, tokens: TokenCounts, cost: int) -> None:
        """Count tokens, and their cost in nano-dollars, that are known only after their request has ended."""
        served = self.served[model, upstream]
        served.prompt += tokens.prompt
        served.completion += tokens.completion
        served.cached += tokens.cached
        served.reasoning += tokens.reasoning
        served.cost += cost

    def rate_limited(self, listener: str) -> None:
        """Count a request that was refused by its listener's limit on IP addresses."""
        self.rate_limits[(listener,)].value += 1

    def limited(self, scope: str, measure: str) -> None:
        """Count a request, or more of an answer, that a limit on a kind of scope refused."""
        self.limit_refusals[scope, measure].value += 1

    def clamped(self, scope: str, measure: str) -> None:
        """Count a request whose answer was made shorter, as a limit on a kind of scope had no more left."""
        self.limit_clamps[scope, measure].value += 1

    def overdrawn(self, scope: str, measure: str, amount: int) -> None:
        """Count what a request used of a budget beyond what it had reserved."""
        self.overdrafts[scope, measure].value += amount

    def crossed(self, scope: str, measure: str, percent: int) -> None:
        """Count that a budget has reached a threshold."""
        self.thresholds[scope, measure, percent].value += 1

    def matched(self, listener: str, group: str) -> None:
        """Count a request that a listener's rule or default sent to a group."""
        self.matches[listener, group].value += 1

    def called(self, group: str, upstream: str, seconds: float, error: str) -> None:
        """Count a call of an upstream that ended after `seconds`; an empty `error` is a success."""
        self.upstream_durations[group, upstream].add(seconds)
        if error:
            self.upstream_errors[group, upstream, error].value += 1

    def retried(self, group: str, upstream: str) -> None:
        """Count a call that repeats a failed one, at this upstream."""
        self.retries[group, upstream].value += 1

    def fell_back(self, model: str, to: str) -> None:
        """Count a request for a model that falls back to the model `to`."""
        self.fallbacks[model, to].value += 1

    def connect_failed(self, upstream: str, at: str, reason: str) -> None:
        """Count a connection that failed `at` the `upstream`, or at its outbound `proxy`."""
        self.connect_failures[upstream, at, reason].value += 1

    def breaker_changed(self, upstream: str, before: str, after: str) -> None:
        """Count a change of state of an upstream's breaker."""
        self.breaker_changes[upstream, before, after].value += 1

    def breaker_result(self, upstream: str, result: str) -> None:
        """Count a call through an upstream's breaker: a `success`, a `failure`, or `rejected`."""
        self.breaker_calls[upstream, result].value += 1

    def asked_for_models(self, upstream: str, result: str) -> None:
        """Count a list of models that an upstream was asked for: a `success` or a `failure`."""
        self.model_lists[upstream, result].value += 1

    def signed_in(self, outcome: str) -> None:
        """Count an attempt to sign in: `ok`, a `wrong` token, or `limited` as too many had failed."""
        self.sign_ins[(outcome,)].value += 1


@dataclass(frozen=True, slots=True)
class Gauges:
    """The values that are read for each scrape.

    `snapshot_age` is the seconds since the store last confirmed the configuration in force.
    `journal_waiting` is the number of usage events that are only in memory, `journal_skipped` the number of
    journal lines that could not be read. `drain_lag` is the seconds since all settled usage was stored.
    `ledger_is_shared` is whether the ledger that processes share answers; None if this one has its own.
    `streams` is the number of streams of the management plane that are under way, `watch_dropped` how many
    events those who watch were not told of.
    `certificate_end` is when the certificate of this process ends, in seconds since 1970; None without TLS.
    By upstream: `breakers` has the states, `calls` the number of calls under way, `urls` the base URLs, and
    `certificates` when client certificates expire, in seconds since 1970.
    By listener: `connections` has the number of open connections.
    By result: `look_ups` has the number of look-ups of names.
    By port (`data`, `console`) and reason: `refused` has the number of connections, and of the console's
    streams, that were refused or given up. `shortages` is by what this machine had run out of.
    """

    snapshot_revision: int
    snapshot_age: float
    journal_waiting: int
    journal_skipped: int
    drain_lag: float
    ledger_is_shared: bool | None = None
    streams: int = 0
    watch_dropped: int = 0
    certificate_end: float | None = None
    breakers: Mapping[str, str] = field(default_factory=dict)
    calls: Mapping[str, int] = field(default_factory=dict)
    urls: Mapping[str, str] = field(default_factory=dict)
    certificates: Mapping[str, float] = field(default_factory=dict)
    connections: Mapping[str, int] = field(default_factory=dict)
    look_ups: Mapping[str, int] = field(default_factory=dict)
    refused: Mapping[tuple[str, str], int] = field(default_factory=dict)
    shortages: Mapping[str, int] = field(default_factory=dict)
