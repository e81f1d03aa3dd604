"""The ledger's clock under steps of the machine's."""

from hypothesis import given
from hypothesis import strategies as st
from tollkeeper_server.ledger.clock import TRUSTED_AFTER, SteadyClock

SECOND = 1_000_000
START = 1_800_000_000 * SECOND


class Clocks:
    """The machine's two clocks, in microseconds."""

    def __init__(self) -> None:
        self.wall = START
        self.monotonic = 5 * SECOND
        self.steady = SteadyClock(lambda: self.wall * 1000, lambda: self.monotonic * 1000)

    def pass_(self, time: int) -> int:
        self.wall += time
        self.monotonic += time
        return self.steady()


def test_it_goes_with_the_machines_clock() -> None:
    clocks = Clocks()
    assert clocks.pass_(0) == START
    assert clocks.pass_(3 * SECOND) == START + 3 * SECOND
    clocks.wall += SECOND // 2  # as it is set right now and then
    assert clocks.pass_(1) == clocks.wall


def test_a_step_forward_that_is_taken_back_is_not_seen() -> None:
    clocks = Clocks()
    clocks.wall += 3600 * SECOND
    assert clocks.pass_(SECOND) == START + SECOND
    assert clocks.pass_(TRUSTED_AFTER - SECOND) == START + TRUSTED_AFTER
    clocks.wall -= 3600 * SECOND
    assert clocks.pass_(SECOND) == START + TRUSTED_AFTER + SECOND


def test_a_step_forward_that_lasts_is_adopted() -> None:
    clocks = Clocks()
    clocks.wall += 3600 * SECOND
    clocks.pass_(SECOND)
    assert clocks.pass_(TRUSTED_AFTER) == clocks.wall


def test_after_a_step_back_it_goes_slower_until_the_machines_clock_is_there() -> None:
    clocks = Clocks()
    clocks.pass_(10 * SECOND)
    clocks.wall -= 3 * SECOND
    assert clocks.pass_(10 * SECOND) == START + 19 * SECOND
    assert clocks.pass_(20 * SECOND) == clocks.wall
    assert clocks.pass_(10 * SECOND) == clocks.wall


@given(
    st.lists(st.tuples(st.integers(0, 100 * SECOND), st.integers(-4000 * SECOND, 4000 * SECOND)), max_size=20)
)
def test_it_never_goes_back(steps: list[tuple[int, int]]) -> None:
    clocks = Clocks()
    latest = clocks.pass_(0)
    for passed, step in steps:
        clocks.wall += step
        now = clocks.pass_(passed)
        assert now >= latest
        latest = now
