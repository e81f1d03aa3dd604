"""What was counted outlives the process that counted, also one that was broken off in writing."""

import os

import pytest
from tollkeeper_server.process.workers.remembered import Counted, Remembered


def counted(number: int) -> Counted:
    """Return something that was counted."""
    return Counted({"requests": [(("main",), [number])]}, ())


def test_what_was_written_last_is_read() -> None:
    remembered = Remembered()
    assert remembered.read() is None
    for number in range(5):
        remembered.write(counted(number))
        assert remembered.read() == counted(number)


@pytest.mark.parametrize("kept", [0, 4, 20, 30])
def test_one_that_is_not_whole_leaves_the_one_before(kept: int) -> None:
    remembered = Remembered()
    for number in range(3):
        remembered.write(counted(number))
    # The latest has the third number, and the first place.
    place = 3 % 2 * 64 * 1024 * 1024
    os.pwrite(remembered._file, bytes(20), place + kept)
    assert remembered.read() == counted(1)


def test_a_successor_goes_on_after_what_it_has_read() -> None:
    remembered = Remembered()
    for number in range(2):
        remembered.write(counted(number))
    remembered._number = 0
    remembered.read()
    remembered.write(counted(7))
    assert remembered.read() == counted(7)
