"""Families of metrics for prometheus_client, in pieces that take about a millisecond each to encode."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.utils import floatToGoString

from tollkeeper_server.telemetry.metrics import BOUNDS, Counter, Family, Histogram, Labels

Sums = Iterable[tuple[Labels, float]]
Histograms = Iterable[tuple[Labels, Histogram]]

_SAMPLES = 60
_LE = (*map(floatToGoString, BOUNDS), "+Inf")


def values(family: Family[Counter]) -> Sums:
    """Return the present values of a family of counters."""
    return [(labels, series.value) for labels, series in family.items()]


def counts(series: Histograms) -> Sums:
    """Return the number of durations in each histogram."""
    return [(labels, histogram.count) for labels, histogram in series]


def counters(name: str, text: str, names: Sequence[str], sums: Sums) -> Iterator[Metric]:
    """Yield a family of counters; `name` is without its `_total`."""
    return _families(lambda: CounterMetricFamily(name, text, labels=names), sums)


def gauges(name: str, text: str, names: Sequence[str], sums: Sums) -> Iterator[Metric]:
    """Yield a family of gauges."""
    return _families(lambda: GaugeMetricFamily(name, text, labels=names), sums)


def _families(
    new: Callable[[], CounterMetricFamily] | Callable[[], GaugeMetricFamily], sums: Sums
) -> Iterator[Metric]:
    rest = iter(sums)
    while True:
        family = new()
        for labels, value in islice(rest, _SAMPLES):
            family.add_metric([str(label) for label in labels], value)
        yield family
        if len(family.samples) < _SAMPLES:
            return


def histograms(name: str, text: str, names: Sequence[str], series: Histograms) -> Iterator[Metric]:
    """Yield a family of histograms."""
    rest = iter(series)
    at_once = _SAMPLES // len(_LE)
    while True:
        family = HistogramMetricFamily(name, text, labels=names)
        count = 0
        for labels, histogram in islice(rest, at_once):
            buckets = list(zip(_LE, histogram.cumulated(), strict=True))
            family.add_metric([str(label) for label in labels], buckets, histogram.seconds)
            count += 1
        yield family
        if count < at_once:
            return
