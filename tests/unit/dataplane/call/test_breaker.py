"""When an upstream is left alone, and when it is tried again."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule
from tollkeeper_server.dataplane.call.breaker import PROBE_SECONDS, BreakerState, UpstreamBreaker
from tollkeeper_server.domain.upstream import Breaker

CLOSED, OPEN, HALF_OPEN = BreakerState.CLOSED, BreakerState.OPEN, BreakerState.HALF_OPEN
SETTINGS = Breaker(threshold=0.5, cooldown_seconds=30, window_seconds=10, min_calls=4)

Change = tuple[BreakerState, BreakerState]


class Watched:
    """A breaker, and the changes that its observer was told."""

    def __init__(self, settings: Breaker = SETTINGS) -> None:
        self.changes: list[Change] = []
        self.breaker = UpstreamBreaker("openai", settings, self._note)

    def _note(self, upstream: str, was: BreakerState, state: BreakerState) -> None:
        assert upstream == "openai"
        self.changes.append((was, state))

    def call(self, now: float, *, fails: bool) -> None:
        """Make a call that ends at once."""
        permit = self.breaker.enter(now)
        if fails:
            self.breaker.failed(permit, now)
        else:
            self.breaker.succeeded(permit, now)

    def trip(self, now: float) -> None:
        """Open it."""
        while self.breaker.state(now) is CLOSED:
            self.call(now, fails=True)


@pytest.fixture
def watched() -> Watched:
    """A closed breaker that has seen nothing."""
    return Watched()


def test_it_opens_at_the_threshold_and_not_before_there_are_enough_calls(watched: Watched) -> None:
    for fails in (True, True, False):
        watched.call(0, fails=fails)
    assert watched.breaker.state(0) is CLOSED

    watched.call(0, fails=False)

    assert watched.breaker.state(0) is OPEN
    assert not watched.breaker.available(0)
    assert watched.changes == [(CLOSED, OPEN)]


@pytest.mark.parametrize(("failures", "calls", "threshold"), [(3, 10, 0.3), (1, 100, 0.01), (7, 10, 0.7)])
def test_a_share_that_just_reaches_the_threshold_reaches_it(
    failures: int, calls: int, threshold: float
) -> None:
    watched = Watched(Breaker(threshold=threshold, min_calls=calls))
    for number in range(calls):
        assert watched.breaker.state(0) is CLOSED
        watched.call(0, fails=number < failures)

    assert watched.breaker.state(0) is OPEN


def test_what_is_older_than_the_window_does_not_count(watched: Watched) -> None:
    for now in (0, 0, 0, 10):
        watched.call(now, fails=True)
    assert watched.breaker.state(10) is CLOSED

    for now in (10, 12, 14):
        watched.call(now, fails=True)
    assert watched.breaker.state(14) is OPEN


def test_it_is_half_open_by_the_clock_alone(watched: Watched) -> None:
    watched.trip(100)

    assert (watched.breaker.retry_at(129), watched.breaker.available(129)) == (130, False)
    assert watched.changes == [(CLOSED, OPEN)]
    assert (watched.breaker.retry_at(131), watched.breaker.available(131)) == (131, True)
    assert watched.changes == [(CLOSED, OPEN), (OPEN, HALF_OPEN)]


def test_one_call_at_a_time_tries_it(watched: Watched) -> None:
    watched.trip(0)
    permit = watched.breaker.enter(30)
    assert not watched.breaker.available(30)

    watched.breaker.abandoned(permit)
    assert watched.breaker.available(30)

    watched.breaker.succeeded(watched.breaker.enter(30), 31)
    assert watched.breaker.state(31) is CLOSED
    assert watched.changes == [(CLOSED, OPEN), (OPEN, HALF_OPEN), (HALF_OPEN, CLOSED)]


def test_a_failure_then_begins_a_new_cooldown(watched: Watched) -> None:
    watched.trip(0)
    watched.breaker.failed(watched.breaker.enter(40), 45)

    assert watched.breaker.retry_at(45) == 75
    assert watched.changes == [(CLOSED, OPEN), (OPEN, HALF_OPEN), (HALF_OPEN, OPEN)]


def test_once_it_closes_nothing_from_before_counts(watched: Watched) -> None:
    late = [watched.breaker.enter(0) for _ in range(10)]
    watched.trip(0)
    watched.call(30, fails=False)

    for permit in late:
        watched.breaker.failed(permit, 31)

    assert watched.breaker.state(31) is CLOSED


def test_calls_from_before_it_opened_neither_close_it_nor_prolong_the_cooldown(watched: Watched) -> None:
    late = [watched.breaker.enter(0) for _ in range(4)]
    watched.trip(0)

    watched.breaker.failed(late[0], 20)
    watched.breaker.succeeded(late[1], 21)
    assert watched.breaker.retry_at(21) == 30
    watched.breaker.succeeded(late[2], 30)
    watched.breaker.failed(late[3], 30)
    assert watched.breaker.state(30) is HALF_OPEN


def test_the_beginning_of_a_good_answer_closes_it_and_the_end_still_counts(watched: Watched) -> None:
    watched.trip(0)
    permit = watched.breaker.answering(watched.breaker.enter(30))
    assert watched.breaker.state(30) is CLOSED

    for now in (31, 32, 33):
        watched.call(now, fails=True)
    watched.breaker.failed(permit, 34)

    assert watched.breaker.state(34) is OPEN


def test_a_call_that_hangs_does_not_keep_others_away_for_good(watched: Watched) -> None:
    watched.trip(0)
    hanging = watched.breaker.enter(30)
    assert not watched.breaker.available(30 + PROBE_SECONDS - 1)

    other = watched.breaker.enter(30 + PROBE_SECONDS)
    assert other
    watched.breaker.abandoned(hanging)
    assert not watched.breaker.available(31 + PROBE_SECONDS)
    watched.breaker.succeeded(other, 31 + PROBE_SECONDS)
    watched.breaker.failed(hanging, 32 + PROBE_SECONDS)
    assert watched.breaker.state(32 + PROBE_SECONDS) is CLOSED


def test_settings_may_change_while_it_is_open(watched: Watched) -> None:
    watched.trip(0)

    watched.breaker.update(Breaker(cooldown_seconds=5), 3)

    assert watched.breaker.retry_at(3) == 5


@given(
    st.lists(st.tuples(st.floats(0, 3), st.booleans()), max_size=80),
    st.floats(0.1, 20),
    st.integers(1, 12),
    st.floats(0.01, 1),
)
def test_what_it_counts_is_never_older_than_the_window_and_lacks_at_most_a_tenth(
    calls: list[tuple[float, bool]], window: float, min_calls: int, threshold: float
) -> None:
    def reached(counted: list[bool]) -> bool:
        enough = len(counted) >= min_calls
        return enough and bool(counted) and sum(counted) > 0 and sum(counted) / len(counted) >= threshold

    watched = Watched(Breaker(threshold=threshold, min_calls=min_calls, window_seconds=window))
    seen: list[tuple[float, bool]] = []
    now = 0.0
    for step, fails in calls:
        now += step
        seen.append((now, fails))
        watched.call(now, fails=fails)
        # It may have begun to count at any call between these two times.
        starts = {at for at, _ in seen if now - window < at <= now - window * 0.9} | {now - window * 0.9}
        possible = {reached([failed for at, failed in seen if at >= start]) for start in starts}
        assert (watched.breaker.state(now) is OPEN) in possible
        if watched.breaker.state(now) is OPEN:
            return


@dataclass
class Entered:
    """A call as the model knows it: `era` is the stretch between outcomes in which it was let in."""

    permit: int
    era: int | None


class Machine(RuleBasedStateMachine):
    """The breaker beside a plain model: a list of what happened, and the rules as they are written down.

    Times are multiples of what the window moves by, so that the model need not know of it.
    """

    calls: Bundle[Entered] = Bundle("calls")

    @initialize()
    def begin(self) -> None:
        """Start both."""
        self.settings = Breaker(threshold=0.5, cooldown_seconds=20, window_seconds=40, min_calls=3)
        self.watched = Watched(self.settings)
        self.now = 0.0
        self.state = CLOSED
        self.changes: list[Change] = []
        self.events: list[tuple[float, bool]] = []
        self.era = 0
        self.opened_at = 0.0
        self.holder: Entered | None = None
        self.held_until = 0.0

    def _to(self, state: BreakerState) -> None:
        self.changes.append((self.state, state))
        self.state = state
        self.events = []
        if state is not HALF_OPEN:
            self.era += 1
        if state is OPEN:
            self.opened_at = self.now

    def _look(self) -> None:
        if self.state is OPEN and self.now >= self.opened_at + self.settings.cooldown_seconds:
            self.holder = None
            self._to(HALF_OPEN)

    def _free(self) -> bool:
        self._look()
        unheld = self.holder is None or self.now >= self.held_until
        return self.state is CLOSED or (self.state is HALF_OPEN and unheld)

    def _expire(self) -> None:
        horizon = self.now - self.settings.window_seconds
        self.events = [(at, failed) for at, failed in self.events if at > horizon]

    def _outcome(self, call: Entered, *, failed: bool) -> None:
        if call.era != self.era:
            return
        if self.state is HALF_OPEN:
            self._to(OPEN if failed else CLOSED)
            return
        self._expire()
        self.events.append((self.now, failed))
        failures = sum(failed for _, failed in self.events)
        enough = len(self.events) >= self.settings.min_calls
        if failures and enough and failures / len(self.events) >= self.settings.threshold:
            self._to(OPEN)

    @rule(steps=st.integers(1, 20))
    def pass_time(self, steps: int) -> None:
        """Time passes, and nobody looks."""
        self.now += 4 * steps

    @rule(target=calls)
    def enter(self) -> Entered:
        """A call begins, whether it may or not."""
        free = self._free()
        call = Entered(self.watched.breaker.enter(self.now), self.era if free else None)
        if free and self.state is HALF_OPEN:
            self.holder, self.held_until = call, self.now + PROBE_SECONDS
        return call

    @rule(fails=st.booleans())
    def call(self, fails: bool) -> None:
        """A call begins and ends."""
        call = self.enter()
        self.end(call, fails=fails)

    @rule(call=consumes(calls), fails=st.booleans())
    def end(self, call: Entered, fails: bool) -> None:
        """A call ends."""
        if fails:
            self.watched.breaker.failed(call.permit, self.now)
        else:
            self.watched.breaker.succeeded(call.permit, self.now)
        self._outcome(call, failed=fails)

    @rule(call=consumes(calls))
    def abandon(self, call: Entered) -> None:
        """A call ends without outcome."""
        self.watched.breaker.abandoned(call.permit)
        if self.holder is call:
            self.holder = None

    @rule(target=calls, call=consumes(calls))
    def answering(self, call: Entered) -> Entered:
        """A call's answer begins."""
        permit = self.watched.breaker.answering(call.permit)
        if self.state is HALF_OPEN and call.era == self.era:
            self._to(CLOSED)
            return Entered(permit, self.era)
        assert permit == call.permit
        return call

    @rule(
        window=st.sampled_from([20.0, 40.0]),
        cooldown=st.sampled_from([4.0, 20.0, 100.0]),
        min_calls=st.integers(1, 5),
        threshold=st.sampled_from([0.01, 0.5, 1.0]),
    )
    def update(self, window: float, cooldown: float, min_calls: int, threshold: float) -> None:
        """The settings change."""
        self._look()
        self.settings = Breaker(
            threshold=threshold, cooldown_seconds=cooldown, window_seconds=window, min_calls=min_calls
        )
        self.watched.breaker.update(self.settings, self.now)

    @rule()
    def look(self) -> None:
        """Somebody looks."""
        breaker = self.watched.breaker
        free = self._free()
        ends = self.opened_at + self.settings.cooldown_seconds
        assert breaker.available(self.now) is free
        assert breaker.state(self.now) is self.state
        assert breaker.retry_at(self.now) == (ends if self.state is OPEN else self.now)

    @invariant()
    def nothing_was_missed(self) -> None:
        """The observer was told all changes that either has noticed, in order."""
        assert self.watched.changes == self.changes


TestMachine = Machine.TestCase


def test_another_process_can_open_and_close_it(watched: Watched) -> None:
    under_way = watched.breaker.enter(0)
    watched.breaker.move(0, is_open=True)
    assert not watched.breaker.available(0)
    assert watched.breaker.retry_at(0) == SETTINGS.cooldown_seconds

    watched.breaker.move(10, is_open=True)
    assert watched.breaker.retry_at(10) == SETTINGS.cooldown_seconds

    watched.breaker.move(10, is_open=False)
    watched.breaker.failed(under_way, 10)
    assert watched.breaker.state(10) is CLOSED
    assert watched.changes == [(CLOSED, OPEN), (OPEN, CLOSED)]
