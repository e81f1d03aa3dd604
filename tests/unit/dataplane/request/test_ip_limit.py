"""No address gets more than its limit, and none less than its due: under a clock of the test's."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tollkeeper_server.dataplane.request.ip_limit import IpLimiter
from tollkeeper_server.domain.listener import IpLimit

from tests.unit.clock import Clock

A, B = "192.0.2.1", "192.0.2.2"


def _admitted(limiter: IpLimiter, limit: IpLimit, ip: str, tries: int) -> int:
    return sum(limiter.admit(limit, ip) == 0.0 for _ in range(tries))


STEPS = st.lists(
    st.tuples(st.sampled_from([0.0, 0.0, 0.0, 0.001, 0.1, 0.33, 1.0, 7.5]), st.integers(0, 5)), max_size=120
)


@given(STEPS, st.integers(1, 20), st.integers(1, 5), st.integers(1, 4))
def test_no_window_holds_more_than_burst_and_refill(
    steps: list[tuple[float, int]], per_second: int, burst: int, room: int
) -> None:
    """However little room there is for addresses, and whoever comes between."""
    clock = Clock(1000.0)
    limiter = IpLimiter(clock, room)
    limit = IpLimit(per_second=per_second, burst=burst)
    admitted: dict[int, list[float]] = {}
    for pause, who in steps:
        clock.now += pause
        if limiter.admit(limit, f"192.0.2.{who}") == 0.0:
            admitted.setdefault(who, []).append(clock.now)
    for times in admitted.values():
        for first in range(len(times)):
            for last in range(first, len(times)):
                seconds = times[last] - times[first]
                assert last - first + 1 <= burst + per_second * seconds + 1e-6


@given(STEPS, st.integers(1, 20), st.integers(1, 5))
def test_with_room_for_all_nobody_waits_for_another(
    steps: list[tuple[float, int]], per_second: int, burst: int
) -> None:
    limit = IpLimit(per_second=per_second, burst=burst)
    clock = Clock(1000.0)
    together = IpLimiter(clock)
    alone = {who: IpLimiter(clock) for who in range(6)}
    for pause, who in steps:
        clock.now += pause
        ip = f"192.0.2.{who}"
        assert together.admit(limit, ip) == pytest.approx(alone[who].admit(limit, ip), abs=1e-5)


@given(STEPS, st.integers(1, 1000), st.integers(1, 50))
@example([(0.0, 1), (0.001, 0)], 1000, 1)  # the token is there but for the clock's rounding
def test_who_waits_as_long_as_told_is_admitted_and_not_before(
    steps: list[tuple[float, int]], per_second: int, burst: int
) -> None:
    clock = Clock(1000.0)
    limiter = IpLimiter(clock)
    limit = IpLimit(per_second=per_second, burst=burst)
    for pause, tries in steps:
        clock.now += pause
        _admitted(limiter, limit, A, tries)
    _admitted(limiter, limit, A, burst)
    wait = limiter.admit(limit, A)
    assert 0 < wait <= 1 / per_second + 1e-5
    # What is told is up to two millionths of a token too much.
    early = max(wait * 0.99 - 2e-6 / per_second, 0)
    clock.now += early
    assert limiter.admit(limit, A) > 0
    clock.now += wait - early + 1e-5
    assert limiter.admit(limit, A) == 0.0


@given(STEPS, st.integers(1, 100), st.integers(1, 50))
def test_an_idle_address_gets_its_burst_back(
    steps: list[tuple[float, int]], per_second: int, burst: int
) -> None:
    clock = Clock(1000.0)
    limiter = IpLimiter(clock)
    limit = IpLimit(per_second=per_second, burst=burst)
    for pause, tries in steps:
        clock.now += pause
        _admitted(limiter, limit, A, tries)
    clock.now += burst / per_second + 1e-5
    assert _admitted(limiter, limit, A, burst + 1) == burst


def test_per_second_is_requests_in_a_second() -> None:
    clock = Clock(1000.0)
    limiter = IpLimiter(clock)
    limit = IpLimit(per_second=100, burst=1)
    admitted = 0
    for _ in range(1_000):  # ten seconds, in hundredths
        clock.now += 0.01 + 1e-9
        admitted += limiter.admit(limit, A) == 0.0
    assert admitted == 1_000


def test_what_is_refused_costs_nothing() -> None:
    clock = Clock(1000.0)
    limiter = IpLimiter(clock)
    limit = IpLimit(per_second=1, burst=2)
    assert _admitted(limiter, limit, A, 1_000) == 2
    clock.now += 1.001
    assert limiter.admit(limit, A) == 0.0


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff", True),
        ("2001:db8:1:2::1", "2001:DB8:1:2:0::1", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("fe80::1%eth0", "fe80::2%eth0", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("no:address", "no:other", False),
    ],
)
def test_what_counts_as_one_address(one: str, other: str, same: bool) -> None:
    limiter = IpLimiter(Clock(1000.0))
    limit = IpLimit(per_second=1, burst=1)
    assert limiter.admit(limit, one) == 0.0
    assert (limiter.admit(limit, other) > 0) is same


def test_somebody_with_many_addresses_frees_nobody_who_is_limited() -> None:
    clock = Clock(1000.0)
    limiter = IpLimiter(clock, 100)
    limit = IpLimit(per_second=1, burst=2)
    assert _admitted(limiter, limit, A, 3) == 2
    crowd = [f"10.0.{n // 250}.{n % 250}" for n in range(5_000)]
    # Those for whom there is no room share one bucket.
    assert sum(_admitted(limiter, limit, ip, 3) for ip in crowd) == 99 * 2 + 2
    assert limiter.admit(limit, A) > 0
    clock.now += 2.001
    assert _admitted(limiter, limit, A, 3) == 2


def test_who_moves_to_a_bucket_of_its_own_takes_along_what_is_missing() -> None:
    clock = Clock(1000.0)
    limiter = IpLimiter(clock, 1)
    limit = IpLimit(per_second=1, burst=2)
    assert limiter.admit(limit, A) == 0.0
    clock.now += 0.5
    assert _admitted(limiter, limit, B, 3) == 2  # of the shared one
    clock.now += 0.6
    assert limiter.admit(limit, B) > 0  # there is room now
    clock.now += 0.5
    assert _admitted(limiter, limit, B, 3) == 1


def test_memory_is_bounded_and_given_back() -> None:
    clock = Clock(1000.0)
    limiter = IpLimiter(clock, 1_000)
    limit = IpLimit(per_second=1, burst=2)
    for n in range(5_000):
        limiter.admit(limit, f"10.0.{n // 250}.{n % 250}")
    assert len(limiter._buckets) == 1_000
    clock.now += 3
    for n in range(500):
        limiter.admit(limit, f"10.1.{n // 250}.{n % 250}")
        clock.now += 1.001
    assert len(limiter._buckets) <= 8


def test_a_changed_limit_counts_from_then_on() -> None:
    clock = Clock(1000.0)
    limiter = IpLimiter(clock)
    slow = IpLimit(per_second=1, burst=100)
    assert _admitted(limiter, slow, A, 200) == 100
    fast = IpLimit(per_second=100, burst=100)
    assert limiter.admit(fast, A) == pytest.approx(0.01, abs=1e-4)
    clock.now += 1.001
    assert _admitted(limiter, fast, A, 200) == 100
    # What was used up under one limit is used up under the next.
    assert limiter.admit(slow, A) == pytest.approx(1, abs=1e-4)
    # A smaller burst is all that can be missing, even of who does not ask.
    small = IpLimit(per_second=1, burst=3)
    assert limiter.admit(small, B) == 0.0
    clock.now += 2.001
    assert _admitted(limiter, small, A, 5) == 2


@given(STEPS, st.integers(1, 20), st.integers(1, 5))
def test_what_another_process_has_admitted_is_taken_from_the_limit(
    steps: list[tuple[float, int]], per_second: int, burst: int
) -> None:
    """Two that tell each other at once admit as many together as one."""
    limit = IpLimit(per_second=per_second, burst=burst)
    clock = Clock(1000.0)
    one, pair = IpLimiter(clock), (IpLimiter(clock), IpLimiter(clock))
    for limiter in pair:
        limiter.admit(limit, B)
    for number, (pause, who) in enumerate(steps):
        clock.now += pause
        ip = f"192.0.2.{10 + who}"
        mine, other = pair[number % 2], pair[1 - number % 2]
        is_admitted = mine.admit(limit, ip) == 0.0
        assert is_admitted == (one.admit(limit, ip) == 0.0)
        if is_admitted:
            other.take(ip, 1)


def test_what_was_too_much_is_made_up_for() -> None:
    clock, limit = Clock(0.0), IpLimit(per_second=1, burst=5)
    limiter = IpLimiter(clock)
    assert _admitted(limiter, limit, A, 9) == 5
    limiter.take(A, 10)
    clock.now += 10
    assert _admitted(limiter, limit, A, 9) == 0
    clock.now += 1
    assert _admitted(limiter, limit, A, 9) == 1
