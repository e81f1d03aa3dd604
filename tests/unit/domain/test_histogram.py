"""Histograms of lengths of time."""

import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tollkeeper_server.domain.histogram import (
    LARGEST_SHIFT,
    bucket_expression,
    bucket_of,
    middle_of,
    percentiles_of,
)

numbers = st.one_of(st.integers(0, 200), st.integers(0, 2**47), st.integers(0, 2**62))
EDGES = [edge + more for shift in range(LARGEST_SHIFT + 8) for edge in (1 << shift,) for more in (-1, 0, 1)]


@given(number=st.integers(0, 2**47))
def test_the_middle_of_a_bucket_is_near_its_numbers(number: int) -> None:
    """At most 1.6 % off, and not at all below 64."""
    middle = middle_of(bucket_of(number))
    assert abs(middle - number) <= (number / 64 if number >= 64 else 0)


@given(one=numbers, other=numbers)
def test_buckets_are_in_the_order_of_their_numbers(one: int, other: int) -> None:
    if one <= other:
        assert bucket_of(one) <= bucket_of(other)


def test_sql_says_the_same() -> None:
    database = sqlite3.connect(":memory:")
    database.execute("CREATE TABLE usage (number INTEGER)")
    database.executemany("INSERT INTO usage VALUES (?)", [(it,) for it in EDGES])
    found = database.execute(f"SELECT number, {bucket_expression('number')} FROM usage")  # noqa: S608 - our own
    for number, bucket in found:
        assert bucket == bucket_of(number), number
    database.close()


@given(counts=st.dictionaries(st.integers(0, 40), st.integers(1, 9), max_size=9), percent=st.integers(1, 100))
def test_a_percentile_is_the_smallest_number_that_so_many_do_not_exceed(
    counts: dict[int, int], percent: int
) -> None:
    one_by_one = sorted(number for number, count in counts.items() for _ in range(count))
    (found,) = percentiles_of(counts, [percent])
    if not one_by_one:
        assert found == 0
    else:
        enough = [
            it
            for it in one_by_one
            if sum(other <= it for other in one_by_one) * 100 >= percent * len(one_by_one)
        ]
        assert found == min(enough)


@pytest.mark.parametrize("percent", [50, 99])
def test_of_one_number_every_percentile_is_that(percent: int) -> None:
    assert percentiles_of({bucket_of(1_000_000): 1}, [percent]) == [middle_of(bucket_of(1_000_000))]
