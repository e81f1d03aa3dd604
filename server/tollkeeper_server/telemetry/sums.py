"""The counters and histograms of a process as plain values, for another process that adds them up."""

from collections.abc import Iterable
from typing import TypeVar

from tollkeeper_server.telemetry.metrics import Counter, Family, Histogram, Labels, Metrics, Served

Numbers = list[int | float]
Sums = dict[str, list[tuple[Labels, Numbers]]]
"""By family: the labels of each series, and its numbers."""

_IN_FLIGHT = "in_flight"
_SERVED = ("prompt", "completion", "cached", "reasoning", "cost")
_Series = TypeVar("_Series", Counter, Histogram, Served)


def sums_of(metrics: Metrics) -> Sums:
    """Return all that is counted."""
    sums: Sums = {_IN_FLIGHT: [((listener,), [count]) for listener, count in metrics.in_flight.items()]}
    for name in Metrics.__slots__:
        if name != _IN_FLIGHT:
            family: Family[Counter] | Family[Histogram] | Family[Served] = getattr(metrics, name)
            sums[name] = [(labels, _numbers(series)) for labels, series in family.items()]
    return sums


def add(metrics: Metrics, sums: Sums, *, is_alive: bool = True) -> None:
    """Add what a process has counted. Of one that is not alive nothing is under way."""
    for name, found in sums.items():
        if name == _IN_FLIGHT:
            for (listener,), (count,) in found if is_alive else ():
                there = metrics.in_flight
                there[str(listener)] = there.get(str(listener), 0) + int(count)
        elif name in Metrics.__slots__:
            family: Family[Counter] | Family[Histogram] | Family[Served] = getattr(metrics, name)
            for labels, numbers in found:
                _add(family[labels], numbers)


def added(every: Iterable[Sums]) -> Metrics:
    """Return what several processes have counted together."""
    metrics = Metrics()
    for sums in every:
        add(metrics, sums)
    return metrics


def _numbers(series: Counter | Histogram | Served) -> Numbers:
    if isinstance(series, Counter):
        return [series.value]
    if isinstance(series, Histogram):
        return [series.seconds, *series.buckets]
    return [*(getattr(series, kind) for kind in _SERVED), *_numbers(series.first_bytes)]


def _add(series: Counter | Histogram | Served, numbers: Numbers) -> None:
    if isinstance(series, Counter):
        series.value += int(numbers[0])
    elif isinstance(series, Histogram):
        series.seconds += numbers[0]
        series.buckets = [have + int(more) for have, more in zip(series.buckets, numbers[1:], strict=True)]
    else:
        for kind, more in zip(_SERVED, numbers, strict=False):
            setattr(series, kind, getattr(series, kind) + int(more))
        _add(series.first_bytes, numbers[len(_SERVED) :])
