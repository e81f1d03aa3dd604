"""Turns the reports of loads into the figures of a run."""

from collections.abc import Mapping

from bench.account import Account
from bench.load_h2 import H2Figures
from bench.load_wrk import WrkFigures
from bench.plan import Scenario
from bench.results import Metric, Results
from bench.streams import StreamFigures
from bench.subjects import Subject


class Recorder:
    """Adds figures to the results, and warnings about failed requests."""

    def __init__(self, results: Results) -> None:
        self._results = results

    def add(self, scenario: Scenario, subject: Subject, values: Mapping[Metric, float]) -> None:
        """Add the figures of one measurement."""
        for metric, value in values.items():
            self._results.add(scenario, subject, metric, value)
        if values.get(Metric.BAD):
            self._results.warn(f"{scenario}: {values[Metric.BAD]:,.0f} of {subject} failed")

    def add_requests(
        self, scenario: Scenario, subject: Subject, figures: WrkFigures, account: Account, *, errors: bool
    ) -> None:
        """Add wrk's figures; with `errors`, half of the answers are errors on purpose."""
        values = {
            Metric.REQUESTS_PER_SECOND: figures.per_second,
            **_costs(account, figures.requests, Metric.REQUESTS_PER_CPU_SECOND),
            Metric.P50: figures.p50 / 1000,
            Metric.P99: figures.p99 / 1000,
            Metric.BAD: figures.broken + (0 if errors else figures.bad_status),
        }
        self.add(scenario, subject, values)
        if not account.is_whole:
            self._results.warn(f"{scenario}: a process of {subject} was replaced; its CPU time is not whole")
        share = figures.bad_status / max(figures.requests, 1)
        if errors and not 0.4 < share < 0.6:
            self._results.warn(f"{scenario}: {share:.0%} of {subject}'s answers were errors")

    def add_h2(self, scenario: Scenario, subject: Subject, figures: H2Figures, account: Account) -> None:
        """Add h2load's figures."""
        values = {
            Metric.REQUESTS_PER_SECOND: figures.per_second,
            **_costs(account, figures.requests, Metric.REQUESTS_PER_CPU_SECOND),
            Metric.BAD: figures.bad,
        }
        self.add(scenario, subject, values)

    def add_streams(
        self, scenario: Scenario, subject: Subject, at_a_time: int, figures: StreamFigures, account: Account
    ) -> None:
        """Add the figures of a load of streams."""
        values = {
            Metric.AT_A_TIME: at_a_time,
            Metric.EVENTS_PER_SECOND: figures.events_per_second,
            **_costs(account, figures.events, Metric.EVENTS_PER_CPU_SECOND),
            Metric.BAD: figures.failed,
            Metric.LOST: figures.lost,
            Metric.OUT_OF_ORDER: figures.out_of_order,
            Metric.LATE: figures.late,
            Metric.FIRST_P50: figures.first_p50_ms,
            Metric.FIRST_P99: figures.first_p99_ms,
            Metric.DELAY_P50: figures.delay_p50_ms,
            Metric.DELAY_P99: figures.delay_p99_ms,
            Metric.STRETCH: figures.stretch_max_ms,
        }
        self.add(scenario, subject, values)


def _costs(account: Account, units: int, per_cpu_second: Metric) -> dict[Metric, float]:
    micro = 1e6 / max(units, 1)
    costs = {Metric.UPSTREAM_CPU: account.upstream * micro}
    cpu = account.user + account.system
    if cpu:  # without a subject, the load goes to the upstreams themselves
        costs[per_cpu_second] = units / cpu
        costs[Metric.CPU_USER] = account.user * micro
        costs[Metric.CPU_SYSTEM] = account.system * micro
        costs[Metric.CATCHING_UP] = account.catching_up
        costs[Metric.BUSY] = 100 * account.busy
    return costs
