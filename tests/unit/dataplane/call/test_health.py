"""What is known of how upstreams do."""

from datetime import UTC, datetime, timedelta
from math import e, exp

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tollkeeper_server.dataplane.call.breaker import BreakerState
from tollkeeper_server.dataplane.call.health import (
    ALPHA,
    FADING_SECONDS,
    LEARNING_SECONDS,
    MAX_REST_SECONDS,
    Health,
    UpstreamCall,
)
from tollkeeper_server.domain.connect_failure import ConnectProblem, ConnectReason
from tollkeeper_server.domain.upstream import Breaker

from tests.unit.clock import Clock
from tests.unit.dataplane.configured import snapshot_of, target

NEVER = Breaker(min_calls=1_000_000)
BRITTLE = Breaker(threshold=1, min_calls=1, cooldown_seconds=30)


@pytest.fixture
def clock() -> Clock:
    """A clock that stands still."""
    return Clock()


@pytest.fixture
def health(clock: Clock) -> Health:
    """Health that knows no upstream yet."""
    return Health(clock)


def _end(call: UpstreamCall, outcome: str) -> None:
    match outcome:
        case "succeeded":
            call.succeeded(0.5)
        case "failed":
            call.failed(0.5)
        case "answering":
            call.answering()
        case _:
            call.abandoned()


OUTCOMES = ["succeeded", "failed", "abandoned"]


@given(
    st.lists(
        st.one_of(
            st.just(("begin", 0)), st.tuples(st.sampled_from([*OUTCOMES, "answering"]), st.integers(0, 30))
        )
    ),
    st.integers(1, 5),
)
def test_calls_under_way_are_those_begun_and_not_ended(steps: list[tuple[str, int]], min_calls: int) -> None:
    clock = Clock()
    health = Health(clock)
    upstream = target(breaker=Breaker(min_calls=min_calls, cooldown_seconds=2))
    calls: list[UpstreamCall] = []
    ended: set[int] = set()
    for what, number in steps:
        clock.now += 1
        if what == "begin":
            calls.append(health.begin(upstream))
        elif calls:
            index = number % len(calls)
            _end(calls[index], what)
            if what != "answering":
                ended.add(index)
        seen = health.of(upstream)
        assert seen.in_flight == len(calls) - len(ended)
        assert 0 <= seen.success <= 1
        assert seen.average_ms > 0


@pytest.mark.parametrize("first", OUTCOMES)
@pytest.mark.parametrize("second", [*OUTCOMES, "answering"])
def test_the_first_outcome_counts_and_later_ones_do_nothing(health: Health, first: str, second: str) -> None:
    call, _other = health.begin(target()), health.begin(target())
    _end(call, first)
    seen = health.of(target()).view()

    _end(call, second)

    assert health.of(target()).view() == seen
    assert seen.in_flight == 1


def test_the_first_answer_is_all_that_is_known(health: Health) -> None:
    health.begin(target()).succeeded(0.25)
    seen = health.of(target()).view()
    assert (seen.average_seconds, seen.average_success) == (0.25, 1.0)


def test_averages_move_toward_the_latest_call(health: Health) -> None:
    upstream = target(breaker=NEVER)
    for seconds in (2.0, 1.0):
        health.begin(upstream).succeeded(seconds)
    seen = health.of(target()).view()
    assert seen.average_seconds == pytest.approx(2.0 + ALPHA * -1.0)
    assert seen.average_success == 1.0

    health.begin(upstream).failed(5.0)
    seen = health.of(target()).view()
    assert seen.average_seconds == pytest.approx(1.85 + ALPHA * (5.0 - 1.85))
    assert seen.average_success == pytest.approx(1 - ALPHA)


