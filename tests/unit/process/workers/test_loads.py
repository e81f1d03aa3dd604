"""Workers know how many callers the others have, and one that has more lets them go first."""

import pytest
from tollkeeper_server.process.workers.loads import Loads, ToldLimit


@pytest.mark.parametrize(
    ("own", "others", "is_ahead"),
    [
        (0, [0], False),
        (2, [0], False),
        (3, [0], True),
        (3, [9], False),
        (100, [89], False),
        (100, [87], True),
        (100, [200, 87], True),
        (100, [], False),
    ],
)
def test_who_is_ahead(own: int, others: list[int], is_ahead: bool) -> None:
    """A worker that does not serve counts for nobody."""
    loads = Loads(len(others) + 2)
    loads.tell(1, own)
    for number, count in enumerate(others, 2):
        loads.tell(number, count)
    assert loads.is_ahead(1) == is_ahead


def test_one_that_has_left_lets_nobody_wait() -> None:
    loads = Loads(2)
    loads.tell(1, 50)
    loads.tell(2, 0)
    loads.leave(2)
    assert not loads.is_ahead(1)
    assert not loads.is_ahead(2)


def test_connections_that_come_and_go_are_told() -> None:
    loads = Loads(2)
    loads.tell(2, 0)
    limit = ToldLimit("the data plane", loads, 1, in_all=4, per_address=4)
    assert [limit.admit("192.0.2.1") for _ in range(5)] == [True] * 4 + [False]
    assert loads.is_ahead(1)
    for _ in range(2):
        limit.left("192.0.2.1")
    assert not loads.is_ahead(1)
