"""What outlives a request."""

from hypothesis import given
from hypothesis import strategies as st
from tollkeeper_server.simulator.config import SimulatorConfig
from tollkeeper_server.simulator.state import Allowance, RecentObjects, State

from tests.unit.clock import Clock


@given(st.integers(1, 5), st.lists(st.floats(0, 40), max_size=60))
def test_no_rolling_minute_has_more_than_its_limit(limit: int, pauses: list[float]) -> None:
    clock = Clock()
    allowance = Allowance(limit, clock)
    taken: list[float] = []
    for pause in pauses:
        clock.now += pause
        wait = allowance.take()
        if wait:
            assert 0 < wait <= 60
        else:
            taken.append(clock.now)
    for first, later in zip(taken, taken[limit:], strict=False):
        assert later - first >= 60


def test_after_the_wait_there_is_one_again() -> None:
    clock = Clock()
    allowance = Allowance(1, clock)
    assert allowance.take() == 0
    clock.now = 20
    assert (allowance.take(), allowance.remaining) == (40, 0)
    clock.now = 60
    assert allowance.take() == 0


def test_the_oldest_object_makes_way() -> None:
    shelf: RecentObjects[int] = RecentObjects(limit=2)
    for number in range(3):
        shelf.put(str(number), number)
    assert shelf.newest_first() == [("2", 2), ("1", 1)]
    assert shelf.get("0") is None


def test_the_same_seed_gives_the_same_ids() -> None:
    one, other = State(SimulatorConfig(seed=5)), State(SimulatorConfig(seed=5))
    assert [one.new_id("x-") for _ in range(3)] == [other.new_id("x-") for _ in range(3)]
    assert one.new_id("x-", 8) != State(SimulatorConfig(seed=6)).new_id("x-", 8)
