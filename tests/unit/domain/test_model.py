"""Patterns of model names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tollkeeper_server.domain.model import matches


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
