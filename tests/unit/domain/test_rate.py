"""The promises of rates, exact to the microsecond."""

from typing import NamedTuple

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from tollkeeper_server.domain.rate import MINUTE, MOST_A_MINUTE, Rate, mark_of, settled

NOW = 1_800_000_000_000_000
rates = st.builds(Rate, st.integers(1, MOST_A_MINUTE), st.integers(1, 10_000))
needs = st.integers(0, 300)
pauses = st.one_of(st.just(0), st.integers(0, 1000), st.integers(0, 5 * MINUTE))


class Ask(NamedTuple):
    pause: int
    need: int


asks = st.lists(st.builds(Ask, pauses, needs), max_size=30)


def run(rate: Rate, asked: list[Ask]) -> tuple[list[tuple[int, int]], int, int]:
    """Return what was admitted and when, the state, and the time."""
    earned_at, now, admitted = 0, NOW, []
    for pause, need in asked:
        now += pause
        if rate.wait(earned_at, need, now) == 0:
            earned_at = rate.taken(earned_at, need, now)
            admitted.append((now, need))
    return admitted, earned_at, now


@given(rates, asks)
def test_no_window_sees_more_than_the_burst_and_what_it_earns(rate: Rate, asked: list[Ask]) -> None:
    admitted, _, _ = run(rate, asked)
    for first in range(len(admitted)):
        total = 0
        for at, need in admitted[first:]:
            total += need
            # total <= burst + window / T, without rounding
            assert total * MINUTE <= rate.burst * MINUTE + (at - admitted[first][0]) * rate.amount


@given(rates, asks, needs)
def test_the_wait_suffices_and_a_microsecond_less_does_not(rate: Rate, asked: list[Ask], need: int) -> None:
    _, earned_at, now = run(rate, asked)
    wait = rate.wait(earned_at, need, now)
    if wait is None:
        assert need > rate.burst
        return
    assert rate.wait(earned_at, need, now + wait) == 0
    if wait:
        assert rate.wait(earned_at, need, now + wait - 1) == 1


@given(rates, asks)
def test_what_remains_passes_and_one_more_does_not(rate: Rate, asked: list[Ask]) -> None:
    _, earned_at, now = run(rate, asked)
    remaining = rate.remaining(earned_at, now)
    assert 0 <= remaining <= rate.burst
    assert rate.wait(earned_at, remaining, now) == 0
    assert rate.wait(earned_at, remaining + 1, now) != 0


@given(rates, asks)
def test_all_is_earned_again_at_the_reset_and_not_before(rate: Rate, asked: list[Ask]) -> None:
    _, earned_at, now = run(rate, asked)
    remaining, reset = rate.left(earned_at, now)
    assert remaining == rate.remaining(earned_at, now)
    assert rate.remaining(earned_at, now + reset) == rate.burst
    if reset:
        assert rate.remaining(earned_at, now + reset - 1) < rate.burst


@given(rates, asks, st.lists(needs, max_size=5))
def test_what_is_taken_in_parts_is_taken_at_once(rate: Rate, asked: list[Ask], parts: list[int]) -> None:
    _, earned_at, now = run(rate, asked)
    split = earned_at
    for need in parts:
        split = rate.taken(split, need, now)
    assume(parts)
    assert split == rate.taken(earned_at, sum(parts), now)


@given(rates, asks, needs, needs, pauses)
def test_settling_never_leaves_more_than_the_burst(
    rate: Rate, asked: list[Ask], need: int, actual: int, pause: int
) -> None:
    _, earned_at, now = run(rate, asked)
    later = settle_at_once(rate, rate.taken(earned_at, need, now), actual - need, now)
    assert rate.remaining(later, now + pause) <= rate.burst


@given(rates, asks, needs, needs)
def test_settling_at_once_is_as_if_the_actual_need_had_been_known(
    rate: Rate, asked: list[Ask], need: int, actual: int
) -> None:
    _, earned_at, now = run(rate, asked)
    later = settle_at_once(rate, rate.taken(earned_at, need, now), actual - need, now)
    # A mark is in whole microseconds.
    assert 0 <= later - rate.taken(earned_at, actual, now) < rate.amount


