"""Connections are counted by address and in all, and never more than the limits are open."""

import logging
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tollkeeper_server.http1.server.connection_limit import Bound, ConnectionLimit


def limit(in_all: int = 4, per_address: int = 2, clock: list[float] | None = None) -> ConnectionLimit:
    now = clock or [0.0]
    return ConnectionLimit("the port", in_all=in_all, per_address=per_address, clock=lambda: now[0])


def test_one_address_may_have_so_many() -> None:
    it = limit()
    assert [it.admit("192.0.2.1") for _ in range(3)] == [True, True, False]
    assert it.admit("192.0.2.2")
    assert (it.count, it.refused) == (3, {Bound.ADDRESS: 1, Bound.ALL: 0})


def test_all_together_may_have_so_many() -> None:
    it = limit()
    assert [it.admit(f"192.0.2.{number}") for number in range(5)] == [True] * 4 + [False]
    assert (it.count, it.refused) == (4, {Bound.ADDRESS: 0, Bound.ALL: 1})


def test_one_that_has_left_makes_room() -> None:
    it = limit()
    for _ in range(100):
        assert [it.admit("192.0.2.1") for _ in range(3)] == [True, True, False]
        it.left("192.0.2.1")
        it.left("192.0.2.1")
    assert it.count == 0


def test_a_flood_is_one_line_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    now = [1000.0]
    it = limit(clock=now)
    with caplog.at_level(logging.WARNING):
        for _ in range(100):
            it.admit("2001:db8::1")
        (line,) = caplog.messages
        assert line.startswith("connections to the port are refused: 2001:db8::/64 has all 2 open")
        now[0] += 61
        it.admit("2001:db8::1")
    assert len(caplog.records) == 2


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 4))), st.integers(1, 6), st.integers(1, 3))
def test_whatever_comes_and_goes_the_limits_hold(
    steps: list[tuple[bool, int]], in_all: int, per_address: int
) -> None:
    it = limit(in_all, per_address)
    there: Counter[str] = Counter()
    for comes, number in steps:
        address = f"192.0.2.{number}"
        if comes:
            may = there.total() < in_all and there[address] < per_address
            assert it.admit(address) == may
            there[address] += may
        elif there[address]:
            it.left(address)
            there[address] -= 1
        assert it.count == there.total()
