"""The days, weeks and months of time zones, and the time before."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tollkeeper_server.domain.usage import UsageGroup
from tollkeeper_server.domain.usage_sums import DAY_LENGTH, HOUR_LENGTH, MINUTE_LENGTH, TEN_MINUTES_LENGTH
from tollkeeper_server.management.usage_times import Times, instant

DAY, WEEK, MONTH, HOUR, MINUTE = (UsageGroup(it) for it in ("day", "week", "month", "hour", "minute"))
HALF_HOUR = timedelta(minutes=30)
# Beirut and Asunción change their clocks at midnight, Lord Howe by half an hour.
ZONES = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Asia/Beirut",
    "America/Asuncion",
    "Australia/Lord_Howe",
    "Pacific/Apia",
]
instants = st.datetimes(datetime(2021, 1, 1), datetime(2030, 1, 1)).map(  # noqa: DTZ001 - hypothesis wants them so
    lambda at: at.replace(tzinfo=UTC)
)


def label(by: UsageGroup, at: datetime, zone: ZoneInfo) -> object:
    """Return what calendars call the day, week or month of an instant."""
    day = at.astimezone(zone).date()
    if by is WEEK:
        return day.isocalendar()[:2]
    return day if by is DAY else (day.year, day.month)


def slow_start(by: UsageGroup, at: datetime, zone: ZoneInfo) -> datetime:
    """Return the beginning of a day, week or month by going back as long as it has the same name."""
    step = timedelta(minutes=15)
    start = at.replace(minute=at.minute // 15 * 15, second=0, microsecond=0)
    while label(by, start - step, zone) == label(by, at, zone):
        start -= step
    return start


@given(at=instants, name=st.sampled_from(ZONES), by=st.sampled_from([DAY, WEEK, MONTH]))
def test_a_day_a_week_and_a_month_begin_where_their_name_does(
    at: datetime, name: str, by: UsageGroup
) -> None:
    zone = ZoneInfo(name)
    assert Times(zone).start(by, at) == slow_start(by, at, zone)


@given(at=instants, name=st.sampled_from(ZONES))
def test_hours_and_minutes_begin_at_full_ones_of_the_clock(at: datetime, name: str) -> None:
    zone = ZoneInfo(name)
    times = Times(zone)
    assert times.start(MINUTE, at) == at.replace(second=0, microsecond=0)
    start = times.start(HOUR, at)
    assert at - start < timedelta(hours=1.5)
    assert start.astimezone(zone).minute in ({0, 30} if name == "Australia/Lord_Howe" else {0})


@given(at=instants, name=st.sampled_from(ZONES), by=st.sampled_from([DAY, WEEK, MONTH, HOUR, MINUTE]))
def test_the_beginning_of_the_text_tells_enough(at: datetime, name: str, by: UsageGroup) -> None:
    """All instants whose texts begin so belong to the same."""
    times = Times(ZoneInfo(name))
    length = times.text_length([by])
    assert times.start(by, instant(at.isoformat(timespec="microseconds")[:length])) == times.start(by, at)


@pytest.mark.parametrize(
    ("name", "by", "length"),
    [
        ("UTC", MONTH, DAY_LENGTH),
        ("UTC", HOUR, HOUR_LENGTH),
        ("Europe/Berlin", DAY, HOUR_LENGTH),
        ("Asia/Kolkata", WEEK, TEN_MINUTES_LENGTH),
        ("Asia/Kathmandu", DAY, MINUTE_LENGTH),
        ("Europe/Berlin", MINUTE, MINUTE_LENGTH),
    ],
)
def test_no_more_of_the_text_is_asked_for_than_a_zone_needs(name: str, by: UsageGroup, length: int) -> None:
    assert Times(ZoneInfo(name)).text_length([UsageGroup.MODEL, by]) == length
    assert Times(ZoneInfo(name)).text_length([UsageGroup.MODEL]) == 0


def midnight(zone: ZoneInfo, year: int, month: int, day: int) -> datetime:
    """Return a local midnight."""
    return datetime(year, month, day, tzinfo=zone)


@pytest.mark.parametrize(
    ("start", "end", "before"),
    [
        ((2026, 3, 1), (2026, 4, 1), (2026, 2, 1)),
        ((2026, 1, 1), (2026, 4, 1), (2025, 10, 1)),
        ((2026, 3, 30), (2026, 4, 6), (2026, 3, 23)),  # clocks change on the 29th of March
        ((2026, 3, 29), (2026, 3, 30), (2026, 3, 28)),
        ((2026, 3, 2), (2026, 3, 30), (2026, 2, 2)),
    ],
)
def test_months_compare_to_months_and_days_to_days(
    start: tuple[int, int, int], end: tuple[int, int, int], before: tuple[int, int, int]
) -> None:
    zone = ZoneInfo("Europe/Berlin")
    first, last = (midnight(zone, *it).astimezone(UTC) for it in (start, end))
    assert Times(zone).before(first, last) == midnight(zone, *before)


def test_any_other_time_compares_to_one_of_the_same_length() -> None:
    start = datetime(2026, 3, 29, 12, tzinfo=UTC)
    times = Times(ZoneInfo("Europe/Berlin"))
    assert times.before(start, start + timedelta(hours=5)) == start - timedelta(hours=5)
    # Midnights of another zone are none of this one.
    assert times.before(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC)) == datetime(
        2026, 1, 29, tzinfo=UTC
    )


@given(
    first=instants,
    steps=st.integers(0, 40 * 48),
    name=st.sampled_from(["UTC", "Europe/Berlin", "America/Asuncion"]),
    by=st.sampled_from([DAY, WEEK, MONTH]),
)
def test_the_number_of_a_day_counts_the_beginnings_between(
    first: datetime, steps: int, name: str, by: UsageGroup
) -> None:
    zone = ZoneInfo(name)
    names = [label(by, first + step * HALF_HOUR, zone) for step in range(steps + 1)]
    assert Times(zone).number(by, first, first + steps * HALF_HOUR) == len(dict.fromkeys(names)) - 1


def test_weeks_go_across_years() -> None:
    """The first of January 2027 is a Friday of the last week of 2026."""
    start = Times(ZoneInfo("UTC")).start(WEEK, datetime(2027, 1, 1, 12, tzinfo=UTC))
    assert start.date() == date(2026, 12, 28)
