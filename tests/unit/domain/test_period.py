"""Periods follow each other without gaps, whatever is done to the clocks."""

import zoneinfo
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tollkeeper_server.domain.period import FOREVER, Calendar, Period, Span, calendar_of, span_at

# Changes at midnight and a minute past it, by half an hour and two hours, in Ramadan, over the date line.
ZONES = (
    "Africa/Cairo",
    "America/Havana",
    "America/New_York",
    "America/Santiago",
    "America/Sao_Paulo",
    "America/St_Johns",
    "Antarctica/Troll",
    "Asia/Amman",
    "Asia/Beirut",
    "Asia/Gaza",
    "Asia/Kolkata",
    "Australia/Lord_Howe",
    "Europe/Berlin",
    "Pacific/Apia",
    "UTC",
)
FIRST, LAST = (int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) for year in (2005, 2037))
seconds = st.integers(FIRST, LAST)
zones = st.sampled_from(ZONES).map(ZoneInfo)
kinds = st.sampled_from(list(Period))
calendar_kinds = st.sampled_from([Period.DAY, Period.WEEK, Period.MONTH])


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())


@given(kinds, zones, seconds)
# A minute past midnight the clocks of St John's went back to 23:01 of the day before.
@example(Period.DAY, ZoneInfo("America/St_Johns"), int(datetime(2006, 10, 29, 2, 45, tzinfo=UTC).timestamp()))
def test_a_period_holds_its_time_and_is_the_same_for_all_of_it(
    period: Period, zone: ZoneInfo, second: int
) -> None:
    span = span_at(period, zone, second)
    assert span.id <= second < span.end
    assert span_at(period, zone, span.id) == span
    assert span_at(period, zone, span.end - 1) == span


@given(calendar_kinds, zones, seconds)
def test_the_next_period_begins_where_one_ends(period: Period, zone: ZoneInfo, second: int) -> None:
    span = span_at(period, zone, second)
    assert span_at(period, zone, span.end).id == span.end


@given(kinds, zones, st.lists(seconds, min_size=2, max_size=8))
def test_a_later_time_never_has_an_earlier_period(period: Period, zone: ZoneInfo, times: list[int]) -> None:
    spans = [span_at(period, zone, second) for second in sorted(times)]
    assert spans == sorted(spans)


@given(calendar_kinds, zones, seconds)
def test_a_period_begins_with_its_first_day(period: Period, zone: ZoneInfo, second: int) -> None:
    first = datetime.fromtimestamp(span_at(period, zone, second).id, UTC).astimezone(zone)
    before = (first.astimezone(UTC) - timedelta(seconds=1)).astimezone(zone)
    assert before.date() < first.date()
    assert period is not Period.MONTH or (before.year, before.month) < (first.year, first.month)
    assert period is not Period.WEEK or before.date().isocalendar()[:2] < first.date().isocalendar()[:2]


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("year", [2011, 2023])
def test_the_days_of_a_year_are_its_dates(zone: str, year: int) -> None:
    calendar, second, dates = Calendar(Period.DAY, zone), at(f"{year}-01-02T12:00:00+00:00"), []
    while second < at(f"{year}-12-30T00:00:00+00:00"):
        span = calendar.at(second * 1_000_000)
        dates.append(datetime.fromtimestamp(span.id, ZoneInfo(zone)).date())
        second = span.end
    skipped = {date(2011, 12, 30)} if zone == "Pacific/Apia" else set()
    every = {dates[0] + timedelta(days=day) for day in range((dates[-1] - dates[0]).days + 1)} - skipped
    assert dates == sorted(every)


@pytest.mark.parametrize(
    ("zone", "noon", "hours"),
    [
        ("Europe/Berlin", "2026-03-29T12:00:00+00:00", 23),
        ("Europe/Berlin", "2026-10-25T12:00:00+00:00", 25),
        ("America/Havana", "2026-03-08T12:00:00+00:00", 23),
        ("Australia/Lord_Howe", "2026-04-05T01:00:00+00:00", 24.5),
        ("Pacific/Apia", "2011-12-29T12:00:00+00:00", 24),
        ("UTC", "2026-03-29T12:00:00+00:00", 24),
    ],
)
def test_the_length_of_a_day(zone: str, noon: str, hours: float) -> None:
    span = span_at(Period.DAY, ZoneInfo(zone), at(noon))
    assert (span.end - span.id) / 3600 == hours


def test_hours_are_those_of_utc_and_the_total_does_not_end() -> None:
    half_past = at("2026-10-25T00:30:00+00:00")
    assert span_at(Period.HOUR, ZoneInfo("Asia/Kolkata"), half_past) == Span(
        half_past - 1800, half_past + 1800
    )
    assert span_at(Period.TOTAL, ZoneInfo("UTC"), half_past) == Span(0, FOREVER)


@given(kinds, st.sampled_from(ZONES), st.lists(seconds, min_size=1, max_size=8))
def test_a_calendar_knows_the_same_periods(period: Period, zone: str, times: list[int]) -> None:
    calendar = calendar_of(period, zone)
    for second in times:
        assert calendar.at(second * 1_000_000 + 999_999) == span_at(period, ZoneInfo(zone), second)


def test_zones_are_known_where_the_system_has_none() -> None:
    zoneinfo.reset_tzpath(to=())
    try:
        assert {ZoneInfo.no_cache(zone).key for zone in ZONES} == set(ZONES)
    finally:
        zoneinfo.reset_tzpath()
