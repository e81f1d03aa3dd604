"""Periods of budgets: each an identity with an end, so that nothing has to be reset when one ends.

The id of a period is its first second since 1970 (UTC). Hours are those of UTC, which no change of the clocks
repeats or skips; days, weeks (from Monday) and months are those of the calendar in a zone.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

FOREVER = 253_402_300_800
"""The end of a period that does not end: the first second of the year 10000."""
_HOUR = 3600
_SECOND = 1_000_000


class Period(StrEnum):
    """The length of time after which a budget starts again at zero."""

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    TOTAL = "total"


class Span(NamedTuple):
    """One period: its id, which is its first second, and the first second after it."""

    id: int
    end: int


def span_at(period: Period, zone: ZoneInfo, second: int) -> Span:
    """Return the period that holds a second. Those of one kind and zone follow each other without gaps."""
    if period is Period.TOTAL:
        return Span(0, FOREVER)
    if period is Period.HOUR:
        start = second - second % _HOUR
        return Span(start, start + _HOUR)
    begin, follow = _CALENDAR[period]
    first = begin(datetime.fromtimestamp(second, zone).date())
    span = Span(_midnight(zone, first), _midnight(zone, follow(first)))
    while second >= span.end:
        # A clock that was put back over midnight shows the earlier date again; the period does not come back.
        first = follow(first)
        span = Span(span.end, _midnight(zone, follow(first)))
    return span


class Calendar:
    """The periods of one kind in one zone. The end of a period is computed once."""

    def __init__(self, period: Period, zone: str) -> None:
        """Raise `zoneinfo.ZoneInfoNotFoundError` if there is no such zone."""
        self.period = period
        self.zone = zone
        self._zone = ZoneInfo(zone)
        self._span = Span(0, 0)

    def at(self, now: int) -> Span:
        """Return the period that holds a time, in microseconds since 1970."""
        second, span = now // _SECOND, self._span
        if span.id <= second < span.end:
            return span
        self._span = span = span_at(self.period, self._zone, second)
        return span


@lru_cache(maxsize=1024)
def calendar_of(period: Period, zone: str) -> Calendar:
    """Return the calendar that all budgets of one kind of period and zone share."""
    return Calendar(period, zone)


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())


def _next_month(first: date) -> date:
    return (first + timedelta(days=32)).replace(day=1)


_CALENDAR: dict[Period, tuple[Callable[[date], date], Callable[[date], date]]] = {
    Period.DAY: (lambda day: day, lambda first: first + timedelta(days=1)),
    Period.WEEK: (_monday, lambda first: first + timedelta(days=7)),
    Period.MONTH: (lambda day: day.replace(day=1), _next_month),
}
"""Of each kind of period the first day of the one that holds a day, and the first day of the next."""


def _midnight(zone: ZoneInfo, day: date) -> int:
    """Return the first second at which clocks in the zone show midnight of that day, or later."""
    wall = datetime(day.year, day.month, day.day, tzinfo=zone)
    found = int(wall.timestamp())
    if _wall(zone, found) == wall.replace(tzinfo=None):
        return found
    # The clocks skip midnight. Of the two readings of such a time (PEP 495) one is before the change.
    before, after = int(wall.replace(fold=1).timestamp()) - 1, found
    while after - before > 1:
        middle = (before + after) // 2
        if _wall(zone, middle) >= wall.replace(tzinfo=None):
            after = middle
        else:
            before = middle
    return after


def _wall(zone: ZoneInfo, second: int) -> datetime:
    return datetime.fromtimestamp(second, UTC).astimezone(zone).replace(tzinfo=None)
