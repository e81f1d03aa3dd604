"""The rows that are answered, made of the groups that a store gives one after the other.

A store knows no zones: it tells groups apart by the beginning of the time's text, and gives them in the order
of their fields and then of their times. So all of one row, and all rows with the same fields, come together,
and hardly more is kept than is answered.
"""

from bisect import insort
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from heapq import nsmallest
from typing import Any, cast

import msgspec

from tollkeeper_server.domain.histogram import percentiles_of
from tollkeeper_server.domain.usage import TIME_GROUPS, UsageFilter, UsageGroup
from tollkeeper_server.domain.usage_sums import (
    PERCENTS,
    SUMS,
    Group,
    Latency,
    Question,
    Summary,
    UsageOrder,
    UsagePercentiles,
    UsageRow,
    UsageSums,
)
from tollkeeper_server.management.usage_times import Times, instant
from tollkeeper_server.store.ports import UsageStore

_Fields = tuple[str | int, ...]
_Moments = tuple[datetime, ...]
_Place = tuple[_Fields | None, tuple[datetime | int, ...]]  # None stands for a rest

_ORDERS: dict[UsageOrder, tuple[str, ...]] = {
    UsageOrder.GROUP: ("requests",),  # by which the top are chosen
    UsageOrder.REQUESTS: ("requests",),
    UsageOrder.FAILED_REQUESTS: ("failed_requests",),
    UsageOrder.PROMPT_TOKENS: ("prompt_tokens",),
    UsageOrder.COMPLETION_TOKENS: ("completion_tokens",),
    UsageOrder.TOKENS: ("prompt_tokens", "completion_tokens"),
    UsageOrder.COST: ("cost_nano_dollars",),
}
_ATTRIBUTES = {
    UsageGroup.PROJECT: "project_id",
    UsageGroup.TOKEN: "token_id",
    UsageGroup.MODEL: "model_served",
    UsageGroup.UPSTREAM: "upstream",
    UsageGroup.ENDPOINT: "endpoint",
    UsageGroup.STATUS_CLASS: "status_class",
    UsageGroup.ERROR_CODE: "error_code",
}


async def summarize(
    store: UsageStore, where: UsageFilter, question: Question, times: Times, before: datetime | None = None
) -> Summary:
    """Return the rows that answer a question about the events that pass a filter.

    `before` is when the time before began that they are compared with, None for none.
    """
    grouping = _Grouping(question.group_by, times)
    rows = _Rows(question, grouping)
    await store.sum(where, group_by=grouping.fields, time_length=grouping.length, take=rows.take)
    lines, totals = rows.lines(), rows.totals
    if before is not None and where.start is not None:
        previous = _Previous(rows, lines, grouping, where.start, before)
        earlier = _between(where, before, where.start)
        await store.sum(earlier, group_by=grouping.fields, time_length=grouping.length, take=previous.take)
    if question.percentiles:
        for of in Latency:
            latencies = _Latencies(of, rows, lines, grouping)
            await store.count_times(
                of, where, group_by=grouping.fields, time_length=grouping.length, take=latencies.take
            )
            latencies.end()
    return Summary(
        rows=tuple(grouping.row(line) for line in lines),
        totals=grouping.row(totals),
        truncated=rows.truncated,
    )


class _Line:
    """A row that is being summed. `fields` None are those of a rest."""

    __slots__ = ("fields", "latencies", "moments", "previous", "sums")

    def __init__(self, fields: _Fields | None, moments: _Moments, sums: Iterable[int] = ()) -> None:
        self.fields = fields
        self.moments = moments
        self.sums = list(sums) or [0] * len(SUMS)
        self.previous: list[int] | None = None
        self.latencies: dict[Latency, UsagePercentiles] = {}

    @property
    def place(self) -> _Place:
        """What tells it from every other."""
        return self.fields, self.moments


