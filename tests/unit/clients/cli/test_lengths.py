"""Lengths of time and moments are read as people mean them, and refused when it is not clear."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tollkeeper.cli.lengths import MAX_MINUTES, UNITS, minutes, moment, parse_length, past, relative

PARTS = st.lists(st.tuples(st.integers(0, 10_000), st.sampled_from(sorted(UNITS))), min_size=1, max_size=5)
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@given(PARTS)
def test_a_length_is_the_sum_of_its_parts(parts: list[tuple[int, str]]) -> None:
    text = "".join(f"{count}{unit}" for count, unit in parts)

    assert parse_length(text) == sum((count * UNITS[unit] for count, unit in parts), timedelta())


@given(st.text(max_size=12))
def test_whatever_is_typed_is_a_length_or_a_clear_refusal(text: str) -> None:
    try:
        length = parse_length(text)
    except ValueError as error:
        told = str(error)
        assert "must be a length of time, such as" in told or "too long" in told or "needs a unit" in told
    else:
        assert length >= timedelta()
        assert text.isascii()


@pytest.mark.parametrize(
    ("text", "count"),
    [("90m", 90), ("24h", 1440), ("7d", 10080), ("15m", 15), ("60s", 1), ("1.5h", 90), ("0.5d", 720)],
)
def test_durations_are_whole_minutes(text: str, count: int) -> None:
    assert minutes(text) == count


@given(st.integers(1, MAX_MINUTES))
def test_minutes_may_be_spelled_out(count: int) -> None:
    days, rest = divmod(count, 1440)

    assert count == minutes(f"{count}m") == minutes(f"{days}d{rest}m")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "-5",
        "90s",
        "1.5s",
        "h",
        "1h30",
        "1.h",
        ".5h",
        "1e3m",
        "5 m",
        "1y",
        "٣",
        "²",
        "101d" * 400,
        "9" * 5000,
        "9" * 30 + "w",
    ],
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"must be a length|needs a unit|whole minutes|too long"):
        minutes(text)


@given(st.integers(0, 10**20))
def test_a_number_alone_is_refused_with_the_units_named(number: int) -> None:
    for read in (parse_length, minutes):
        with pytest.raises(ValueError, match="needs a unit: ms, s, m, h, d or w"):
            read(str(number))


OFFSETS = st.integers(-14 * 60, 14 * 60).map(lambda it: timezone(timedelta(minutes=it)))
TIMES = st.datetimes(min_value=datetime(2, 1, 1), max_value=datetime(9998, 1, 1), timezones=OFFSETS)  # noqa: DTZ001 - the offset is drawn


@given(TIMES)
def test_a_moment_is_read_back(written: datetime) -> None:
    assert moment(written.isoformat()) == written
    assert moment(written.isoformat()).tzinfo is UTC


def test_a_moment_without_an_offset_is_utc() -> None:
    assert moment("2026-03-01") == datetime(2026, 3, 1, tzinfo=UTC)
    assert moment("2026-03-01T12:00") == NOW
    assert moment("2026-03-01T13:00+01:00") == datetime(2026, 3, 1, 13, tzinfo=timezone(timedelta(hours=1)))


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01", "24", "0001-01-01T00:00+01:00"])
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a time"):
        moment(text)


def test_the_past_may_be_a_length_ago() -> None:
    before = datetime.now(UTC)
    read = past("24h")

    assert before <= read + timedelta(hours=24) <= datetime.now(UTC)
    assert past("2026-03-01T12:00Z") == NOW


@pytest.mark.parametrize("text", ["30", "0", "1h30", "yesterday", "12:30", ""])
def test_what_is_neither_a_time_nor_ago_is_told_both_forms(text: str) -> None:
    with pytest.raises(ValueError, match=r"such as 2026-03-01T12:00Z, or how long ago it was, such as 24h"):
        past(text)


@pytest.mark.parametrize("text", ["200000w", "9" * 30 + "d"])
def test_the_past_has_a_beginning(text: str) -> None:
    with pytest.raises(ValueError, match="too long"):
        past(text)


@pytest.mark.parametrize(
    ("away", "words"),
    [
        (timedelta(), "now"),
        (timedelta(milliseconds=900), "now"),
        (timedelta(seconds=59), "in 59s"),
        (timedelta(minutes=90), "in 1h"),
        (timedelta(days=400), "in 400d"),
        (-timedelta(minutes=5), "5m ago"),
        (-timedelta(hours=47), "1d ago"),
    ],
)
def test_times_are_told_in_their_largest_unit(away: timedelta, words: str) -> None:
    assert relative(NOW + away, NOW) == words
