"""How an upstream is, as people see it."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tollkeeper_server.dataplane.call.breaker import BreakerState
from tollkeeper_server.dataplane.call.health import MAX_OUTCOMES, RECENT_SECONDS, Health
from tollkeeper_server.dataplane.call.upstream_status import percentile, status_of
from tollkeeper_server.domain.status import UpstreamStatus
from tollkeeper_server.domain.upstream import Breaker

from tests.unit.clock import Clock
from tests.unit.dataplane.configured import snapshot_of, target

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
BRITTLE = Breaker(threshold=1, min_calls=1, cooldown_seconds=30)
UP = target("up", breaker=BRITTLE)


@pytest.fixture
def clock() -> Clock:
    """A clock that stands still."""
    return Clock(1000.0)


@pytest.fixture
def health(clock: Clock) -> Health:
    """The health of one upstream. It is noon when the clock shows 1,000 seconds."""
    health = Health(clock, now=lambda: NOON + timedelta(seconds=clock.now - 1000))
    health.follow(snapshot_of(UP))
    return health


def seen(health: Health) -> UpstreamStatus:
    """How the upstream is."""
    told = status_of(health, "up", "here")
    assert told is not None
    return told


def test_one_that_was_never_called(health: Health) -> None:
    told = seen(health)

    assert (told.breaker, told.in_flight, told.recent_calls, told.last_error) == (
        BreakerState.CLOSED,
        0,
        0,
        "",
    )
    assert told.success_share is None
    unset = (told.opened_at, told.retry_at, told.p50_duration_seconds, told.last_error_at, told.last_probe)
    assert set(unset) == {None}
    assert status_of(health, "other", "here") is None


def test_an_open_breaker_tells_since_when_and_until_when(health: Health, clock: Clock) -> None:
    health.begin(UP).failed(0.1, "http_503")
    clock.now += 10

    told = seen(health)

    assert told.breaker is BreakerState.OPEN
    assert (told.opened_at, told.retry_at) == (NOON, NOON + timedelta(seconds=30))
    assert (told.last_error, told.last_error_at) == ("http_503", NOON)

    clock.now += 20
    half_open = seen(health)
    assert (half_open.breaker, half_open.opened_at, half_open.retry_at) == (
        BreakerState.HALF_OPEN,
        NOON,
        None,
    )
    health.begin(UP).succeeded(0.1)
    assert seen(health).opened_at is None


def test_a_credential_that_is_refused_is_the_last_error_and_no_failure(health: Health) -> None:
    health.begin(UP).abandoned("http_401")
    told = seen(health)

    assert (told.last_error, told.last_error_at, told.breaker) == ("http_401", NOON, BreakerState.CLOSED)
    health.begin(UP).abandoned()
    assert seen(health).last_error == "http_401"


def test_durations_are_those_of_recent_calls_that_went_well(health: Health, clock: Clock) -> None:
    health.begin(UP).succeeded(100.0)
    clock.now += RECENT_SECONDS + 1
    for hundredths in range(1, 101):
        health.begin(UP).succeeded(hundredths / 100)

    told = seen(health)
    assert (told.recent_calls, told.p50_duration_seconds, told.p95_duration_seconds) == (100, 0.5, 0.95)

    for _ in range(MAX_OUTCOMES):
        health.begin(UP).succeeded(3.0)
    told = seen(health)
    assert (told.recent_calls, told.p50_duration_seconds) == (MAX_OUTCOMES, 3.0)


def test_the_share_is_of_the_recent_calls(health: Health, clock: Clock) -> None:
    health.begin(UP).succeeded(1.0)
    clock.now += RECENT_SECONDS + 1
    for _ in range(2):
        health.begin(UP).failed(1.0, "http_500")
    assert (seen(health).success_share, seen(health).recent_calls) == (0.0, 2)

    health.begin(UP).succeeded(1.0)
    health.begin(UP).succeeded(1.0)
    health.begin(UP).abandoned("http_401")
    health.of(UP).breaker.reset()
    told = seen(health)
    assert (told.success_share, told.recent_calls, told.p50_duration_seconds) == (0.5, 4, 1.0)
    assert health.of(UP).view().success_share == 0.5

    for _ in range(MAX_OUTCOMES - 1):
        health.begin(UP).failed(1.0, "http_500")
    assert seen(health).success_share == 1 / MAX_OUTCOMES

    clock.now += RECENT_SECONDS + 1
    assert (seen(health).success_share, seen(health).recent_calls) == (None, 0)


def test_the_latest_probe(health: Health, clock: Clock) -> None:
    upstream = health.of(UP)
    upstream.probed(upstream.breaker.enter(clock()))
    passed = seen(health).last_probe
    assert passed is not None
    assert (passed.passed, passed.problem, passed.probed_at) == (True, "", NOON)

    clock.now += 5
    upstream.probed(upstream.breaker.enter(clock()), "status 500", "http_500")
    failed = seen(health).last_probe
    assert failed is not None
    assert (failed.passed, failed.problem, failed.probed_at) == (
        False,
        "status 500",
        NOON + timedelta(seconds=5),
    )


def test_a_breaker_that_probes_have_opened_tells_why(health: Health, clock: Clock) -> None:
    """Those who hear of the change find the reason."""
    heard = list[str]()
    health.subscribe(lambda _: heard.append(seen(health).last_error))
    upstream = health.of(UP)
    upstream.probed(upstream.breaker.enter(clock()), "status 503", "http_503")
    clock.now += 40
    told = seen(health)
    assert (told.last_error, told.last_error_at) == ("http_503", NOON)
    upstream.probed(upstream.breaker.enter(clock()), "it timed out", "timeout")
    told = seen(health)
    assert (told.breaker, told.last_error) == (BreakerState.OPEN, "timeout")
    assert (heard[0], heard[-1]) == ("http_503", "timeout")


@given(st.lists(st.floats(0, 100), min_size=1).map(sorted), st.integers(1, 100))
def test_a_percentile_is_the_least_value_that_so_many_do_not_exceed(values: list[float], share: int) -> None:
    found = percentile(values, share)

    assert found in values
    assert sum(it <= found for it in values) * 100 >= share * len(values)
    assert sum(it < found for it in values) * 100 < share * len(values)
