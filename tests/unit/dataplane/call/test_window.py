"""Counting what happened of late."""

from hypothesis import given
from hypothesis import strategies as st
from tollkeeper_server.dataplane.call.window import Window


@given(
    st.lists(st.tuples(st.integers(0, 12), st.booleans()), max_size=60),
    st.integers(0, 40),
)
def test_at_multiples_of_a_tenth_it_is_exact(steps: list[tuple[int, bool]], later: int) -> None:
    window, now = Window(10.0), 0.0
    seen: list[tuple[float, bool]] = []
    for step, mark in steps:
        now += step
        window.add(now, int(mark))
        seen.append((now, mark))
        counted = [marked for at, marked in seen if at > now - 10]
        assert (window.total, window.marked) == (len(counted), sum(counted))

    window.expire(now + later)

    counted = [marked for at, marked in seen if at > now + later - 10]
    assert (window.total, window.marked) == (len(counted), sum(counted))


@given(st.lists(st.floats(0, 3), min_size=1, max_size=60), st.floats(0.1, 20))
def test_nothing_is_older_than_the_window_and_at_most_a_tenth_of_it_is_missing(
    steps: list[float], seconds: float
) -> None:
    window, now = Window(seconds), 0.0
    seen: list[float] = []
    for step in steps:
        now += step
        window.add(now, 0)
        seen.append(now)
        assert window.total <= sum(at > now - seconds for at in seen)
        assert window.total >= sum(at >= now - seconds * 0.9 for at in seen)


def test_it_stays_small_however_much_it_counts() -> None:
    window = Window(10.0)
    for number in range(100_000):
        window.add(number / 1000, 0)

    assert len(window._tenths) <= 11


def test_cleared_it_counts_from_nothing() -> None:
    window = Window(10.0)
    window.add(0, 1)
    window.clear()
    assert (window.total, window.marked) == (0, 0)

    window.add(20, 1)
    assert (window.total, window.marked) == (1, 1)
