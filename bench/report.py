"""The report: tables for people, JSON for programs."""

from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec
from tabulate import tabulate

from bench.machine import Machine
from bench.plan import Plan, Scenario
from bench.results import Metric, Results, Spread
from bench.subjects import Subject
from bench.targets import Target, judge

SCHEMA = 1

_RATES = (
    Metric.REQUESTS_PER_SECOND,
    Metric.REQUESTS_PER_CPU_SECOND,
    Metric.EVENTS_PER_SECOND,
    Metric.EVENTS_PER_CPU_SECOND,
)
_ADDED = (Metric.P50, Metric.P99, Metric.FIRST_P50, Metric.FIRST_P99, Metric.DELAY_P50, Metric.DELAY_P99)
_OTHERS = (Subject.RELAY, Subject.LITELLM, Subject.DIRECT)


class Row(msgspec.Struct, frozen=True):
    """One figure over all rounds."""

    scenario: Scenario
    subject: Subject
    metric: Metric
    median: float
    spread_percent: float
    rounds: tuple[float, ...]


class Comparison(msgspec.Struct, frozen=True):
    """Tollkeeper's figure divided by another subject's or, if `added`, minus that; paired by round."""

    scenario: Scenario
    metric: Metric
    other: Subject
    added: bool
    median: float
    spread_percent: float


class Report(msgspec.Struct, frozen=True):
    """All results of a run."""

    schema: int
    began: datetime
    seconds: float
    transport: str
    rounds: int
    seconds_each: float
    machine: Machine
    warnings: list[str]
    targets: list[Target]
    comparisons: list[Comparison]
    figures: list[Row]


def make_report(
    results: Results, plan: Plan, machine: Machine, *, transport: str, began: datetime, seconds: float
) -> Report:
    """Return the report of a run."""
    return Report(
        schema=SCHEMA,
        began=began,
        seconds=round(seconds, 1),
        transport=transport,
        rounds=plan.rounds,
        seconds_each=plan.seconds,
        machine=machine,
        warnings=results.warnings,
        targets=judge(results, machine),
        comparisons=list(_compare(results)),
        figures=[Row(*key, spread.median, spread.percent, spread.values) for key, spread in results],
    )


def _compare(results: Results) -> Iterable[Comparison]:
    for scenario in Scenario:
        for other in _OTHERS:
            for metric in _RATES:
                ratio = results.ratio(scenario, metric, Subject.TOLLKEEPER, other)
                if ratio is not None:
                    yield _comparison(scenario, metric, other, ratio, added=False)
            if other != Subject.DIRECT:
                continue
            for metric in _ADDED:
                more = results.added(scenario, metric, Subject.TOLLKEEPER, other)
                if more is not None:
                    yield _comparison(scenario, metric, other, more, added=True)


def _comparison(
    scenario: Scenario, metric: Metric, other: Subject, spread: Spread, *, added: bool
) -> Comparison:
    return Comparison(scenario, metric, other, added, spread.median, spread.percent)


def encode(report: Report) -> bytes:
    """Return the report as JSON."""
    return msgspec.json.format(msgspec.json.encode(report), indent=1) + b"\n"


def tell(report: Report) -> str:
    """Return the report as tables."""
    machine = report.machine
    heading = (
        f"Tollkeeper {machine.revision}, transport {report.transport}, Python {machine.python}\n"
        f"{machine.processor}, {machine.cores} cores: gateway on {_list(machine.gateway_cores)}, load and "
        f"upstreams on {_list(machine.load_cores)}, gateways of workers on {_list(machine.worker_cores)}; "
        f"load average before {machine.load_before:.2f}\n"
        f"{report.rounds} round(s) of {report.seconds_each:g} s each, {report.seconds:.0f} s in all. "
        "Medians; ± is the range of the rounds in percent."
    )
    parts = [heading]
    for scenario in Scenario:
        rows = [row for row in report.figures if row.scenario == scenario]
        if rows:
            parts.append(f"{scenario}\n{_table(rows)}")
    parts += [_tell_comparisons(report.comparisons), _tell_targets(report.targets)]
    if report.warnings:
        parts.append("Reasons to doubt the figures\n" + "\n".join(f"- {text}" for text in report.warnings))
    return "\n\n".join(parts)


def _list(cores: Sequence[int]) -> str:
    return ", ".join(map(str, cores))


def _table(rows: list[Row]) -> str:
    metrics = [metric for metric in Metric if any(row.metric == metric for row in rows)]
    values = {(row.subject, row.metric): _value(row.median, row.spread_percent) for row in rows}
    subjects = [subject for subject in Subject if any(row.subject == subject for row in rows)]
    lines = [[str(subject), *(values.get((subject, m), "") for m in metrics)] for subject in subjects]
    return _grid(lines, ["", *map(str, metrics)])


def _tell_comparisons(comparisons: list[Comparison]) -> str:
    lines = [
        [
            str(found.scenario),
            str(found.metric),
            f"less {found.other}" if found.added else f"/ {found.other}",
            _value(found.median, found.spread_percent),
        ]
        for found in comparisons
    ]
    return "Tollkeeper compared, round by round\n" + _grid(lines, ["scenario", "figure", "of", ""])


def _tell_targets(targets: list[Target]) -> str:
    lines = [
        [
            target.what,
            target.wanted,
            "" if target.measured is None else _value(target.measured, target.spread_percent),
            str(target.verdict),
        ]
        for target in targets
    ]
    return "Targets\n" + _grid(lines, ["", "wanted", "measured", ""])


def _grid(lines: list[list[str]], headers: list[str]) -> str:
    align = ["left", *["right"] * (len(headers) - 1)]
    return tabulate(lines, headers=headers, tablefmt="simple", disable_numparse=True, colalign=align)


def _value(median: float, percent: float) -> str:
    if median == 0:
        return "0"
    size = abs(median)
    shown = f"{median:,.0f}" if size >= 100 else f"{median:.1f}" if size >= 10 else f"{median:.3f}"
    return f"{shown} ±{percent:.0f}" if percent else shown
