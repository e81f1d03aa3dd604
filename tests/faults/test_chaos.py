"""The short form of `make faults`: some rounds of chaos, after which all books are equal."""

from pathlib import Path

import pytest

from tests.chaos.rounds import run_round
from tests.chaos.town import town


@pytest.mark.parametrize(
    ("on_mongo", "rounds"),
    [
        pytest.param(False, (0, 4), id="sqlite"),  # a gateway is killed, and Redis flushed
        pytest.param(True, (0, 6), id="mongo", marks=pytest.mark.mongo),  # and the store held
    ],
)
def test_two_rounds_of_chaos(tmp_path: Path, on_mongo: bool, rounds: tuple[int, ...]) -> None:
    with town(tmp_path, 2, on_mongo=on_mongo) as made:
        for number in rounds:
            assert run_round(made, 1, number).sent > 0
