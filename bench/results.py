"""What was measured: a value for each scenario, subject, metric and round."""

import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from bench.plan import Scenario
from bench.subjects import Subject


class Metric(StrEnum):
    """What is measured, with its unit."""

    REQUESTS_PER_SECOND = "requests/s"
    REQUESTS_PER_CPU_SECOND = "requests/CPU s"
    P50 = "p50 ms"
    P99 = "p99 ms"
    BAD = "bad"
    """Requests without a good answer, or streams without an end."""
    CPU_USER = "user µs"
    """CPU time of the subject for each request or event, what it does afterwards included."""
    CPU_SYSTEM = "system µs"
    UPSTREAM_CPU = "upstream µs"
    CATCHING_UP = "catching up s"
    """How long the subject went on working after the load had ended."""
    BUSY = "busy %"
    """The subject's share of its core while under load."""
    AT_A_TIME = "at a time"
    EVENTS_PER_SECOND = "events/s"
    EVENTS_PER_CPU_SECOND = "events/CPU s"
    LOST = "lost"
    OUT_OF_ORDER = "out of order"
    LATE = "late"
    FIRST_P50 = "first p50 ms"
    """From asking to the first event."""
    FIRST_P99 = "first p99 ms"
    DELAY_P50 = "delay p50 ms"
    """From the upstream to the client."""
    DELAY_P99 = "delay p99 ms"
    STRETCH = "stretch ms"
    """By how much a gap between two events was longer at the client than at the upstream, at worst."""
    RESIDENT = "resident MB"
    SERVED = "requests served"
    MOST_OPEN = "most open"
    FIND = "find µs"
    """To find the rule that counts, in this process, for the kind of request that takes longest."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Values of several rounds."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The median."""
        return statistics.median(self.values)

    @property
    def percent(self) -> float:
        """The range, as a percentage of the median."""
        if not self.median:
            return 0.0
        return 100 * (max(self.values) - min(self.values)) / abs(self.median)


_Key = tuple[Scenario, Subject, Metric]


class Results:
    """Collects values. Rounds are in order, so the values of two subjects can be paired."""

    def __init__(self) -> None:
        self._values: dict[_Key, list[float]] = {}
        self.warnings: list[str] = []

    def add(self, scenario: Scenario, subject: Subject, metric: Metric, value: float) -> None:
        """Adds the value of the next round."""
        self._values.setdefault((scenario, subject, metric), []).append(value)

    def get(self, scenario: Scenario, subject: Subject, metric: Metric) -> Spread | None:
        """Returns the values of all rounds; None if it was not measured."""
        values = self._values.get((scenario, subject, metric))
        return Spread(tuple(values)) if values else None

    def __iter__(self) -> Iterator[tuple[_Key, Spread]]:
        for key, values in self._values.items():
            yield key, Spread(tuple(values))

    def ratio(self, scenario: Scenario, metric: Metric, one: Subject, other: Subject) -> Spread | None:
        """Returns one's values divided by the other's, round by round."""
        pair = self.get(scenario, one, metric), self.get(scenario, other, metric)
        if pair[0] is None or pair[1] is None or not all(pair[1].values):
            return None
        return Spread(tuple(a / b for a, b in zip(pair[0].values, pair[1].values, strict=False)))

    def added(self, scenario: Scenario, metric: Metric, one: Subject, other: Subject) -> Spread | None:
        """Returns by how much one's values exceed the other's, round by round."""
        pair = self.get(scenario, one, metric), self.get(scenario, other, metric)
        if pair[0] is None or pair[1] is None:
            return None
        return Spread(tuple(a - b for a, b in zip(pair[0].values, pair[1].values, strict=False)))

    def warn(self, message: str) -> None:
        """Notes what may make figures worthless."""
        if message not in self.warnings:
            self.warnings.append(message)