@given(st.floats(0, 60))
def test_an_answer_weighs_the_more_the_longer_there_was_none(seconds: float) -> None:
    clock = Clock()
    health = Health(clock)
    for _ in range(50):
        health.begin(target(breaker=NEVER)).failed(10.0)
    health.begin(target()).succeeded(10.0)
    before = health.of(target()).view()
    clock.now += seconds
    health.begin(target()).succeeded(0.1)
    seen = health.of(target()).view()

    kept = (1 - ALPHA) * exp(-seconds / LEARNING_SECONDS)
    assert seen.average_seconds == pytest.approx(0.1 + kept * (before.average_seconds - 0.1))
    assert 1 - seen.average_success == pytest.approx(kept * (1 - before.average_success))


def test_the_score_is_duration_times_load_by_success(health: Health) -> None:
    upstream = target(breaker=NEVER)
    assert health.of(upstream).score(0) == 0  # so that it is tried

    health.begin(upstream).failed(1.0)
    for _ in range(3):
        health.begin(upstream)

    assert health.of(target()).view().score == pytest.approx(2000 * 4 / 0.85)


def test_a_score_stays_finite_when_everything_fails(health: Health) -> None:
    for _ in range(200):
        health.begin(target(breaker=NEVER)).failed(0.001)

    assert health.of(target()).view().score == pytest.approx(2000 / 0.01)


def test_failing_fast_does_not_look_fast_but_failing_slowly_looks_slow(health: Health) -> None:
    health.begin(target(breaker=NEVER)).failed(0.001)
    assert health.of(target()).view().average_seconds == 2.0

    health.begin(target(breaker=NEVER)).failed(12.0)
    assert health.of(target()).view().average_seconds == pytest.approx(3.5)


def test_what_tells_nothing_changes_no_average(health: Health) -> None:
    health.begin(target()).abandoned()

    seen = health.of(target()).view()
    assert (seen.average_seconds, seen.average_success, seen.in_flight) == (2.0, 1.0, 0)


def test_a_score_fades_while_nobody_calls_and_only_then(health: Health, clock: Clock) -> None:
    upstream = target(breaker=NEVER)
    health.begin(upstream).failed(60.0)
    health.begin(upstream).failed(60.0)
    score = health.of(upstream).view().score
    clock.now += FADING_SECONDS
    assert health.of(upstream).view().score == pytest.approx(score / e)

    call = health.begin(upstream)  # which may hang, as those before did
    assert health.of(upstream).view().score == pytest.approx(score * 2)
    clock.now += FADING_SECONDS
    assert health.of(upstream).view().score == pytest.approx(score * 2)
    call.abandoned()
    assert health.of(upstream).view().score == pytest.approx(score)


def test_averages_stay_while_nobody_calls(health: Health, clock: Clock) -> None:
    health.begin(target()).succeeded(0.1)
    clock.now += 3600

    assert health.of(target()).view().average_seconds == 0.1


def test_an_outage_that_ended_is_no_reason_to_keep_away(health: Health, clock: Clock) -> None:
    upstream = target(breaker=Breaker(threshold=1, min_calls=10))
    for _ in range(10):
        health.begin(upstream).failed(30.0)
    clock.now += 30

    health.begin(upstream).succeeded(2.0)

    assert health.of(target()).view().score == 2000


def test_the_answer_that_begins_closes_a_half_open_breaker(health: Health, clock: Clock) -> None:
    upstream = target(breaker=BRITTLE)
    health.begin(upstream).failed(1.0)
    clock.now += 30
    call = health.begin(upstream)
    assert not health.of(target()).view().is_available

    call.answering()

    assert health.of(target()).view().breaker is BreakerState.CLOSED
    call.failed(1.0)
    assert health.of(target()).view().breaker is BreakerState.OPEN


def test_what_begins_while_it_is_open_does_not_close_it(health: Health, clock: Clock) -> None:
    upstream = target(breaker=BRITTLE)
    health.begin(upstream).failed(1.0)
    call = health.begin(upstream)

    call.answering()
    call.succeeded(1.0)

    assert health.of(target()).view().breaker is BreakerState.OPEN


