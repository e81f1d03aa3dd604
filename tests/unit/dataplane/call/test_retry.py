"""Whether a request may be sent again, and when."""

from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tollkeeper_server.dataplane.call.retry import (
    BUDGET_FLOOR,
    BUDGET_SECONDS,
    MAX_RETRY_AFTER,
    RetryBudget,
    is_safe,
    retry_after_seconds,
    retryable_status,
    wait_seconds,
)
from tollkeeper_server.domain.traffic import Retry

from tests.unit.clock import Clock

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture
def clock() -> Clock:
    """A clock that stands still."""
    return Clock()


@pytest.fixture
def budget(clock: Clock) -> RetryBudget:
    """A budget of which nothing was used."""
    return RetryBudget(clock)


def _taken(budget: RetryBudget, percent: int) -> int:
    count = 0
    while budget.take(percent):
        count += 1
        assert count < 10_000
    return count


@pytest.mark.parametrize(
    ("requests", "percent", "attempts"), [(1_000, 20, 200), (300, 100, 300), (999, 1, 100)]
)
def test_attempts_are_a_share_of_requests(
    budget: RetryBudget, requests: int, percent: int, attempts: int
) -> None:
    for _ in range(requests):
        budget.note_request()

    assert _taken(budget, percent) == attempts


def test_little_traffic_may_be_sent_again_all_the_same(budget: RetryBudget) -> None:
    assert _taken(budget, 1) == BUDGET_FLOOR


def test_the_budget_is_that_of_recent_requests(budget: RetryBudget, clock: Clock) -> None:
    for _ in range(1_000):
        budget.note_request()
    assert _taken(budget, 20) == 200

    clock.now += BUDGET_SECONDS
    assert _taken(budget, 20) == BUDGET_FLOOR
    clock.now += BUDGET_SECONDS
    assert _taken(budget, 20) == BUDGET_FLOOR


@given(st.lists(st.one_of(st.none(), st.integers(1, 100), st.floats(0, 5)), max_size=200))
def test_there_are_never_more_attempts_than_the_largest_share(steps: list[int | float | None]) -> None:
    clock = Clock()
    budget = RetryBudget(clock)
    requests: list[float] = []
    attempts: list[float] = []
    for step in steps:
        match step:
            case None:
                budget.note_request()
                requests.append(clock.now)
            case int():
                recent = sum(at > clock.now - BUDGET_SECONDS for at in requests)
                if budget.take(step):
                    attempts.append(clock.now)
                    made = sum(at > clock.now - BUDGET_SECONDS * 0.9 for at in attempts)
                    assert made <= max(BUDGET_FLOOR, recent * step // 100)
            case _:
                clock.now += step


@given(st.integers(1, 60_000), st.integers(1, 120_000), st.integers(1, 1_000), st.integers(0, 2**32))
def test_waits_double_and_are_spread_over_their_upper_half(
    initial_ms: int, max_ms: int, nth: int, seed: int
) -> None:
    longest = min(initial_ms * 2 ** (nth - 1), max_ms) / 1000

    waited = wait_seconds(Retry(initial_ms=initial_ms, max_ms=max_ms), nth, Random(seed))

    assert longest / 2 <= waited <= longest or waited == pytest.approx(longest)


def test_waits_differ_from_each_other() -> None:
    random = Random(1)
    waits = sorted(wait_seconds(Retry(initial_ms=1000), 2, random) for _ in range(1_000))

    assert waits[0] == pytest.approx(1.0, abs=0.02)
    assert waits[-1] == pytest.approx(2.0, abs=0.02)


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ([408, 429, 500, 502, 503, 504, 507, 529, 599], True),
        ([100, 200, 204, 301, 400, 401, 403, 404, 409, 413, 422, 499, 501, 505, 600], False),
    ],
)
def test_what_may_be_better_another_time_is_tried_again(statuses: list[int], expected: bool) -> None:
    assert [status for status in statuses if retryable_status(status) is not expected] == []


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"])
def test_what_may_be_done_twice(method: str) -> None:
    assert is_safe(method)


@pytest.mark.parametrize("method", ["POST", "PATCH", "get", "BREW", ""])
def test_what_may_not_be_done_twice(method: str) -> None:
    assert not is_safe(method)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (b"0", 0.0),
        (b"120", 120.0),
        (b" 7 ", 7.0),
        (b"1.5", 1.5),
        (b"9" * 500, MAX_RETRY_AFTER),
        (b"Sat, 21 Nov 2026 12:00:30 GMT", 30.0),
        (b"Saturday, 21-Nov-26 12:00:30 GMT", 30.0),
        (b"Sat Nov 21 12:00:30 2026", 30.0),
        (b"Sat, 21 Nov 2026 11:00:00 GMT", 0.0),
        (b"Fri, 31 Dec 9999 23:59:59 GMT", MAX_RETRY_AFTER),
        (b"-1", None),
        (b"1e3", None),
        (b"inf", None),
        (b"nan", None),
        (b"", None),
        (b"soon", None),
        (b"\xc2\xb2", None),
        (b"Sat, 99 Nov 2026 12:00:30 GMT", None),
        (b"12, 13", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: bytes, seconds: float | None) -> None:
    assert retry_after_seconds([(b"Retry-After", value)], NOW) == seconds


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ([], None),
        ([(b"content-type", b"5")], None),
        ([(b"retry-after", b"9"), (b"Retry-After-Ms", b"250")], 0.25),
        ([(b"retry-after-ms", b"250"), (b"retry-after", b"9")], 0.25),
        ([(b"retry-after-ms", b"x"), (b"retry-after", b"9")], 9.0),
        ([(b"retry-after-ms", b"9999999999")], MAX_RETRY_AFTER),
        ([(b"retry-after", b"x"), (b"retry-after", b"9"), (b"retry-after", b"3")], 9.0),
    ],
)
def test_milliseconds_go_first_and_garbage_is_ignored(
    headers: list[tuple[bytes, bytes]], seconds: float | None
) -> None:
    assert retry_after_seconds(headers, NOW) == seconds


@given(
    st.one_of(
        st.binary(max_size=40),
        st.text("0123456789 :,-+GMTSunNov.", max_size=30).map(str.encode),
        st.from_regex(
            rb"\A[A-Z][a-z]{2}, [0-9]{1,3} Nov [0-9]{1,6} [0-9]{1,3}:[0-9]{2}:[0-9]{2} [-+A-Z0-9]{1,6}\Z"
        ),
    )
)
def test_whatever_an_upstream_says_it_is_a_bounded_wait_or_none(value: bytes) -> None:
    for name in (b"retry-after", b"retry-after-ms"):
        seconds = retry_after_seconds([(name, value)], NOW)
        assert seconds is None or 0 <= seconds <= MAX_RETRY_AFTER


@given(st.integers(1, 3_600))
def test_a_date_is_as_good_as_seconds(seconds: int) -> None:
    date = (NOW + timedelta(seconds=seconds)).strftime("%a, %d %b %Y %H:%M:%S GMT").encode()

    assert retry_after_seconds([(b"retry-after", date)], NOW) == seconds
