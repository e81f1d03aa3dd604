"""The short form of `make faults`: some rounds of chaos, after which all books are equal."""

from pathlib import Path

from tests.chaos.rounds import run_round
from tests.chaos.town import town


def test_two_rounds_of_chaos(tmp_path: Path) -> None:
    with town(tmp_path, 2) as made:
        for number in (0, 4):  # a gateway is killed, and Redis flushed
            assert run_round(made, 1, number).sent > 0
