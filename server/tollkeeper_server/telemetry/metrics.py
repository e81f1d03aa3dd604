"""What a process counts of its traffic; doors/metrics/exposition.py writes it out.

Every request is counted, so counting is cheap. Labels are names from the configuration or from fixed sets,
never a caller's words, and their number is bounded all the same.
"""

from bisect import bisect_left
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Generic, TypeVar

from msgspec import Struct

from tollkeeper_server.domain.usage import TokenCounts

Labels = tuple[str | int, ...]

OTHER = "other"
"""Stands for what is not told apart."""

MOST_COUNTERS = 10_000
MOST_HISTOGRAMS = 1_000
"""How many combinations of labels one family has. One more is counted as OTHER throughout."""

BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)
"""The upper bounds of a histogram's buckets, in seconds; a duration on a bound is within it."""

UPSTREAM_STATUS = "upstream_status"
"""The error of a request that was answered with the upstream's own failure."""

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Ended(Struct, frozen=True, kw_only=True, gc=False):
    """A request that came to its end.

    `status` is 0 without an answer; `first_byte_seconds` is 0 without one that was streamed. A status from
    400 on without an `error` is the upstream's own answer.
    """

    listener: str
    method: str
    endpoint: str
    status: int
    error: str = ""
    seconds: float
    model: str = ""
    upstream: str = ""
    tokens: TokenCounts = TokenCounts()
    first_byte_seconds: float = 0.0


class Counter:
    """A number that grows."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0


class Histogram:
    """How many durations lie in each bucket of BOUNDS, the last for longer ones, and their sum in seconds."""

    __slots__ = ("buckets", "seconds")

    def __init__(self) -> None:
        self.buckets = [0] * (len(BOUNDS) + 1)
        self.seconds = 0.0

    def add(self, seconds: float) -> None:
        """Counts one duration."""
        self.buckets[bisect_left(BOUNDS, seconds)] += 1
        self.seconds += seconds

    @property
    def count(self) -> int:
        """How many there are."""
        return sum(self.buckets)

    def cumulated(self) -> list[int]:
        """Returns how many are within each bound, and in all."""
        return list(accumulate(self.buckets))


class Served:
    """What one upstream did for one model: tokens by kind, and the time to the first byte of streams."""

    __slots__ = ("cached", "completion", "first_bytes", "prompt", "reasoning")

    def __init__(self) -> None:
        self.prompt = 0
        self.completion = 0
        self.cached = 0
        self.reasoning = 0
        self.first_bytes = Histogram()


_Series = TypeVar("_Series", Counter, Histogram, Served)


class Family(dict[Labels, _Series], Generic[_Series]):
    """What is counted alike, by labels; whoever asks for labels gets their series, old or new.

    When there are `most`, new labels share the series of OTHER.
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
    """Returns a family of counters."""
    return Family(Counter, most)


def histograms(most: int = MOST_HISTOGRAMS) -> Family[Histogram]:
    """Returns a family of histograms."""
    return Family(Histogram, most)


class Metrics:
    """Everything that is counted as it happens. Belongs to one thread, the event loop's.

    A `listener`, `group`, `upstream` or `model` is the name in the configuration (of a pattern, the pattern),
    empty for none; an `endpoint` one of dataplane/request/endpoint.py, empty for none; an `error` a `Reason`,
    or the kind of a failed call of an upstream, empty for none.
    """

    __slots__ = (
        "breaker_calls",
        "breaker_changes",
        "errors",
        "fallbacks",
        "in_flight",
        "matches",
        "rate_limits",
        "request_durations",
        "requests",
        "retries",
        "served",
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
        self.breaker_changes = counters()
        """By upstream, the state before and the one after."""
        self.breaker_calls = counters()
        """By upstream and result."""

    def began(self, listener: str) -> None:
        """A request came; `ended` must follow."""
        self.in_flight[listener] = self.in_flight.get(listener, 0) + 1

    def ended(self, request: Ended) -> None:
        """A request that had begun came to its end."""
        listener, endpoint, status, error = request.listener, request.endpoint, request.status, request.error
        self.in_flight[listener] -= 1
        method = request.method if request.method in _METHODS else OTHER
        self.requests[listener, method, endpoint, status].value += 1
        self.request_durations[listener, method, endpoint].add(request.seconds)
        if error or status >= 400:
            self.errors[listener, error or UPSTREAM_STATUS, status].value += 1
        if not request.upstream:
            return
        served, tokens = self.served[request.model, request.upstream], request.tokens
        if request.first_byte_seconds:
            served.first_bytes.add(request.first_byte_seconds)
        served.prompt += tokens.prompt
        served.completion += tokens.completion
        served.cached += tokens.cached
        served.reasoning += tokens.reasoning

    def rate_limited(self, listener: str) -> None:
        """A request was refused for its listener's limit on an IP address."""
        self.rate_limits[(listener,)].value += 1

    def matched(self, listener: str, group: str) -> None:
        """A listener's rule, or its default, sent a request to a group."""
        self.matches[listener, group].value += 1

    def called(self, group: str, upstream: str, seconds: float, error: str) -> None:
        """An attempt at an upstream ended after `seconds`, with an `error` or without one."""
        self.upstream_durations[group, upstream].add(seconds)
        if error:
            self.upstream_errors[group, upstream, error].value += 1

    def retried(self, group: str, upstream: str) -> None:
        """A request is tried again, at this upstream."""
        self.retries[group, upstream].value += 1

    def fell_back(self, model: str, to: str) -> None:
        """A request for a model goes on with another."""
        self.fallbacks[model, to].value += 1

    def breaker_changed(self, upstream: str, before: str, after: str) -> None:
        """An upstream's breaker went from one state to another."""
        self.breaker_changes[upstream, before, after].value += 1

    def breaker_result(self, upstream: str, result: str) -> None:
        """A call through an upstream's breaker was a `success`, a `failure`, or `rejected`."""
        self.breaker_calls[upstream, result].value += 1


@dataclass(frozen=True, slots=True)
class Gauges:
    """What is read when somebody asks.

    `snapshot_age` is how many seconds ago the configuration in force was last known to be the stored one.
    `journal_waiting` usage events are in memory alone, `journal_skipped` lines of the journal could not be
    read; `drain_lag` is how many seconds ago everything settled was stored. By upstream: `breakers` are
    states, `calls` those under way, `urls` base URLs. By listener: `connections` that are open.
    """

    snapshot_revision: int
    snapshot_age: float
    journal_waiting: int
    journal_skipped: int
    drain_lag: float
    breakers: Mapping[str, str] = field(default_factory=dict)
    calls: Mapping[str, int] = field(default_factory=dict)
    urls: Mapping[str, str] = field(default_factory=dict)
    connections: Mapping[str, int] = field(default_factory=dict)