def settle_at_once(rate: Rate, earned_at: int, more: int, now: int) -> int:
    """Return the state after what was just taken turned out to be more, or less."""
    return settled(earned_at, rate.amount, 0, more, mark_of(earned_at, rate.amount, 0), now)[0]


class Use(NamedTuple):
    """A request: it comes after a pause, and turns out to use so many hundredths after another one."""

    pause: int
    need: int
    percent: int
    takes: int


USES = st.lists(
    st.builds(Use, pauses, st.integers(1, 600), st.integers(0, 100), st.integers(0, 2 * MINUTE)), max_size=25
)


@given(st.builds(Rate, st.sampled_from([7, 60, 6000]), st.sampled_from([600, 6000])), USES)
def test_no_window_sees_more_used_of_what_was_admitted_than_the_burst_and_what_it_earns(
    rate: Rate, uses: list[Use]
) -> None:
    earned_at, given_back, now = 0, 0, NOW
    open_: list[tuple[int, int, int, int]] = []  # when it is settled, its number, mark, and what it used less
    admitted: list[tuple[int, int]] = []
    held: list[int] = []

    def settle_until(time: int) -> None:
        nonlocal earned_at, given_back
        for it in sorted(open_):
            at, number, mark, less = it
            if at <= time:
                open_.remove(it)
                held[number] -= less
                earned_at, given_back = settled(earned_at, rate.amount, given_back, -less, mark, at)
                assert earned_at >= replayed()

    def replayed() -> int:
        """Return the state, had all that is known of uses been known when they came."""
        state = 0
        for (at, _), amount in zip(admitted, held, strict=True):
            state = rate.taken(state, amount, at)
        return state

    for use in uses:
        now += use.pause
        settle_until(now)
        if rate.wait(earned_at, use.need, now) == 0:
            earned_at = rate.taken(earned_at, use.need, now)
            used = use.need * use.percent // 100
            mark = mark_of(earned_at, rate.amount, given_back)
            open_.append((now + use.takes, len(admitted), mark, use.need - used))
            admitted.append((now, used))
            held.append(use.need)
    settle_until(now + 3 * MINUTE)
    for first in range(len(admitted)):
        total = 0
        for at, used in admitted[first:]:
            total += used
            assert total * MINUTE <= rate.burst * MINUTE + (at - admitted[first][0]) * rate.amount


def test_what_time_has_earned_is_not_given_back_again() -> None:
    rate, now = Rate(6000, 600), NOW
    earned_at = rate.taken(0, 600, now)
    slow = mark_of(earned_at, 6000, 0)
    later = now + MINUTE
    taken = rate.taken(earned_at, 600, later)
    assert settled(taken, 6000, 0, -599, slow, later) == (taken, 0)
    # Half of it is owed when three of six seconds have passed.
    back, given_back = settled(earned_at, 6000, 0, -600, slow, now + 3_000_000)
    assert rate.remaining(back, now + 3_000_000) == 600
    assert given_back == 3_000_000


@given(rates, asks, needs, st.integers(0, MINUTE))
def test_a_clock_that_goes_back_admits_no_more(rate: Rate, asked: list[Ask], need: int, back: int) -> None:
    _, earned_at, now = run(rate, asked)
    assert rate.remaining(earned_at, now - back) <= rate.remaining(earned_at, now)
    assert rate.taken(earned_at, need, now - back) <= rate.taken(earned_at, need, now)


@given(rates, asks, st.integers(1, MOST_A_MINUTE))
def test_a_new_amount_keeps_the_time_of_the_reset(rate: Rate, asked: list[Ask], amount: int) -> None:
    _, earned_at, now = run(rate, asked)
    other = Rate(amount, rate.burst)
    _, reset = rate.left(earned_at, now)
    assert other.left(other.rescaled(earned_at, rate.amount), now)[1] == reset


@pytest.mark.parametrize(
    ("amount", "burst"), [(0, 1), (1, 0), (MOST_A_MINUTE + 1, 1), (1, MOST_A_MINUTE + 1)]
)
def test_a_rate_out_of_bounds_is_refused(amount: int, burst: int) -> None:
    with pytest.raises(ValueError, match="must be between 1 and"):
        Rate(amount, burst)
