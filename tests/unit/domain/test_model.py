"""Whose a model's name is, and which patterns cover it."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tollkeeper_server.domain.model import Model, Patterns, is_pattern, matches, owners


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [
        ("gpt-4o", "gpt-4o", True),
        ("gpt-4o", "gpt-4o-mini", False),
        ("gpt-*", "gpt-4o", True),
        ("gpt-*", "gpt-", True),
        ("gpt-*", "GPT-4", False),
        ("*", "anything", True),
        ("*-4o", "gpt-4o", False),
        ("g*t", "gpt", False),
        ("", "", True),
        ("", "x", False),
    ],
)
def test_a_trailing_star_stands_for_any_rest_and_others_for_themselves(
    pattern: str, name: str, expected: bool
) -> None:
    assert matches(pattern, name) is expected


@given(st.text(), st.text())
def test_a_prefix_with_a_star_covers_whatever_begins_with_it(prefix: str, rest: str) -> None:
    assert matches(prefix + "*", prefix + rest)


STARTS = st.text("ab", max_size=4)
NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)


def model(name: str, *aliases: str, age: int = 0) -> Model:
    """Return a model that is so many seconds old."""
    return Model(name=name, aliases=aliases, created_at=NOON - timedelta(seconds=age), updated_at=NOON)


@given(st.sets(STARTS, max_size=6), st.text("abc", max_size=6))
def test_the_longest_pattern_that_covers_a_name_is_found(starts: set[str], name: str) -> None:
    patterns = [model(f"{start}*") for start in starts]
    covering = [it for it in patterns if matches(it.name, name)]

    found = Patterns(patterns).match(name)

    assert found == max(covering, key=lambda it: len(it.name), default=None)


@given(STARTS)
def test_a_pattern_is_found_by_its_own_name(start: str) -> None:
    pattern = model(f"{start}*")

    assert Patterns([pattern, model("*")]).match(pattern.name) == pattern


def test_a_name_proper_wins_over_an_alias_and_the_elder_over_the_younger() -> None:
    young, old, oldest = model("a", "c", "d"), model("b", "c", age=1), model("x*", "a", "e", age=2)

    assert owners([young, old, oldest]) == {"a": young, "b": old, "c": old, "d": young, "e": oldest}
    assert is_pattern(oldest.name)