class _Grouping:
    """The fields and times of a question, and how a store's groups stand for them."""

    def __init__(self, group_by: Sequence[UsageGroup], times: Times) -> None:
        self.fields = [by for by in group_by if by not in TIME_GROUPS]
        self.length = times.text_length(group_by)
        self._group_by = group_by
        self._times = [by for by in group_by if by in TIME_GROUPS]
        self._zone = times
        self._moments = lru_cache(maxsize=1024)(self._moments_of)
        self.numbers = lru_cache(maxsize=1024)(self._numbers)

    def split(self, group: Group) -> tuple[_Fields, _Moments, tuple[int, ...]]:
        """Return the fields of a group, the beginnings of its times, and its numbers."""
        size = len(self.fields)
        moments = self._moments(cast("str", group[size])) if self._times else ()
        return group[:size], moments, cast("tuple[int, ...]", group[size + 1 :])

    def order(self, line: _Line) -> tuple[str | int | datetime, ...]:
        """Return the values of a row in the order in which they were asked for."""
        value, moment = iter(line.fields or ()), iter(line.moments)
        return tuple(next(moment) if by in TIME_GROUPS else next(value) for by in self._group_by)

    def row(self, line: _Line) -> UsageRow:
        """Return the row that is answered."""
        named: dict[str, Any] = dict(zip(SUMS, line.sums, strict=True))
        named |= {
            _ATTRIBUTES[by]: f"{value}xx" if by is UsageGroup.STATUS_CLASS else str(value)
            for by, value in zip(self.fields, line.fields or (), strict=False)
        }
        return UsageRow(
            **named,
            start=max(line.moments, default=None),
            is_rest=line.fields is None,
            previous=None if line.previous is None else UsageSums(*line.previous),
            duration=line.latencies.get(Latency.DURATION),
            first_byte=line.latencies.get(Latency.FIRST_BYTE),
        )

    def _numbers(self, first: datetime, moments: _Moments) -> tuple[int, ...]:
        """Return which of the minutes, hours, days, weeks or months since `first` a row is of."""
        return tuple(self._zone.number(by, first, at) for by, at in zip(self._times, moments, strict=True))

    def _moments_of(self, text: str) -> _Moments:
        at = instant(text)
        return tuple(self._zone.start(by, at) for by in self._times)


class _Rows:
    """Sums groups to rows, and keeps those that are asked for."""

    def __init__(self, question: Question, grouping: _Grouping) -> None:
        self.totals = _Line((), ())
        self.truncated = False
        self.top: set[_Fields] | None = None
        """The fields of the top, None where all are kept."""
        self._question = question
        self._grouping = grouping
        self._of = [SUMS.index(name) for name in _ORDERS[question.order]]
        self._series: list[_Line] = []
        self._kept: list[_Line] = []
        self._best: list[tuple[int, _Fields, list[_Line]]] = []
        self._rest: dict[_Moments, _Line] = {}

    def take(self, groups: Sequence[Group]) -> None:
        """Take the next groups."""
        for group in groups:
            fields, moments, numbers = self._grouping.split(group)
            _add(self.totals.sums, numbers)
            last = self._series[-1] if self._series else None
            if last is not None and last.fields == fields and last.moments == moments:
                _add(last.sums, numbers)
                continue
            if last is not None and last.fields != fields:
                self._end_series()
            self._series.append(_Line(fields, moments, numbers))
            if not self._question.top and len(self._series) > self._question.limit:
                self._end_series()

    def lines(self) -> list[_Line]:
        """Return the rows in their order."""
        if self._series:
            self._end_series()
        if self._question.top:
            self.top = {fields for _, fields, _ in self._best}
            found = [line for _, _, series in self._best for line in series]
            found += [self._rest[moments] for moments in sorted(self._rest)]
        else:
            self._prune()
            found = self._kept
        if not self._question.group_by and not found:
            found = [_Line((), ())]
        limit = self._question.limit
        self.truncated = self.truncated or len(found) > limit
        return found[:limit]

    def _end_series(self) -> None:
        series, self._series = self._series, []
        if not self._question.top:
            self._kept += series
            if len(self._kept) > 2 * self._question.limit:
                self._prune()
            return
        size = sum(line.sums[place] for line in series for place in self._of)
        insort(self._best, (-size, series[0].fields or (), series), key=lambda it: it[:2])
        if len(self._best) > self._question.top:
            for line in self._best.pop()[2]:
                rest = self._rest.setdefault(line.moments, _Line(None, line.moments))
                _add(rest.sums, line.sums)

    def _prune(self) -> None:
        limit = self._question.limit
        self.truncated = self.truncated or len(self._kept) > limit
        self._kept = nsmallest(limit, self._kept, key=self._order)

    def _order(self, line: _Line) -> tuple[int, tuple[str | int | datetime, ...]]:
        by_size = self._question.order is not UsageOrder.GROUP
        return -sum(line.sums[place] for place in self._of) if by_size else 0, self._grouping.order(line)