def test_rest_is_bounded_and_never_shortened(health: Health, clock: Clock) -> None:
    upstream = health.of(target())
    clock.now = 5
    upstream.rest(3600)
    upstream.rest(1)
    assert upstream.rest_until == 5 + MAX_REST_SECONDS

    clock.now = 10
    upstream.rest(MAX_REST_SECONDS)
    assert upstream.rest_until == 10 + MAX_REST_SECONDS


def test_statistics_survive_a_new_snapshot_and_settings_are_taken_over(health: Health, clock: Clock) -> None:
    health.begin(target(breaker=BRITTLE)).failed(9.0)
    under_way = health.begin(target(breaker=BRITTLE))

    health.follow(snapshot_of(target(breaker=Breaker(cooldown_seconds=5)), target("other")))

    seen = health.of(target()).view()
    assert (seen.breaker, seen.in_flight, seen.retry_after) == (BreakerState.OPEN, 1, 5)
    assert seen.average_success == pytest.approx(0.85)
    assert health.views().keys() == {"openai", "other"}
    under_way.succeeded(1.0)
    assert health.of(target()).view().in_flight == 0


def test_an_upstream_that_went_is_forgotten_and_its_calls_end_in_peace(health: Health) -> None:
    call = health.begin(target())

    health.follow(snapshot_of(target("other")))
    call.succeeded(1.0)

    assert health.views().keys() == {"other"}
    health.follow(snapshot_of(target()))
    assert health.of(target()).view().in_flight == 0


def test_the_observer_is_told_which_breaker_changed(clock: Clock) -> None:
    told: list[tuple[str, str, str]] = []
    health = Health(clock, lambda *change: told.append(change))

    health.begin(target("one", breaker=BRITTLE)).failed(1.0)
    clock.now += 30
    health.views()

    assert told == [("one", "closed", "open"), ("one", "open", "half_open")]


def test_a_breaker_that_is_reset_forgets_what_it_counted_and_calls_under_way(health: Health) -> None:
    upstream = target(breaker=BRITTLE)
    health.follow(snapshot_of(upstream))
    under_way = health.begin(upstream)
    health.begin(upstream).failed(1.0)
    health.of(upstream).rest(30)

    health.reset_breaker("openai")
    health.reset_breaker("unknown")

    assert health.views()["openai"].breaker is BreakerState.CLOSED
    assert health.of(upstream).rest_until == 0
    under_way.failed(1.0)
    assert health.views()["openai"].breaker is BreakerState.CLOSED


def test_who_subscribes_hears_of_breakers_and_connections(health: Health, clock: Clock) -> None:
    heard: list[str] = []
    health.subscribe(heard.append)
    up = target("up", breaker=BRITTLE)
    health.begin(up).failed(1.0)
    assert heard == ["up"]
    clock.now = 30
    assert health.of(up).breaker.state(clock.now) is BreakerState.HALF_OPEN
    assert heard == ["up"] * 2
    health.begin(up).succeeded(1.0)
    assert heard == ["up"] * 3
    health.reset_breaker("up")
    assert heard == ["up"] * 4
    problem = ConnectProblem(reason=ConnectReason.REFUSED, at_proxy=False, detail="")
    for _ in range(3):
        health.unreached(up, problem)
    assert heard == ["up"] * 5
    for _ in range(3):
        health.answered(up)
    assert heard == ["up"] * 6


def test_a_time_is_the_same_moment_until_the_calendar_is_set(clock: Clock) -> None:
    now = datetime(2026, 3, 4, tzinfo=UTC)
    health = Health(clock, now=lambda: now)
    then = health.moment(5)
    assert then == datetime(2026, 3, 4, 0, 0, 5, tzinfo=UTC)
    clock.now, now = 1000.0, now + timedelta(seconds=1000.02)  # the clocks are not read at one moment
    assert health.moment(5) == then
    now += timedelta(hours=1)
    assert health.moment(5) == then + timedelta(hours=1, seconds=0.02)
