"""The targets, and whether a run met them. All targets are ratios and differences within a run."""

from dataclasses import dataclass
from enum import StrEnum

from bench.machine import Machine
from bench.plan import STREAMS, Scenario
from bench.results import Metric, Results, Spread
from bench.subjects import Subject

_UPSTREAM_FACTOR = 5.0


class Verdict(StrEnum):
    """The result of a target."""

    MET = "met"
    MISSED = "NOT met"
    UNKNOWN = "not measured"


@dataclass(frozen=True, slots=True)
class Target:
    """A target, and the measured figure: the median of the rounds, and their range in percent of it."""

    what: str
    wanted: str
    measured: float | None
    spread_percent: float
    verdict: Verdict


def judge(results: Results, machine: Machine) -> list[Target]:
    """Return the results of a run's targets. Some depend on how many cores the machine has."""
    rate, of_cpu, ours = Metric.REQUESTS_PER_SECOND, Metric.REQUESTS_PER_CPU_SECOND, Subject.TOLLKEEPER
    of_litellm = results.ratio(Scenario.CHAT_32, rate, ours, Subject.LITELLM)
    return [
        _at_least(
            "requests/s, upstream / tollkeeper: is the load fit to tell?",
            _UPSTREAM_FACTOR,
            results.ratio(Scenario.CHAT_32, rate, Subject.DIRECT, ours),
        ),
        _at_least("requests/s, tollkeeper / LiteLLM: floor", 60, of_litellm),
        _at_least("requests/s, tollkeeper / LiteLLM: goal", 100, of_litellm),
        _at_least(
            "requests/s, tollkeeper / bare relay",
            0.45,
            results.ratio(Scenario.CHAT_32, rate, ours, Subject.RELAY),
        ),
        _at_least(
            "requests per second of CPU, 3 limits / none",
            0.95,
            results.ratio(Scenario.LIMITS, of_cpu, Subject.LIMITED, ours),
        ),
        _at_least(
            "requests per second of CPU under 3 limits, ledger in Redis / in the process",
            0.8,
            results.ratio(Scenario.LIMITS, of_cpu, Subject.SHARED, Subject.LIMITED),
        ),
        _at_least(
            "requests/s under 3 limits, ledger in Redis / in the process",
            0.65,
            results.ratio(Scenario.LIMITS, rate, Subject.SHARED, Subject.LIMITED),
        ),
        _at_most(
            "CPU of a request, 2 workers / 1",
            1.15,
            results.ratio(Scenario.WORKERS, of_cpu, Subject.ONE_WORKER, Subject.TWO_WORKERS),
        ),
        _by_two_workers(results, machine),
        _at_most(
            "added latency at 1 connection, p50 ms",
            0.3,
            results.added(Scenario.CHAT_1, Metric.P50, ours, Subject.DIRECT),
        ),
        _at_most(
            "added latency at 1 connection, p99 ms",
            1.0,
            results.added(Scenario.CHAT_1, Metric.P99, ours, Subject.DIRECT),
        ),
        _at_least(
            "events/s at the most streams, tollkeeper / bare relay",
            0.7,
            _at_the_most_streams(results, Metric.EVENTS_PER_SECOND),
        ),
        _at_least(
            "events per second of CPU there, tollkeeper / bare relay",
            0.7,
            _at_the_most_streams(results, Metric.EVENTS_PER_CPU_SECOND),
        ),
        _at_most("events lost, all scenarios", 0, _sum_of(results, Metric.LOST)),
        _at_most("events out of order, all scenarios", 0, _sum_of(results, Metric.OUT_OF_ORDER)),
        _at_most(
            "added time to first event at half load, p99 ms",
            2.0,
            results.added(Scenario.HALF_LOAD, Metric.FIRST_P99, ours, Subject.DIRECT),
        ),
        _at_most("memory with 1,000 open streams, MB", 150, _most_resident(results)),
        _at_most("memory after the last / after 100,000 requests (--soak 1000000)", 1.01, _growth(results)),
        _at_most(
            "finding one of 1,000 routing rules, µs", 20.0, results.get(Scenario.RULES, ours, Metric.FIND)
        ),
        _at_most("stall of other streams by 1 MB requests, ms", 10.0, _stall(results)),
    ]


def _by_two_workers(results: Results, machine: Machine) -> Target:
    ratio = results.ratio(
        Scenario.WORKERS, Metric.REQUESTS_PER_SECOND, Subject.TWO_WORKERS, Subject.ONE_WORKER
    )
    if not set(machine.worker_cores) & set(machine.load_cores):
        return _at_least("requests/s, 2 workers / 1, on two cores of their own", 1.6, ratio)
    # On a single core, a second worker can add nothing.
    can_tell = len(machine.worker_cores) > 1
    return _at_least(
        "requests/s, 2 workers / 1, on cores shared with the load", 1.15, ratio if can_tell else None
    )


def _at_the_most_streams(results: Results, metric: Metric) -> Spread | None:
    for scenario in reversed(STREAMS):
        ratio = results.ratio(scenario, metric, Subject.TOLLKEEPER, Subject.RELAY)
        if ratio is not None:
            return ratio
    return None


def _sum_of(results: Results, metric: Metric) -> Spread | None:
    found = [
        sum(spread.values)
        for (_, subject, measured), spread in results
        if subject == Subject.TOLLKEEPER and measured == metric
    ]
    return Spread((sum(found),)) if found else None


def _most_resident(results: Results) -> Spread | None:
    found = [
        results.get(scenario, Subject.TOLLKEEPER, Metric.RESIDENT)
        for scenario in (Scenario.OPEN_STREAMS, Scenario.OPEN_STREAMS_AFTER)
    ]
    most = [max(spread.values) for spread in found if spread is not None]
    return Spread((max(most),)) if most else None


def _growth(results: Results) -> Spread | None:
    before = results.get(Scenario.SOAK_100K, Subject.TOLLKEEPER, Metric.RESIDENT)
    after = results.get(Scenario.SOAK_END, Subject.TOLLKEEPER, Metric.RESIDENT)
    served = results.get(Scenario.SOAK_END, Subject.TOLLKEEPER, Metric.SERVED)
    if before is None or after is None or served is None or served.median < 1_000_000:
        return None
    return Spread((after.median / before.median,))


def _stall(results: Results) -> Spread | None:
    quiet = results.get(Scenario.SMALL_STREAMS, Subject.TOLLKEEPER, Metric.STRETCH)
    beside = results.get(Scenario.SMALL_STREAMS_BESIDE, Subject.TOLLKEEPER, Metric.STRETCH)
    if quiet is None or beside is None:
        return None
    return Spread(tuple(b - a for a, b in zip(quiet.values, beside.values, strict=False)))


def _at_least(what: str, wanted: float, measured: Spread | None) -> Target:
    met = measured is not None and measured.median >= wanted
    return _target(what, f"≥ {wanted:g}", measured, met=met)


def _at_most(what: str, wanted: float, measured: Spread | None) -> Target:
    met = measured is not None and measured.median <= wanted
    return _target(what, f"≤ {wanted:g}", measured, met=met)


def _target(what: str, wanted: str, measured: Spread | None, *, met: bool) -> Target:
    if measured is None:
        return Target(what, wanted, None, 0.0, Verdict.UNKNOWN)
    return Target(what, wanted, measured.median, measured.percent, Verdict.MET if met else Verdict.MISSED)
