"""What an address wastes makes it wait, and is forgiven in time."""

from hypothesis import given
from hypothesis import strategies as st
from tollkeeper_server.doors.pace import BURST_SECONDS, SHARE, Pace


def test_a_little_waste_is_free() -> None:
    pace = Pace(lambda: 0.0)
    pace.waste("192.0.2.1", BURST_SECONDS)
    assert pace.wait("192.0.2.1") == 0


def test_more_is_paced_for_its_address_alone() -> None:
    pace = Pace(lambda: 0.0)
    pace.waste("192.0.2.1", BURST_SECONDS + SHARE)
    assert pace.wait("192.0.2.1") == 1.0
    assert pace.wait("192.0.2.2") == 0


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 0.01)), max_size=200))
def test_whoever_waits_as_told_wastes_no_more_than_its_share(steps: list[tuple[float, float]]) -> None:
    now = wasted = most = 0.0
    pace = Pace(lambda: now)
    for pause, seconds in steps:
        now += pause + pace.wait("2001:db8::1")
        pace.waste("2001:db8::1", seconds)
        wasted += seconds
        most = max(most, seconds)
        assert wasted <= BURST_SECONDS + SHARE * now + most + 1e-9


def test_thousands_of_addresses_are_not_all_remembered_but_who_goes_on_is() -> None:
    pace = Pace(lambda: 0.0)
    for number in range(20_000):
        pace.waste(f"192.{number >> 8}.0.{number & 255}", 1.0)
        if number % 1000 == 0:
            pace.waste("198.51.100.1", 1.0)
    assert len(pace._owed) <= 4096
    assert pace.wait("198.51.100.1") == (20 - BURST_SECONDS) / SHARE
