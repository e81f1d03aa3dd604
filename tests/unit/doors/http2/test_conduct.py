"""What a caller may do in vain before it is asked to be calm."""

from collections.abc import Callable

import pytest
from tollkeeper_server.doors.http2.conduct import Allowance, Calm, Conduct
from tollkeeper_server.doors.refusals import Refusal


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


def repeated(call: Callable[[], float], times: int) -> list[float]:
    """Return what so many calls return."""
    return [call() for _ in range(times)]


def taken(allowance: Allowance) -> int:
    """Take all there is, and return how many that was."""
    number = 0
    while allowance.take():
        number += 1
    return number


def test_an_allowance_is_so_many_at_once_and_so_many_a_second() -> None:
    clock = Clock()
    allowance = Allowance(10, 4, clock)
    assert taken(allowance) == 10
    clock.now = 0.5
    assert taken(allowance) == 2
    clock.now = 1000.0
    assert taken(allowance) == 10
    allowance.give(3)
    assert taken(allowance) == 3


def test_it_is_strained_when_hardly_anybody_takes_so_many() -> None:
    allowance = Allowance(10, 1, Clock())
    assert not allowance.is_strained
    for _ in range(3):
        allowance.take()
    assert allowance.is_strained


def test_a_page_that_is_left_is_no_misconduct_and_a_flood_of_resets_is() -> None:
    conduct = Conduct(Clock())
    assert min(repeated(conduct.reset, 200)) > 0
    with pytest.raises(Calm) as calm:
        repeated(conduct.reset, 200)
    assert calm.value.refusal is Refusal.RESETS


def test_frames_are_allowed_to_those_who_read_answers() -> None:
    conduct = Conduct(Clock())
    for _ in range(3000):
        conduct.piece_sent()
        conduct.idle_frame()
        conduct.idle_frame()
    with pytest.raises(Calm) as calm:
        repeated(conduct.idle_frame, 3000)
    assert calm.value.refusal is Refusal.FRAMES


def test_the_first_frames_waste_nothing() -> None:
    conduct = Conduct(Clock())
    wasted = repeated(conduct.idle_frame, 1000)
    assert wasted[0] == 0
    assert wasted[-1] > 0
