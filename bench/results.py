"""The results of a run: a value for each scenario, subject, metric and round."""

import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from bench.plan import Scenario
from bench.subjects import Subject


class Metric(StrEnum):
    """The measured figures, with their units."""

    REQUESTS_PER_SECOND = "requests/s"
    REQUESTS_PER_CPU_SECOND = "requests/CPU s"
    P50 = "p50 ms"
    P99 = "p99 ms"
    BAD = "bad"
    """Requests without a good answer, or streams without an end."""
    CPU_USER = "user µs"
    """CPU time of the subject's processes for each request or event, including their deferred work."""
    CPU_SYSTEM = "system µs"
    UPSTREAM_CPU = "upstream µs"
    CATCHING_UP = "catching up s"
    """The time for which the subject worked on after the load had ended."""
    BUSY = "busy %"
    """The subject's share of a core while under load; more than 100 if it uses several."""
    AT_A_TIME = "at a time"
    EVENTS_PER_SECOND = "events/s"
    EVENTS_PER_CPU_SECOND = "events/CPU s"
    LOST = "lost"
    OUT_OF_ORDER = "out of order"
    LATE = "late"
    FIRST_P50 = "first p50 ms"
    """The time from the request to the first event."""
    FIRST_P99 = "first p99 ms"
    DELAY_P50 = "delay p50 ms"
    """The time of an event from the upstream to the client."""
    DELAY_P99 = "delay p99 ms"
    STRETCH = "stretch ms"
    """The most by which a gap between two events was longer at the client than at the upstream."""
    RESIDENT = "resident MB"
    SERVED = "requests served"
    MOST_OPEN = "most open"
    FIND = "find µs"
    """The time to find a request's rule, in this process, for the kind of request that takes longest."""


@dataclass(frozen=True, slots=True)
class Spread:
    """The values of several rounds."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The median of the values."""
        return statistics.median(self.values)

    @property
    def percent(self) -> float:
        """The range of the values, in percent of the median."""
        if not self.median:
            return 0.0
        return 100 * (max(self.values) - min(self.values)) / abs(self.median)


_Key = tuple[Scenario, Subject, Metric]


class Results:
    """Collects values in the order of rounds, so that the values of two subjects can be paired."""

    def __init__(self) -> None:
        self._values: dict[_Key, list[float]] = {}
        self.warnings: list[str] = []

    def add(self, scenario: Scenario, subject: Subject, metric: Metric, value: float) -> None:
        """Add the value of the next round."""
        self._values.setdefault((scenario, subject, metric), []).append(value)

    def get(self, scenario: Scenario, subject: Subject, metric: Metric) -> Spread | None:
        """Return the values of all rounds; None if there are none."""
        values = self._values.get((scenario, subject, metric))
        return Spread(tuple(values)) if values else None

    def __iter__(self) -> Iterator[tuple[_Key, Spread]]:
        for key, values in self._values.items():
            yield key, Spread(tuple(values))

    def ratio(self, scenario: Scenario, metric: Metric, one: Subject, other: Subject) -> Spread | None:
        """Return the values of one subject divided by those of another, round by round."""
        pair = self.get(scenario, one, metric), self.get(scenario, other, metric)
        if pair[0] is None or pair[1] is None or not all(pair[1].values):
            return None
        return Spread(tuple(a / b for a, b in zip(pair[0].values, pair[1].values, strict=False)))

    def added(self, scenario: Scenario, metric: Metric, one: Subject, other: Subject) -> Spread | None:
        """Return the values of one subject minus those of another, round by round."""
        pair = self.get(scenario, one, metric), self.get(scenario, other, metric)
        if pair[0] is None or pair[1] is None:
            return None
        return Spread(tuple(a - b for a, b in zip(pair[0].values, pair[1].values, strict=False)))

    def warn(self, message: str) -> None:
        """Record a reason why figures may be worthless."""
        if message not in self.warnings:
            self.warnings.append(message)
