"""The minutes, hours, days, weeks and months of a time zone, and the time before a time."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from tollkeeper_server.domain.usage import TIME_GROUPS, UsageGroup
from tollkeeper_server.domain.usage_sums import (
    DAY_LENGTH,
    HOUR_LENGTH,
    MINUTE_LENGTH,
    SECOND_LENGTH,
    TEN_MINUTES_LENGTH,
)

# Events are those of this software; what zones were before does not matter.
_FIRST, _LAST = datetime(2020, 1, 1, tzinfo=UTC), datetime(2060, 1, 1, tzinfo=UTC)
_WEEK = timedelta(weeks=1)
_DAY_SECONDS = 86_400
_SECONDS = {UsageGroup.MINUTE: 60, UsageGroup.HOUR: 3600}
_DAYS = {UsageGroup.DAY: 1, UsageGroup.WEEK: 7}
_LENGTHS = (
    (_DAY_SECONDS, DAY_LENGTH),
    (3600, HOUR_LENGTH),
    (600, TEN_MINUTES_LENGTH),
    (60, MINUTE_LENGTH),
)
_BEGINNING = "0001-01-01T00:00:00"


class Times:
    """Finds which of the minutes, hours, days, weeks or months of a zone an instant belongs to."""

    def __init__(self, zone: ZoneInfo) -> None:
        self._zone = zone

    def start(self, by: UsageGroup, at: datetime) -> datetime:
        """Return when the one began that an instant belongs to, in UTC.

        A midnight that a change of clocks leaves out is the moment of the change; of one that comes twice it
        is the first. Hours are those of the clock, so that one may be shorter or longer.
        """
        local = at.astimezone(self._zone)
        if by is UsageGroup.MINUTE:
            return local.replace(second=0, microsecond=0).astimezone(UTC)
        if by is UsageGroup.HOUR:
            return local.replace(minute=0, second=0, microsecond=0).astimezone(UTC)
        return self._midnight(_first_day(by, local.date()))

    def number(self, by: UsageGroup, first: datetime, at: datetime) -> int:
        """Return how many minutes, hours, days, weeks or months after that of `first` that of `at` is."""
        if by in _SECONDS:
            passed = self.start(by, at) - self.start(by, first)
            return int(passed.total_seconds() // _SECONDS[by])
        one, other = (it.astimezone(self._zone).date() for it in (first, at))
        if by is UsageGroup.MONTH:
            return (other.year - one.year) * 12 + other.month - one.month
        return (_first_day(by, other) - _first_day(by, one)).days // _DAYS[by]

    def before(self, start: datetime, end: datetime) -> datetime:
        """Return when the time before `start` began, which is as long as that to `end`.

        From midnight to midnight it is as many days, from the first of a month to the first of one as many
        months, whatever their lengths.
        """
        first, last = (it.astimezone(self._zone).date() for it in (start, end))
        if (self._midnight(first), self._midnight(last)) != (start, end):
            return start - (end - start)
        if first.day == last.day == 1:
            months = first.year * 12 + first.month - 1
            months -= last.year * 12 + last.month - 1 - months
            return self._midnight(date(months // 12, months % 12 + 1, 1))
        return self._midnight(first - (last - first))

    def text_length(self, groups: Sequence[UsageGroup]) -> int:
        """Return how much of an instant's text (one of `TIME_LENGTHS`) tells what these groups tell apart."""
        shortest = min((_SECONDS.get(by, _DAY_SECONDS) for by in groups if by in TIME_GROUPS), default=0)
        if not shortest:
            return 0
        for seconds, length in _LENGTHS:
            if shortest >= seconds and all(offset % seconds == 0 for offset in _offsets(self._zone)):
                return length
        return SECOND_LENGTH

    def _midnight(self, day: date) -> datetime:
        return datetime(day.year, day.month, day.day, tzinfo=self._zone).astimezone(UTC)


def instant(text: str) -> datetime:
    """Return the instant of which the store gave the beginning of the text."""
    return datetime.fromisoformat(text + _BEGINNING[len(text) :]).replace(tzinfo=UTC)


@lru_cache(maxsize=64)
def _offsets(zone: ZoneInfo) -> frozenset[int]:
    """Return the zone's offsets in seconds. None lasts for less than a week."""
    weeks = range((_LAST - _FIRST) // _WEEK)
    offsets = ((_FIRST + week * _WEEK).astimezone(zone).utcoffset() for week in weeks)
    return frozenset(int((offset or timedelta()).total_seconds()) for offset in offsets)


def _first_day(by: UsageGroup, day: date) -> date:
    if by is UsageGroup.MONTH:
        return day.replace(day=1)
    return day - timedelta(days=day.weekday()) if by is UsageGroup.WEEK else day