class _Previous:
    """Adds the sums of the time before to rows: to each those of the same fields, to the nth time the nth."""

    def __init__(
        self, rows: _Rows, lines: Sequence[_Line], grouping: _Grouping, start: datetime, before: datetime
    ) -> None:
        self._top = rows.top
        self._totals = rows.totals.previous = [0] * len(SUMS)
        self._grouping = grouping
        self._before = before
        self._lines: dict[_Place, list[int]] = {}
        for line in lines:
            line.previous = [0] * len(SUMS)
            self._lines[line.fields, grouping.numbers(start, line.moments)] = line.previous

    def take(self, groups: Sequence[Group]) -> None:
        """Take the next groups of the time before."""
        for group in groups:
            fields, moments, numbers = self._grouping.split(group)
            _add(self._totals, numbers)
            kept = fields if self._top is None or fields in self._top else None
            sums = self._lines.get((kept, self._grouping.numbers(self._before, moments)))
            if sums is not None:
                _add(sums, numbers)


class _Latencies:
    """Adds the percentiles of a length of time to rows."""

    def __init__(self, of: Latency, rows: _Rows, lines: Sequence[_Line], grouping: _Grouping) -> None:
        self._of = of
        self._top = rows.top
        self._totals = rows.totals
        self._grouping = grouping
        self._lines = {line.place: line for line in lines}
        self._place: _Place | None = None
        self._counts: Counter[int] = Counter()
        self._all: Counter[int] = Counter()
        self._rests: defaultdict[_Moments, Counter[int]] = defaultdict(Counter)
        for line in (*lines, rows.totals):
            line.latencies[of] = UsagePercentiles()

    def take(self, groups: Sequence[Group]) -> None:
        """Take the next groups."""
        for group in groups:
            fields, moments, (bucket, count) = self._grouping.split(group)
            self._all[bucket] += count
            if self._top is not None and fields not in self._top:
                self._rests[moments][bucket] += count
                continue
            if self._place != (fields, moments):
                self._end_row()
                self._place = fields, moments
            self._counts[bucket] += count

    def end(self) -> None:
        """Add what is left, and the percentiles of all."""
        self._end_row()
        for moments, counts in self._rests.items():
            self._place, self._counts = (None, moments), counts
            self._end_row()
        self._totals.latencies[self._of] = _percentiles(self._all)

    def _end_row(self) -> None:
        line = self._lines.get(self._place) if self._place is not None else None
        if line is not None:
            line.latencies[self._of] = _percentiles(self._counts)
        self._counts = Counter()


def _percentiles(counts: Counter[int]) -> UsagePercentiles:
    return UsagePercentiles(*percentiles_of(counts, PERCENTS))


def _add(sums: list[int], numbers: Sequence[int]) -> None:
    for place, number in enumerate(numbers):
        sums[place] += number


def _between(where: UsageFilter, start: datetime, end: datetime) -> UsageFilter:
    return msgspec.structs.replace(where, start=start, end=end)
