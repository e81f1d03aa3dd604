"""A deadline expires when it should, however often it is moved, and costs one timer."""

import gc
import weakref
from math import inf

from hypothesis import given
from hypothesis import strategies as st
from tollkeeper_server.http1.deadline import EARLY_SECONDS, Deadline

from tests.unit.http1.loop import FakeLoop

LATE = 10_000
MOVES = st.lists(st.tuples(st.integers(0, 50), st.integers(1, 100)), max_size=30)
EARLY = st.floats(0, EARLY_SECONDS)


class Watched:
    """A deadline on a loop of its own, and when it expired."""

    def __init__(self, early: float = 0.0) -> None:
        self.loop = FakeLoop(early)
        self.expired: list[float] = []
        self.deadline = Deadline(self.loop.loop, self._expire)

    def _expire(self) -> None:
        self.expired.append(self.loop.now)

    def expired_at(self, expected: list[float]) -> bool:
        """Return whether it expired at these times, but for the moment that a timer is early."""
        if len(self.expired) != len(expected):
            return False
        pairs = zip(self.expired, expected, strict=True)
        return all(due - EARLY_SECONDS <= at <= due for at, due in pairs)


@given(MOVES, EARLY)
def test_it_expires_at_every_deadline_that_is_not_moved_before(
    moves: list[tuple[int, int]], early: float
) -> None:
    watched = Watched(early)
    expected: list[float] = []
    deadline = inf
    for pause, seconds in [*moves, (LATE, 1)]:
        watched.loop.move_on(pause)
        if deadline <= watched.loop.now:
            expected.append(deadline)
        watched.deadline.give(seconds)
        deadline = watched.loop.now + seconds
        assert len(watched.loop.pending()) == 1
    assert watched.expired_at(expected)


@given(MOVES, st.integers(1, 100), st.integers(1, 100), st.integers(0, 500), EARLY)
def test_no_move_gets_past_the_end(
    moves: list[tuple[int, int]], first: int, following: int, total: int, early: float
) -> None:
    watched = Watched(early)
    end = watched.loop.now + total
    watched.deadline.start(first, following, watched.loop.now, end)
    expected: list[float] = []
    deadline = min(watched.loop.now + first, end)
    for pause, seconds in [*moves, (LATE, 1)]:
        watched.loop.move_on(pause)
        if deadline <= watched.loop.now:
            expected.append(deadline)
        if watched.loop.now >= end:
            break
        watched.deadline.give(inf if seconds == 100 else seconds)
        deadline = min(watched.loop.now + (inf if seconds == 100 else seconds), end)
        assert watched.deadline.is_final == (deadline == end)
    assert watched.expired_at(expected)
    assert expected[-1] <= end


@given(st.lists(st.integers(0, 9), max_size=100), st.integers(10, 100))
def test_a_busy_connection_sets_no_more_timers_than_time_goes_by(pauses: list[int], first: int) -> None:
    watched = Watched()
    following = 10
    for pause in pauses:
        watched.deadline.start(first, following, watched.loop.now, inf)
        watched.deadline.give(following)
        watched.loop.move_on(pause)
    assert watched.expired == []
    assert watched.loop.set <= 1 + sum(pauses) / following * 2


def test_a_deadline_may_be_moved_when_it_expires() -> None:
    loop, expired = FakeLoop(), list[float]()

    def expire() -> None:
        expired.append(loop.now)
        if len(expired) < 3:
            deadline.give(5)

    deadline = Deadline(loop.loop, expire)
    deadline.give(1)
    loop.move_on(LATE)
    assert expired == [1001, 1006, 1011]
    assert loop.pending() == []


def test_a_deadline_that_is_closed_never_expires_and_keeps_nothing() -> None:
    watched = Watched()
    loop, deadline = watched.loop, watched.deadline
    deadline.give(1)
    deadline.close()
    deadline.give(1)
    loop.move_on(LATE)
    assert watched.expired == []
    assert loop.pending() == []

    gone = weakref.ref(watched)
    gc.disable()
    try:
        del watched
        assert gone() is None
    finally:
        gc.enable()
