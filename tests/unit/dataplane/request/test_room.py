"""Bodies in memory have a bound, of one token and in all."""

import logging
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tollkeeper_server.dataplane.request.room import BodyRoom
from tollkeeper_server.errors import Reason, TollkeeperError


def refusal(room: BodyRoom, token_id: str, size: int) -> Reason | None:
    """Return why there is no room, None if it was taken."""
    try:
        room.take(token_id, size)
    except TollkeeperError as error:
        return error.reason if error.retry_after == 1 else None
    return None


def test_a_token_has_half_of_the_room_and_all_have_all_of_it() -> None:
    room = BodyRoom(100, 10)
    assert refusal(room, "a", 50) is None
    assert refusal(room, "a", 1) is Reason.RATE_LIMIT_EXCEEDED
    assert refusal(room, "b", 49) is None
    assert refusal(room, "c", 2) is Reason.OVERLOADED
    room.give("a", 50)
    assert refusal(room, "c", 50) is None


def test_one_body_of_the_largest_size_always_fits() -> None:
    assert refusal(BodyRoom(100, 80), "a", 80) is None
    assert refusal(BodyRoom(10, 80), "a", 80) is None


def test_a_flood_is_one_line_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    now = [5.0]
    room = BodyRoom(100, 10, clock=lambda: now[0])
    with caplog.at_level(logging.WARNING):
        for _ in range(50):
            refusal(room, "a", 60)
        now[0] += 61
        refusal(room, "a", 60)
    assert len(caplog.records) == 2
    assert "max_bodies_bytes" in caplog.messages[0]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 60))))
def test_whatever_comes_and_goes_the_bounds_hold(steps: list[tuple[str, int]]) -> None:
    room = BodyRoom(100, 40)
    held: Counter[str] = Counter()
    for token_id, size in steps:
        if held[token_id] >= size and size % 2:
            room.give(token_id, size)
            held[token_id] -= size
            continue
        fits = held[token_id] + size <= 50 and held.total() + size <= 100
        assert (refusal(room, token_id, size) is None) == fits
        held[token_id] += size if fits else 0
